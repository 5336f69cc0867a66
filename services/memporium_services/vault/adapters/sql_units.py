"""Units, index tasks and blobs in SQL."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import bindparam, delete, exists, insert, or_, select, update

from memporium_platform.storage.sql.by_keys import Prepared, RowsByKeys
from memporium_platform.storage.sql.many import insert_many
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.vault.adapters.plain import tuples_of
from memporium_services.vault.adapters.selection_sql import on_cubes, on_units
from memporium_services.vault.adapters.sql_vaults import in_chunks
from memporium_services.vault.adapters.tables import BLOB_REFS, BLOBS, CUBES, INDEX_TASKS, UNITS, VAULTS
from memporium_services.vault.domain.rows import BlobRow, FoundUnit, IndexTask, UnitRow
from memporium_services.vault.domain.selection import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Row

    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.domain.selection import Selection

_LIVE_STATES = (1, 2, 3)

# Columns of a unit that was found; the others are its cube's.
_OF_UNIT = FoundUnit._fields.index("uid")
# Built once: see `cube_rows`.
_TAKE_IDS = (
    update(VAULTS)
    .where(VAULTS.c.uid == bindparam("of_vault"))
    .values(next_unit=VAULTS.c.next_unit + bindparam("taken"))
    .returning(VAULTS.c.next_unit)
)
_INSERT_TASK = insert(INDEX_TASKS)
_OF_VAULT = select(*(UNITS.c[field.name] for field in fields(UnitRow))).where(
    UNITS.c.vault_uid == bindparam("vault_uid")
)
_BODIES = RowsByKeys(
    lambda keys: select(UNITS.c.unit_id, UNITS.c.body_sealed).where(
        UNITS.c.vault_uid == bindparam("vault_uid"), UNITS.c.unit_id.in_(keys)
    )
)
_UNITS_BY_ID = RowsByKeys(lambda keys: _OF_VAULT.where(UNITS.c.unit_id.in_(keys)))


def _found(*further: str) -> RowsByKeys:
    """Return the statement that finds units with their cubes' visibility, and with further columns of the units."""
    columns = (
        *(UNITS.c[name] for name in FoundUnit._fields[:_OF_UNIT]),
        *(CUBES.c[name] for name in FoundUnit._fields[_OF_UNIT:]),
        *(UNITS.c[name] for name in further),
    )
    seen = (CUBES.c.vault_uid == UNITS.c.vault_uid) & (CUBES.c.cube_id == UNITS.c.cube_id)
    of_vault = (UNITS.c.vault_uid == bindparam("vault_uid"), CUBES.c.import_id == "")
    return RowsByKeys(lambda keys: select(*columns).join(CUBES, seen).where(*of_vault, UNITS.c.unit_id.in_(keys)))


_FOUND_UNITS, _FOUND_CONTENTS = _found(), _found("body_sealed")
_UNITS_OF = _OF_VAULT.where(UNITS.c.cube_id.in_(bindparam("cube_ids", expanding=True))).order_by(
    UNITS.c.cube_id, UNITS.c.ordinal
)
# Each question by itself has an index that answers it at once; joined by OR they would read every cube of the vault.
_HAS_OVERDUE, _HAS_BEFORE, _HAS_AFTER = (
    exists().where(CUBES.c.vault_uid == bindparam("vault_uid"), *hidden)
    for hidden in (
        (CUBES.c.expire_us <= bindparam("now_us"), or_(*(CUBES.c.state == state for state in _LIVE_STATES))),
        (CUBES.c.scope == PRIVATE, CUBES.c.owner < bindparam("reader")),
        (CUBES.c.scope == PRIVATE, CUBES.c.owner > bindparam("reader")),
    )
)
_HIDES_FROM_ALL = Prepared(select(_HAS_OVERDUE))
_HIDES_FROM_READER = Prepared(select(or_(_HAS_OVERDUE, _HAS_BEFORE, _HAS_AFTER)))
_unit_tuple = tuples_of(UNITS, "vault_uid", "unit_id")


def _unit(row: Sequence[Any]) -> UnitRow:
    return UnitRow(*row)


def _blob(row: Row[Any]) -> BlobRow:
    return BlobRow(row.blob_key, row.size_bytes, row.segments, row.complete, row.update_us)


def _pack(ids: Sequence[int]) -> bytes:
    return np.asarray(ids, "<i8").tobytes()


def _unpack(packed: bytes) -> tuple[int, ...]:
    return tuple(np.frombuffer(packed, "<i8").tolist())


