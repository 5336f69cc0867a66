"""Cubes with their versions, payloads and words in SQL."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, tuple_, update

from memporium_platform.storage.sql.by_keys import RowsByKeys
from memporium_platform.storage.sql.many import insert_many, update_many
from memporium_services.vault.adapters.cube_rows import (
    CUBES_BY_DEDUP,
    CUBES_BY_ID,
    DESCRIBED_CUBES,
    SEEN_CUBES_BY_ID,
    WITH_META,
    cube_of,
    locate,
    signed,
    unsigned,
)
from memporium_services.vault.adapters.plain import tuples_of, values_of
from memporium_services.vault.adapters.selection_sql import has_unit, on_cubes, visible_to
from memporium_services.vault.adapters.sql_vaults import in_chunks
from memporium_services.vault.adapters.tables import CUBE_TERMS, CUBES, PAYLOADS, VERSIONS
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.rows import (
    Banded,
    CubeRow,
    DescribedCube,
    PayloadRow,
    TermRow,
    UsedCube,
    VersionRow,
)
from memporium_services.vault.domain.selection import BAND, SAME, TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import BindParameter, Connection, Row, Select

    from memporium_services.vault.domain.rows import Located
    from memporium_services.vault.domain.selection import Selection

_LIVE = (int(State.GENERATED), int(State.ACTIVATED), int(State.MERGED))

# Orders of lists: the column, and whether the greatest comes first.
ORDERS = {
    "name": (CUBES.c.cube_id, False),
    "create_time": (CUBES.c.create_us, True),
    "update_time": (CUBES.c.update_us, True),
    "event_time": (func.coalesce(CUBES.c.event_us, 0), True),
    "heat": (CUBES.c.heat, True),
}


_INSERT_VERSION, _INSERT_PAYLOAD = map(insert, (VERSIONS, PAYLOADS))
_SAVE_CUBE = update(CUBES).where(
    CUBES.c.vault_uid == bindparam("of_vault"),
    CUBES.c.cube_id == bindparam("of_cube"),
    CUBES.c.version == bindparam("at_version"),
)
_USED = RowsByKeys(
    lambda keys: select(*(CUBES.c[name] for name in UsedCube._fields)).where(
        CUBES.c.vault_uid == bindparam("vault_uid"), CUBES.c.cube_id.in_(keys), CUBES.c.import_id == ""
    )
)
_DELETE_TERMS = delete(CUBE_TERMS).where(
    CUBE_TERMS.c.vault_uid == bindparam("of_vault"), CUBE_TERMS.c.cube_id == bindparam("of_cube")
)
_PAYLOADS_BY_KEY = select(PAYLOADS).where(
    PAYLOADS.c.vault_uid == bindparam("vault_uid"),
    # SQLite finds no index for pairs.
    PAYLOADS.c.cube_id.in_(bindparam("cube_ids", expanding=True)),
    tuple_(PAYLOADS.c.cube_id, PAYLOADS.c.payload_version).in_(bindparam("keys", expanding=True)),
)


def _banded(keys: Sequence[BindParameter[Any]]) -> Select[Any]:
    """Return the statement that finds the cubes of bands, with what is asked of them."""
    term, cube = CUBE_TERMS.c, CUBES.c
    # First the words alone: of a band that many share, no more than the limit is looked at.
    listed = (
        select(term.cube_id, term.token)
        .where(term.vault_uid == bindparam("vault_uid"), term.kind == BAND, term.token.in_(keys))
        .limit(bindparam("most"))
        .subquery("listed")
    )
    return (
        select(listed.c.token, listed.c.cube_id, cube.simhash, cube.scope, cube.owner)
        .join(CUBES, and_(cube.vault_uid == bindparam("vault_uid"), cube.cube_id == listed.c.cube_id))
        .where(or_(*(cube.state == state for state in _LIVE)), cube.import_id == "")
    )


_BANDS = RowsByKeys(_banded)
_BY_SAME = (
    select(CUBE_TERMS.c.token, CUBES.c.cube_id)
    .join_from(
        CUBE_TERMS, CUBES, and_(CUBES.c.vault_uid == CUBE_TERMS.c.vault_uid, CUBES.c.cube_id == CUBE_TERMS.c.cube_id)
    )
    .where(
        CUBE_TERMS.c.vault_uid == bindparam("vault_uid"),
        CUBE_TERMS.c.kind == SAME,
        CUBE_TERMS.c.token.in_(bindparam("tokens", expanding=True)),
        CUBES.c.state.in_(_LIVE),
        CUBES.c.import_id == "",
    )
    .order_by(CUBES.c.create_us, CUBES.c.cube_id)
)
_cube_values = values_of(CubeRow, "meta_sealed")
_version_values, _payload_values = map(values_of, (VersionRow, PayloadRow))
_cube_tuple, _SIMHASH = tuples_of(CUBES), CUBES.columns.keys().index("simhash")
_version_tuple, _payload_tuple, _term_tuple = (tuples_of(it, "vault_uid") for it in (VERSIONS, PAYLOADS, CUBE_TERMS))


def _columns(row: CubeRow) -> dict[str, Any]:
    values = _cube_values(row)
    values["simhash"] = signed(row.simhash)
    return values


def _cube_columns(row: CubeRow) -> tuple[Any, ...]:
    values = list(_cube_tuple(row))
    values[_SIMHASH] = signed(row.simhash)
    return tuple(values)


class SqlCubes:
    """The part of the store that keeps cubes."""

    conn: Connection
    tokens: Callable[[str, str], str]

    def insert_cubes(
        self,
        vault_uid: str,
        *,
        cubes: Sequence[CubeRow],
        versions: Sequence[VersionRow],
        payloads: Sequence[PayloadRow],
        terms: Sequence[TermRow],
    ) -> None:
        """Add new cubes with their first versions."""
        insert_many(self.conn, CUBES, [_cube_columns(row) for row in cubes])
        insert_many(self.conn, VERSIONS, [_version_tuple(vault_uid, row) for row in versions])
        insert_many(self.conn, PAYLOADS, [_payload_tuple(vault_uid, row) for row in payloads])
        self._insert_terms(vault_uid, terms)

    def described_cubes(self, vault_uid: str, cube_ids: Sequence[str]) -> list[DescribedCube]:
        """Return what describes cubes, by id as far as they are there, in no order."""
        return [DescribedCube(*row) for row in DESCRIBED_CUBES.rows(self.conn, cube_ids, vault_uid=vault_uid)]

    def cubes(self, vault_uid: str, cube_ids: Sequence[str], *, hidden: bool = False) -> dict[str, CubeRow]:
        """Return cubes by id; those of unfinished imports only where `hidden`."""
        rows = (CUBES_BY_ID if hidden else SEEN_CUBES_BY_ID).rows(self.conn, cube_ids, vault_uid=vault_uid)
        return {cube.cube_id: cube for cube in map(cube_of, rows)}

    def locate(self, org: str, vault_id: str, cube_ids: Sequence[str]) -> Located | None:
        """Return a vault by its ids, with some of its cubes and their present payloads; None: no such vault."""
        return locate(self.conn, org, vault_id, cube_ids)

    def by_dedup(self, vault_uid: str, tokens: Sequence[str]) -> dict[str, CubeRow]:
        """Return cubes that are not EXPIRED by their keyed digest."""
        rows = CUBES_BY_DEDUP.rows(self.conn, tokens, vault_uid=vault_uid)
        return {cube.dedup: cube for cube in map(cube_of, rows)}

    def by_same(self, vault_uid: str, tokens: Sequence[str]) -> dict[str, CubeRow]:
        """Return live cubes by the keyed word of their canonical form, for each the first made."""
        found: dict[str, str] = {}
        for some in in_chunks(tokens):
            for row in self.conn.execute(_BY_SAME, {"vault_uid": vault_uid, "tokens": some}):
                found.setdefault(row.token, row.cube_id)
        cubes = self.cubes(vault_uid, list(found.values()))
        return {token: cubes[cube_id] for token, cube_id in found.items() if cube_id in cubes}

    def by_band(self, vault_uid: str, tokens: Sequence[str], *, limit: int) -> list[Banded]:
        """Return live cubes that share a band of their SimHash with one of `tokens`, at most `limit` in all."""
        rows = _BANDS.rows(self.conn, tokens, vault_uid=vault_uid, most=limit)
        return [Banded(row[0], row[1], unsigned(row[2]), row[3], row[4]) for row in rows]

    def select(
        self, vault_uid: str, selection: Selection, *, order: str, after: tuple[Any, str] | None, limit: int
    ) -> list[CubeRow]:
        """Return the cubes that a selection admits, after a place (value of the order's column, id)."""
        column, descending = ORDERS[order]
        conditions = [
            *on_cubes(vault_uid, selection, self.tokens),
            *has_unit(vault_uid, selection, self.tokens),
        ]
        if after is not None:
            value, cube_id = after
            beyond = column < value if descending else column > value
            conditions.append(or_(beyond, and_(column == value, CUBES.c.cube_id > cube_id)))
        query = WITH_META.where(*conditions)
        query = query.order_by(column.desc() if descending else column, CUBES.c.cube_id).limit(limit)
        return [cube_of(row) for row in self.conn.execute(query)]

    def select_held(self, vault_uid: str) -> list[CubeRow]:
        """Return the cubes that are frozen or under legal hold."""
        held = or_(CUBES.c.frozen.is_(True), CUBES.c.legal_hold.is_(True))
        return [cube_of(row) for row in self.conn.execute(WITH_META.where(CUBES.c.vault_uid == vault_uid, held))]

    def save_cube(self, row: CubeRow, *, expected_version: int) -> bool:
        """Write a cube if it is still at the version that the change was computed from; return whether it was."""
        place = {"of_vault": row.vault_uid, "of_cube": row.cube_id, "at_version": expected_version}
        return self.conn.execute(_SAVE_CUBE, _columns(row) | place).rowcount == 1

    def replace_terms(self, vault_uid: str, cube_id: str, terms: Sequence[TermRow]) -> None:
        """Put a cube's words in the place of its old ones."""
        self.conn.execute(_DELETE_TERMS, {"of_vault": vault_uid, "of_cube": cube_id})
        self._insert_terms(vault_uid, terms)

    def insert_version(self, vault_uid: str, row: VersionRow) -> None:
        """Add a version."""
        self.conn.execute(_INSERT_VERSION, _version_values(row) | {"vault_uid": vault_uid})

    def versions(self, vault_uid: str, cube_id: str, *, below: int, limit: int) -> list[VersionRow]:
        """Return versions below a number, newest first; 0: from the newest."""
        query = self._versions(vault_uid, cube_id).order_by(VERSIONS.c.version.desc()).limit(limit)
        query = query.where(VERSIONS.c.version < below) if below else query
        return [self._version(row) for row in self.conn.execute(query)]

    def version(self, vault_uid: str, cube_id: str, version: int) -> VersionRow | None:
        """Return one version."""
        query = self._versions(vault_uid, cube_id).where(VERSIONS.c.version == version)
        row = self.conn.execute(query).one_or_none()
        return None if row is None else self._version(row)

    def version_at(self, vault_uid: str, cube_id: str, moment_us: int) -> VersionRow | None:
        """Return the newest version that was made at or before a time."""
        query = self._versions(vault_uid, cube_id).where(VERSIONS.c.create_us <= moment_us)
        row = self.conn.execute(query.order_by(VERSIONS.c.version.desc()).limit(1)).one_or_none()
        return None if row is None else self._version(row)

    def version_of_revision(self, vault_uid: str, cube_id: str, revision: int) -> VersionRow | None:
        """Return the newest version that was made at or before a revision of the vault."""
        query = self._versions(vault_uid, cube_id).where(VERSIONS.c.revision <= revision)
        row = self.conn.execute(query.order_by(VERSIONS.c.version.desc()).limit(1)).one_or_none()
        return None if row is None else self._version(row)

    def cubes_as_of(
        self, vault_uid: str, *, revision: int, moment_us: int | None, reader: str, after: str, limit: int
    ) -> list[tuple[CubeRow, VersionRow]]:
        """Return cubes by id, each with its newest version up to a revision, or up to a time where that is given."""
        column = VERSIONS.c
        then = column.revision <= revision if moment_us is None else column.create_us <= moment_us
        newest = (
            select(column.cube_id, func.max(column.version).label("newest"))
            .join(CUBES, and_(CUBES.c.vault_uid == column.vault_uid, CUBES.c.cube_id == column.cube_id))
            .where(column.vault_uid == vault_uid, column.cube_id > after, then, *visible_to(reader))
            .group_by(column.cube_id)
            .order_by(column.cube_id)
            .limit(limit)
            .subquery()
        )
        of_newest = and_(column.cube_id == newest.c.cube_id, column.version == newest.c.newest)
        query = select(VERSIONS).join(newest, of_newest).where(column.vault_uid == vault_uid)
        stamps = [self._version(row) for row in self.conn.execute(query.order_by(column.cube_id))]
        present = self.cubes(vault_uid, [stamp.cube_id for stamp in stamps])
        return [(present[stamp.cube_id], stamp) for stamp in stamps if stamp.cube_id in present]

    def changes_up_to(self, vault_uid: str, upto: Sequence[tuple[str, int]]) -> dict[str, list[str]]:
        """Return what made each cube's versions, in order, up to a version of it."""
        column, last = VERSIONS.c, dict(upto)
        found: dict[str, list[str]] = {cube_id: [] for cube_id in last}
        for some in in_chunks(list(last)):
            query = select(column.cube_id, column.version, column.change).where(
                column.vault_uid == vault_uid, column.cube_id.in_(some)
            )
            for cube_id, version, change in self.conn.execute(query.order_by(column.cube_id, column.version)):
                if version <= last[cube_id]:
                    found[cube_id].append(change)
        return found

    def insert_payload(self, vault_uid: str, row: PayloadRow) -> None:
        """Add a payload."""
        self.conn.execute(_INSERT_PAYLOAD, _payload_values(row) | {"vault_uid": vault_uid})

    def payloads(self, vault_uid: str, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], PayloadRow]:
        """Return payloads by cube and payload version."""
        found: dict[tuple[str, int], PayloadRow] = {}
        for some in in_chunks(keys, 200):
            for row in self.conn.execute(
                _PAYLOADS_BY_KEY, {"vault_uid": vault_uid, "cube_ids": [cube_id for cube_id, _ in some], "keys": some}
            ):
                payload = PayloadRow(row.cube_id, row.payload_version, row.body_sealed, row.object_key)
                found[row.cube_id, row.payload_version] = payload
        return found

    def move_payload(self, vault_uid: str, row: PayloadRow) -> None:
        """Write where a payload lies now."""
        column = PAYLOADS.c
        query = update(PAYLOADS).where(
            column.vault_uid == vault_uid,
            column.cube_id == row.cube_id,
            column.payload_version == row.payload_version,
        )
        self.conn.execute(query.values(body_sealed=row.body_sealed, object_key=row.object_key))

    def used_cubes(self, vault_uid: str, cube_ids: Sequence[str]) -> list[UsedCube]:
        """Return how cubes were used, as far as they are there."""
        return [UsedCube(*row) for row in _USED.rows(self.conn, cube_ids, vault_uid=vault_uid)]

    def record_uses(self, vault_uid: str, rows: Sequence[UsedCube]) -> None:
        """Write how cubes were used; makes no version and no revision."""
        values = [(vault_uid, row.cube_id, row.version, row.state, row.heat, row.last_use_us, row.uses) for row in rows]
        by, change = ("vault_uid", "cube_id", "version"), ("state", "heat", "last_use_us", "uses")
        update_many(self.conn, CUBES, values, by=by, change=change)

    def tag_counts(self, vault_uid: str, *, reader: str) -> list[tuple[str, int, str]]:
        """Return each tag's keyed form, how many cubes carry it, and one of them."""
        term = CUBE_TERMS.c
        query = (
            select(term.token, func.count(), func.min(term.cube_id))
            .join(CUBES, and_(CUBES.c.vault_uid == term.vault_uid, CUBES.c.cube_id == term.cube_id))
            .where(
                term.vault_uid == vault_uid,
                term.kind == TAG,
                CUBES.c.state != int(State.EXPIRED),
                *visible_to(reader),
            )
            .group_by(term.token)
        )
        return [(token, count, cube_id) for token, count, cube_id in self.conn.execute(query)]

    def _insert_terms(self, vault_uid: str, terms: Sequence[TermRow]) -> None:
        insert_many(self.conn, CUBE_TERMS, [_term_tuple(vault_uid, row) for row in terms])

    def _versions(self, vault_uid: str, cube_id: str) -> Select[Any]:
        return select(VERSIONS).where(VERSIONS.c.vault_uid == vault_uid, VERSIONS.c.cube_id == cube_id)

    def _version(self, row: Row[Any]) -> VersionRow:
        return VersionRow(**{field.name: getattr(row, field.name) for field in fields(VersionRow)})
