"""How SQLite answers the questions of the hot paths: always by an index that leads to few rows, never by a whole table."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from memporium_services.vault.adapters.sql_store import SqlStore
from memporium_services.vault.adapters.tables import metadata
from memporium_services.vault.domain.rows import UnitRow, UsedCube, VaultRow
from memporium_services.vault.domain.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VAULT = VaultRow("uid", "acme", "v", 1, False, "", "owner", "model", b"", 1, 1)
_EMPTY = UnitRow("a", 0, "", None, False, b"")

_QUESTIONS: dict[str, Callable[[SqlStore], object]] = {
    "vault": lambda store: store.vault("acme", "v"),
    "vault by uid": lambda store: store.vault_by_uid("uid"),
    "mounts": lambda store: store.mounts("uid"),
    "cube": lambda store: store.locate("acme", "v", ["a"]),
    "several cubes": lambda store: store.locate("acme", "v", ["a", "b"]),
    "cubes by id": lambda store: store.cubes("uid", ["a", "b"]),
    "hidden cubes, too": lambda store: store.cubes("uid", ["a", "b"], hidden=True),
    "duplicates": lambda store: store.by_dedup("uid", ["a", "b"]),
    "near duplicates": lambda store: store.by_band("uid", ["a", "b"], limit=16),
    "the same in other words": lambda store: store.by_same("uid", ["a", "b"]),
    "payloads": lambda store: store.payloads("uid", [("a", 1), ("b", 1)]),
    "units": lambda store: store.units("uid", [1, 2]),
    "units that were found": lambda store: store.found_units("uid", [1, 2]),
    "what units say": lambda store: store.unit_bodies("uid", [1, 2]),
    "what describes cubes": lambda store: store.described_cubes("uid", ["a", "b"]),
    "how cubes were used": lambda store: store.used_cubes("uid", ["a", "b"]),
    "uses": lambda store: store.record_uses("uid", [UsedCube("a", 1, 1, False, 0.0, 0, "")]),
    "units of cubes": lambda store: store.units_of("uid", ["a", "b"]),
    "what is hidden": lambda store: store.hides_something("uid", Selection(reader="ann", now_us=1)),
    "tasks": lambda store: store.tasks("uid", after=5),
    "publication": lambda store: store.publish_import("uid", "import", 1),
    "forgetting": lambda store: store.remove_cubes("uid", ["a"]),
}
# Of these a vault has few rows; of all others too many to look at each.
_FEW = {"mounts", "blob_refs"}
# A list that the statement itself cuts to a length, and rows that it is given.
_CUT = {"MATERIALIZE listed", "SCAN listed", "MATERIALIZE given", "SCAN given"}
_BY = re.compile(r"SEARCH (\w+) USING .*\((.+)\)")


@pytest.fixture
def traced() -> Iterator[tuple[SqlStore, sqlite3.Connection, list[str]]]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    seen: list[str] = []
    with engine.connect() as connection, connection.begin():
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_trace_callback(seen.append)
        yield SqlStore(connection), driver, seen
        driver.set_trace_callback(None)
    engine.dispose()


def _steps(driver: sqlite3.Connection, statements: list[str]) -> list[str]:
    driver.set_trace_callback(None)
    return [
        step[3]
        for statement in statements
        if statement.split(None, 1)[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}
        for step in driver.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]


@pytest.mark.parametrize("question", _QUESTIONS)
def test_a_question_is_answered_by_an_index(
    traced: tuple[SqlStore, sqlite3.Connection, list[str]], question: str
) -> None:
    store, driver, seen = traced
    _QUESTIONS[question](store)
    steps = _steps(driver, seen)
    assert steps
    for step in steps:
        if step in _CUT:
            continue
        assert not step.startswith("SCAN") or "CONSTANT ROW" in step, steps
        assert "MATERIALIZE" not in step, steps
        if found := _BY.match(step):
            table, by = found.groups()
            assert by != "vault_uid=?" or table in _FEW, steps
            assert "import_id" not in by or question == "publication", steps


def test_writing_units_reads_none(traced: tuple[SqlStore, sqlite3.Connection, list[str]]) -> None:
    store, driver, seen = traced
    store.insert_vault(_VAULT)
    assert store.insert_units(_VAULT, [_EMPTY, _EMPTY]) == [1, 2]
    assert store.insert_units(_VAULT, [_EMPTY]) == [3]
    assert all("SCAN" not in step for step in _steps(driver, seen))