class SqlUnits:
    """The part of the store that keeps units."""

    conn: Connection
    tokens: Callable[[str, str], str]

    def insert_units(self, vault: VaultRow, units: Sequence[UnitRow]) -> list[int]:
        """Add units; return their new ids, which are never given again."""
        if not units:
            return []
        taken = {"of_vault": vault.uid, "taken": len(units)}
        first = int(self.conn.execute(_TAKE_IDS, taken).scalar_one()) - len(units)
        ids = list(range(first, first + len(units)))
        rows = [_unit_tuple(vault.uid, unit_id, unit) for unit_id, unit in zip(ids, units, strict=True)]
        insert_many(self.conn, UNITS, rows)
        return ids

    def unit_ids(self, vault_uid: str, cube_ids: Sequence[str]) -> list[int]:
        """Return the ids of the cubes' units."""
        found: list[int] = []
        for some in in_chunks(cube_ids):
            query = select(UNITS.c.unit_id).where(UNITS.c.vault_uid == vault_uid, UNITS.c.cube_id.in_(some))
            found += self.conn.execute(query).scalars()
        return found

    def units(self, vault_uid: str, unit_ids: Sequence[int]) -> dict[int, UnitRow]:
        """Return units by id."""
        rows = _UNITS_BY_ID.rows(self.conn, unit_ids, vault_uid=vault_uid)
        return {unit.unit_id: unit for unit in map(_unit, rows)}

    def unit_bodies(self, vault_uid: str, unit_ids: Sequence[int]) -> dict[int, bytes]:
        """Return the sealed bodies of units by id."""
        return {row[0]: row[1] for row in _BODIES.rows(self.conn, unit_ids, vault_uid=vault_uid)}

    def found_units(self, vault_uid: str, unit_ids: Sequence[int]) -> list[FoundUnit]:
        """Return units by id with their cubes' visibility, as far as they are there, in no order."""
        return [FoundUnit(*row) for row in _FOUND_UNITS.rows(self.conn, unit_ids, vault_uid=vault_uid)]

    def found_contents(self, vault_uid: str, unit_ids: Sequence[int]) -> list[tuple[FoundUnit, bytes]]:
        """Return what `found_units` does, each with the unit's sealed body."""
        rows = _FOUND_CONTENTS.rows(self.conn, unit_ids, vault_uid=vault_uid)
        return [(FoundUnit._make(row[:-1]), row[-1]) for row in rows]

    def units_of(self, vault_uid: str, cube_ids: Sequence[str]) -> list[UnitRow]:
        """Return the cubes' units, each cube's in order."""
        found: list[UnitRow] = []
        for some in in_chunks(cube_ids):
            rows = self.conn.execute(_UNITS_OF, {"vault_uid": vault_uid, "cube_ids": some})
            found += [_unit(row) for row in rows]
        return found

    def delete_units(self, vault_uid: str, cube_ids: Sequence[str]) -> tuple[list[int], int]:
        """Remove the cubes' units; return their ids and how many had a context."""
        gone: list[int] = []
        contexts = 0
        for some in in_chunks(cube_ids):
            of_cubes = (UNITS.c.vault_uid == vault_uid, UNITS.c.cube_id.in_(some))
            for row in self.conn.execute(select(UNITS.c.unit_id, UNITS.c.has_context).where(*of_cubes)):
                gone.append(row.unit_id)
                contexts += bool(row.has_context)
            self.conn.execute(delete(UNITS).where(*of_cubes))
        return gone, contexts

    def indexed_units(self, vault_uid: str, *, after: int, limit: int) -> list[UnitRow]:
        """Return the units that belong in the index, by id."""
        query = (
            select(UNITS)
            .join(CUBES, (CUBES.c.vault_uid == UNITS.c.vault_uid) & (CUBES.c.cube_id == UNITS.c.cube_id))
            .where(
                UNITS.c.vault_uid == vault_uid,
                UNITS.c.unit_id > after,
                CUBES.c.state.in_(_LIVE_STATES),
                CUBES.c.import_id == "",
            )
            .order_by(UNITS.c.unit_id)
            .limit(limit)
        )
        return [_unit(row) for row in self.conn.execute(query)]

    def allowed(self, vault_uid: str, selection: Selection) -> NDArray[np.int64]:
        """Return the sorted ids of the units that a selection admits."""
        query = (
            select(UNITS.c.unit_id)
            .join(CUBES, (CUBES.c.vault_uid == UNITS.c.vault_uid) & (CUBES.c.cube_id == UNITS.c.cube_id))
            .where(
                UNITS.c.vault_uid == vault_uid,
                *on_cubes(vault_uid, selection, self.tokens),
                *on_units(selection, self.tokens),
            )
            .order_by(UNITS.c.unit_id)
        )
        return np.fromiter(self.conn.execute(query).scalars(), np.int64)

    def hides_something(self, vault_uid: str, selection: Selection) -> bool:
        """Return whether the reader must not see everything that is in the index: private cubes, or overdue ones."""
        values = {"vault_uid": vault_uid, "now_us": selection.now_us}
        if selection.reader:
            [found] = _HIDES_FROM_READER.rows(self.conn, values | {"reader": selection.reader})
        else:
            [found] = _HIDES_FROM_ALL.rows(self.conn, values)
        return bool(found[0])

    def add_task(self, vault_uid: str, task: IndexTask) -> None:
        """Note what the index has to take in."""
        values = {"upserts": _pack(task.upserts), "deletes": _pack(task.deletes)}
        self.conn.execute(_INSERT_TASK, values | {"vault_uid": vault_uid, "revision": task.revision})

    def drop_task(self, vault_uid: str, revision: int) -> None:
        """Remove the note of one revision, to write another."""
        tasks = INDEX_TASKS.c
        self.conn.execute(delete(INDEX_TASKS).where(tasks.vault_uid == vault_uid, tasks.revision == revision))

    def mark_indexed(self, vault_uid: str, revision: int) -> None:
        """Note that a revision changed what is indexed."""
        self.conn.execute(update(VAULTS).where(VAULTS.c.uid == vault_uid).values(index_revision=revision))

    def tasks(self, vault_uid: str, *, after: int) -> list[IndexTask]:
        """Return the notes after a revision, in order."""
        query = select(INDEX_TASKS).where(INDEX_TASKS.c.vault_uid == vault_uid, INDEX_TASKS.c.revision > after)
        rows = self.conn.execute(query.order_by(INDEX_TASKS.c.revision))
        return [IndexTask(row.revision, _unpack(row.upserts), _unpack(row.deletes)) for row in rows]

    def drop_tasks(self, vault_uid: str, *, through: int) -> None:
        """Remove notes that every index has taken in; older indexes are built anew."""
        tasks = INDEX_TASKS.c
        self.conn.execute(delete(INDEX_TASKS).where(tasks.vault_uid == vault_uid, tasks.revision <= through))
        self.conn.execute(update(VAULTS).where(VAULTS.c.uid == vault_uid).values(tasks_floor=through))

    def blobs(self, vault_uid: str, keys: Sequence[str]) -> dict[str, BlobRow]:
        """Return blobs by keyed name."""
        found: dict[str, BlobRow] = {}
        for some in in_chunks(keys):
            query = select(BLOBS).where(BLOBS.c.vault_uid == vault_uid, BLOBS.c.blob_key.in_(some))
            found.update((row.blob_key, _blob(row)) for row in self.conn.execute(query))
        return found

    def save_blob(self, vault_uid: str, row: BlobRow) -> None:
        """Write how far an upload has come."""
        values = {"vault_uid": vault_uid, **asdict(row)}
        changed = ["size_bytes", "segments", "complete", "update_us"]
        self.conn.execute(upsert(BLOBS, values, index_elements=["vault_uid", "blob_key"], set_=changed))

    def refer(self, vault_uid: str, cube_id: str, keys: Sequence[str]) -> None:
        """Note that a cube needs blobs."""
        for key in keys:
            values = {"vault_uid": vault_uid, "blob_key": key, "cube_id": cube_id}
            self.conn.execute(upsert(BLOB_REFS, values, index_elements=["vault_uid", "blob_key", "cube_id"]))

    def referring(self, vault_uid: str, blob_key: str) -> list[str]:
        """Return the cubes that need a blob."""
        query = select(BLOB_REFS.c.cube_id).where(BLOB_REFS.c.vault_uid == vault_uid, BLOB_REFS.c.blob_key == blob_key)
        return list(self.conn.execute(query).scalars())

    def referrers(self, vault_uid: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Return which cubes need blobs, as pairs of a blob's keyed name and a cube's id."""
        found: list[tuple[str, str]] = []
        for some in in_chunks(keys):
            query = select(BLOB_REFS.c.blob_key, BLOB_REFS.c.cube_id)
            query = query.where(BLOB_REFS.c.vault_uid == vault_uid, BLOB_REFS.c.blob_key.in_(some))
            found += [(row.blob_key, row.cube_id) for row in self.conn.execute(query)]
        return found

    def orphans(self, vault_uid: str, *, before_us: int, limit: int) -> list[BlobRow]:
        """Return blobs that no cube needs and nobody has touched since."""
        needed = exists().where(BLOB_REFS.c.vault_uid == vault_uid, BLOB_REFS.c.blob_key == BLOBS.c.blob_key)
        query = select(BLOBS).where(BLOBS.c.vault_uid == vault_uid, BLOBS.c.update_us < before_us, ~needed)
        return [_blob(row) for row in self.conn.execute(query.limit(limit))]

    def delete_blobs(self, vault_uid: str, keys: Sequence[str]) -> None:
        """Remove blobs' rows."""
        for some in in_chunks(keys):
            self.conn.execute(delete(BLOBS).where(BLOBS.c.vault_uid == vault_uid, BLOBS.c.blob_key.in_(some)))
