"""Filters: what SQL admits is what plain Python admits, for any cubes and any filter."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert

from memporium_services.vault.adapters.sql_store import SqlStore
from memporium_services.vault.adapters.tables import metadata
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.rows import CubeRow, PayloadRow, TermRow, UnitRow, VaultRow, VersionRow
from memporium_services.vault.domain.selection import PRIVATE, TAG, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_VAULT = VaultRow("uid", "acme", "v", 1, False, "", "owner", "model", b"", 1, 1)
_NOW = 50
_TAGS = ("red", "green", "blue")
_OWNERS = ("ann", "ben")


def _tokens(kind: str, word: str) -> str:
    return f"{kind}:{word}"


@dataclass(frozen=True)
class Kept:
    """A cube with its tags, and the time and role of its one unit."""

    row: CubeRow
    tags: frozenset[str]
    unit_us: int | None
    role: str


@st.composite
def _kept(draw: st.DrawFn, cube_id: str) -> Kept:
    row = CubeRow(
        vault_uid="uid",
        cube_id=cube_id,
        uid=f"uid-{cube_id}",
        version=1,
        payload_version=1,
        state=draw(st.integers(1, 5)),
        form=draw(st.integers(1, 2)),
        semantic_type=draw(st.integers(1, 2)),
        origin=1,
        scope=draw(st.integers(1, 2)),
        owner=draw(st.sampled_from(_OWNERS)),
        priority=draw(st.integers(0, 2)),
        dedup=cube_id,
        simhash=0,
        create_us=draw(st.integers(0, 3)),
        update_us=1,
        size_bytes=1,
        meta_sealed=b"meta",
        frozen=draw(st.booleans()),
        event_us=draw(st.none() | st.integers(0, 3)),
        expire_us=draw(st.sampled_from((None, _NOW - 1, _NOW, _NOW + 1))),
        import_id=draw(st.sampled_from(("", "", "", "unfinished"))),
    )
    tags = draw(st.frozensets(st.sampled_from(_TAGS)))
    return Kept(row, tags, draw(st.none() | st.integers(0, 3)), draw(st.sampled_from(("user", "assistant"))))


def _some(values: Any) -> Any:
    return st.lists(values, max_size=2, unique=True).map(tuple)


_tag, _time = st.sampled_from(_TAGS), st.none() | st.integers(0, 4)
_selections = st.builds(
    Selection,
    tags_all=_some(_tag),
    tags_any=_some(_tag),
    tags_none=_some(_tag),
    states=_some(st.integers(1, 5)),
    semantic_types=_some(st.integers(1, 2)),
    forms=_some(st.integers(1, 2)),
    owners=_some(st.sampled_from(_OWNERS)),
    scopes=_some(st.integers(1, 2)),
    roles=_some(st.sampled_from(("user", "assistant"))),
    create_min_us=_time,
    create_max_us=_time,
    event_min_us=_time,
    event_max_us=_time,
    min_priority=st.integers(0, 2),
    reader=st.sampled_from(("", *_OWNERS)),
    now_us=st.just(_NOW),
)


def _within(value: int | None, low: int | None, high: int | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value < high)


def _admits(chosen: Selection, kept: Kept) -> bool:
    """Return whether a filter admits a cube, apart from what it asks of units."""
    row = kept.row
    over = row.expire_us is not None and row.expire_us <= chosen.now_us and not row.frozen
    state = int(State.EXPIRED) if over else row.state
    return (
        row.import_id == ""
        and (not chosen.reader or row.scope != PRIVATE or row.owner == chosen.reader)
        and state in (chosen.states or (1, 2, 3, 4))
        and set(chosen.tags_all) <= kept.tags
        and (not chosen.tags_any or bool(kept.tags & set(chosen.tags_any)))
        and not kept.tags & set(chosen.tags_none)
        and (not chosen.semantic_types or row.semantic_type in chosen.semantic_types)
        and (not chosen.forms or row.form in chosen.forms)
        and (not chosen.owners or row.owner in chosen.owners)
        and (not chosen.scopes or row.scope in chosen.scopes)
        and row.priority >= chosen.min_priority
        and _within(row.create_us, chosen.create_min_us, chosen.create_max_us)
    )


def _unit_admitted(chosen: Selection, kept: Kept) -> bool:
    moment = kept.unit_us if kept.unit_us is not None else kept.row.event_us
    of_role = not chosen.roles or kept.role in chosen.roles
    return of_role and _within(moment, chosen.event_min_us, chosen.event_max_us)


def _listed(chosen: Selection, kept: Kept) -> bool:
    """Return whether a cube is listed: some unit meets the filter or, for times alone, the cube itself does."""
    own = not chosen.roles and _within(kept.row.event_us, chosen.event_min_us, chosen.event_max_us)
    return _admits(chosen, kept) and (own or _unit_admitted(chosen, kept))


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _fill(store: SqlStore, all_kept: list[Kept]) -> list[int]:
    store.conn.execute(insert(metadata.tables["vaults"]), [{f.name: getattr(_VAULT, f.name) for f in fields(_VAULT)}])
    store.insert_cubes(
        "uid",
        cubes=[kept.row for kept in all_kept],
        versions=[VersionRow(kept.row.cube_id, 1, 0, 1, "ann", "create", 1, b"meta") for kept in all_kept],
        payloads=[PayloadRow(kept.row.cube_id, 1, b"body") for kept in all_kept],
        terms=[TermRow(kept.row.cube_id, TAG, _tokens(TAG, tag)) for kept in all_kept for tag in kept.tags],
    )
    units = [
        UnitRow(kept.row.cube_id, 0, _tokens("role", kept.role), kept.unit_us, False, b"unit") for kept in all_kept
    ]
    return store.insert_units(_VAULT, units)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), chosen=_selections)
def test_sql_admits_what_python_admits(connection: Connection, data: st.DataObject, chosen: Selection) -> None:
    all_kept = [data.draw(_kept(f"c{number}")) for number in range(data.draw(st.integers(1, 6)))]
    transaction = connection.begin()
    try:
        store = SqlStore(connection, _tokens)
        unit_ids = _fill(store, all_kept)
        listed = store.select("uid", chosen, order="name", after=None, limit=100)
        assert [row.cube_id for row in listed] == [kept.row.cube_id for kept in all_kept if _listed(chosen, kept)]
        searched = [
            unit_id
            for unit_id, kept in zip(unit_ids, all_kept, strict=True)
            if _admits(chosen, kept) and _unit_admitted(chosen, kept)
        ]
        assert store.allowed("uid", chosen).tolist() == searched
    finally:
        transaction.rollback()


def test_a_cube_is_located_with_its_payload_and_hidden_while_its_import_runs(connection: Connection) -> None:
    transaction = connection.begin()
    try:
        store = SqlStore(connection, _tokens)
        base = CubeRow("uid", "a", "uid-a", 1, 1, 2, 1, 1, 1, 2, "ann", 0, "a", (1 << 64) - 1, 1, 1, 1, b"meta")
        hidden = replace(base, cube_id="b", uid="uid-b", dedup="b", import_id="unfinished")
        _fill(store, [Kept(row, frozenset(), None, "user") for row in (base, hidden)])
        found = store.locate("acme", "v", ["a", "b", "c"])
        assert found is not None
        assert found.vault == replace(_VAULT, next_unit=3)
        assert found.cubes == {"a": base}
        assert found.payloads == {"a": PayloadRow("a", 1, b"body")}
        empty = store.locate("acme", "v", ["c"])
        assert empty is not None
        assert (empty.cubes, empty.payloads) == ({}, {})
        assert store.locate("acme", "w", ["a"]) is None
    finally:
        transaction.rollback()


def test_a_filter_is_told_from_every_other() -> None:
    others = [
        replace(Selection(), **{field.name: 1 if isinstance(field.default, int) or field.default is None else ("x",)})
        for field in fields(Selection)
        if field.name not in {"now_us", "reader"}
    ]
    others.append(Selection(reader="ann"))
    assert len({one.key() for one in others}) == len(others)
    assert Selection().key() not in {one.key() for one in others}
    assert Selection(now_us=5).key() == Selection().key()


def test_only_the_reader_and_the_time_leave_a_filter_unconditional() -> None:
    assert Selection(reader="ann", now_us=7).unconditional
    assert not Selection(min_priority=1).unconditional
    assert not Selection(states=(1,)).unconditional
