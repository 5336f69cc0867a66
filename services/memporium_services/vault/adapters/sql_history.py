"""Changes, relations, removal, imports and housekeeping of cubes in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, insert, literal_column, or_, select, update

from memporium_platform.storage.sql.many import insert_many, update_many
from memporium_services.vault.adapters.cube_rows import WITH_META, cube_of
from memporium_services.vault.adapters.plain import tuples_of, values_of
from memporium_services.vault.adapters.sql_vaults import in_chunks
from memporium_services.vault.adapters.tables import (
    BLOB_REFS,
    BLOBS,
    CHANGES,
    CUBES,
    OF_CUBES,
    PAYLOADS,
    RELATIONS,
    UNITS,
    VAULTS,
    VERSIONS,
)
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.rows import BlobRow, ChangeRow, RelationRow, Removed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from memporium_services.vault.domain.rows import CubeRow

_LIVE = (int(State.GENERATED), int(State.ACTIVATED), int(State.MERGED))

# As the partial index says it, letter by letter.
_IMPORTING = CUBES.c.import_id != literal_column("''")

# Built once: see `cube_rows`.
_INSERT_RELATION = insert(RELATIONS)
_change_tuple = tuples_of(CHANGES, "vault_uid")
_relation_values = values_of(RelationRow, "source_id", "target_id")


def _relation(row: Row[Any]) -> RelationRow:
    return RelationRow(
        relation_id=row.relation_id,
        source_id=row.source,
        kind=row.kind,
        target_id=row.target,
        weight=row.weight,
        note_sealed=row.note_sealed,
        create_us=row.create_us,
        creator=row.creator,
    )


class SqlHistory:
    """The part of the store that keeps what happened to cubes."""

    conn: Connection

    def add_changes(self, vault_uid: str, changes: Sequence[ChangeRow]) -> None:
        """Note changes for watchers."""
        insert_many(self.conn, CHANGES, [_change_tuple(vault_uid, row) for row in changes])

    def changes(self, vault_uid: str, *, from_revision: int, limit: int) -> list[ChangeRow]:
        """Return changes from a revision on, in order."""
        column = CHANGES.c
        query = select(CHANGES).where(column.vault_uid == vault_uid, column.revision >= from_revision)
        rows = self.conn.execute(query.order_by(column.revision, column.cube_id).limit(limit))
        return [ChangeRow(row.revision, row.cube_id, row.kind, row.time_us) for row in rows]

    def compact_changes(self, vault_uid: str, *, through: int) -> None:
        """Remove changes up to a revision."""
        column = CHANGES.c
        self.conn.execute(delete(CHANGES).where(column.vault_uid == vault_uid, column.revision <= through))
        self.conn.execute(update(VAULTS).where(VAULTS.c.uid == vault_uid).values(changes_floor=through))

    def insert_relations(self, vault_uid: str, rows: Sequence[RelationRow]) -> None:
        """Add relations."""
        if rows:
            ends = [{"vault_uid": vault_uid, "source": row.source_id, "target": row.target_id} for row in rows]
            values = [_relation_values(row) | its for row, its in zip(rows, ends, strict=True)]
            self.conn.execute(_INSERT_RELATION, values)

    def relation(self, vault_uid: str, relation_id: str) -> RelationRow | None:
        """Return a relation."""
        query = select(RELATIONS).where(RELATIONS.c.vault_uid == vault_uid, RELATIONS.c.relation_id == relation_id)
        row = self.conn.execute(query).one_or_none()
        return None if row is None else _relation(row)

    def delete_relation(self, vault_uid: str, relation_id: str) -> None:
        """Remove a relation."""
        of_id = (RELATIONS.c.vault_uid == vault_uid, RELATIONS.c.relation_id == relation_id)
        self.conn.execute(delete(RELATIONS).where(*of_id))

    def relations(
        self, vault_uid: str, *, cube_id: str, kinds: Sequence[int], after: str, limit: int
    ) -> list[RelationRow]:
        """Return relations by id, of one cube or of all."""
        column = RELATIONS.c
        query = select(RELATIONS).where(column.vault_uid == vault_uid, column.relation_id > after)
        if cube_id:
            query = query.where(or_(column.source == cube_id, column.target == cube_id))
        if kinds:
            query = query.where(column.kind.in_(kinds))
        return [_relation(row) for row in self.conn.execute(query.order_by(column.relation_id).limit(limit))]

    def relations_among(self, vault_uid: str, cube_ids: Sequence[str], kinds: Sequence[int]) -> list[RelationRow]:
        """Return all relations of these kinds that begin or end at any of the cubes."""
        column = RELATIONS.c
        found: dict[str, RelationRow] = {}
        for some in in_chunks(cube_ids):
            for end in (column.source, column.target):
                query = select(RELATIONS).where(column.vault_uid == vault_uid, end.in_(some), column.kind.in_(kinds))
                found.update((row.relation_id, _relation(row)) for row in self.conn.execute(query))
        return [found[relation_id] for relation_id in sorted(found)]

    def remove_cubes(self, vault_uid: str, cube_ids: Sequence[str]) -> Removed:
        """Remove cubes with all that is kept of them, and blobs that no other cube needs."""
        versions = freed = contexts = 0
        units: list[int] = []
        objects: list[str] = []
        blob_keys: set[str] = set()
        for some in in_chunks(cube_ids):

            def of(table: Any, some: Sequence[str] = some) -> tuple[Any, Any]:
                return table.c.vault_uid == vault_uid, table.c.cube_id.in_(some)

            versions += self.conn.execute(select(func.count()).select_from(VERSIONS).where(*of(VERSIONS))).scalar_one()
            freed += self.conn.execute(
                select(func.coalesce(func.sum(CUBES.c.size_bytes), 0)).where(*of(CUBES))
            ).scalar_one()
            for row in self.conn.execute(select(UNITS.c.unit_id, UNITS.c.has_context).where(*of(UNITS))):
                units.append(row.unit_id)
                contexts += bool(row.has_context)
            stored = select(PAYLOADS.c.object_key).where(*of(PAYLOADS), PAYLOADS.c.object_key != "")
            objects += self.conn.execute(stored).scalars()
            blob_keys.update(self.conn.execute(select(BLOB_REFS.c.blob_key).where(*of(BLOB_REFS))).scalars())
            for table in OF_CUBES:
                self.conn.execute(delete(table).where(*of(table)))
            for end in (RELATIONS.c.source, RELATIONS.c.target):
                self.conn.execute(delete(RELATIONS).where(RELATIONS.c.vault_uid == vault_uid, end.in_(some)))
        return Removed(
            cube_ids=tuple(cube_ids),
            versions=versions,
            unit_ids=tuple(units),
            bytes_freed=int(freed),
            context_units=contexts,
            object_keys=tuple(objects),
            blobs=tuple(self._drop_unneeded(vault_uid, sorted(blob_keys))),
        )

    def publish_import(self, vault_uid: str, import_id: str, revision: int) -> list[str]:
        """Make the cubes of an import visible; return their ids."""
        column = CUBES.c
        of_import = (column.vault_uid == vault_uid, column.import_id == import_id, _IMPORTING)
        ids = list(self.conn.execute(select(column.cube_id).where(*of_import)).scalars())
        self.conn.execute(update(CUBES).where(*of_import).values(import_id="", revision=revision))
        for some in in_chunks(ids):
            # Their versions came to be with the publication; until then nobody could see them.
            of_cubes = (VERSIONS.c.vault_uid == vault_uid, VERSIONS.c.cube_id.in_(some), VERSIONS.c.revision == 0)
            self.conn.execute(update(VERSIONS).where(*of_cubes).values(revision=revision))
        return ids

    def restate(self, vault_uid: str, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Put other sealed metadata into versions that nobody has seen: (cube, version, metadata)."""
        values = [(vault_uid, *row) for row in rows]
        update_many(self.conn, VERSIONS, values, by=("vault_uid", "cube_id", "version"), change=("meta_sealed",))

    def unfinished_imports(self, before_us: int) -> list[tuple[str, list[str]]]:
        """Return the cubes of imports that have not been finished since a time, by vault."""
        found: dict[str, list[str]] = {}
        query = select(CUBES.c.vault_uid, CUBES.c.cube_id).where(_IMPORTING, CUBES.c.update_us < before_us)
        for row in self.conn.execute(query):
            found.setdefault(row.vault_uid, []).append(row.cube_id)
        return list(found.items())

    def due(self, vault_uid: str, *, now_us: int, purge: bool, limit: int) -> list[CubeRow]:
        """Return cubes whose life is over, or, with `purge`, whose grace period is."""
        column = CUBES.c
        if purge:
            over = (column.state == int(State.EXPIRED)) & (column.purge_us <= now_us) & column.legal_hold.is_(False)
        else:
            over = (column.state != int(State.EXPIRED)) & (column.expire_us <= now_us)
        query = WITH_META.where(column.vault_uid == vault_uid, over, column.frozen.is_(False), column.import_id == "")
        return [cube_of(row) for row in self.conn.execute(query.order_by(column.cube_id).limit(limit))]

    def idle(self, vault_uid: str, *, before_us: int, after: str, limit: int) -> list[CubeRow]:
        """Return live cubes that were last used before a time, by id."""
        column = CUBES.c
        query = WITH_META.where(
            column.vault_uid == vault_uid,
            column.cube_id > after,
            column.state.in_(_LIVE),
            column.last_use_us < before_us,
            column.frozen.is_(False),
            column.import_id == "",
        )
        return [cube_of(row) for row in self.conn.execute(query.order_by(column.cube_id).limit(limit))]

    def _drop_unneeded(self, vault_uid: str, keys: Sequence[str]) -> list[BlobRow]:
        dropped: list[BlobRow] = []
        for some in in_chunks(keys):
            needed = exists().where(BLOB_REFS.c.vault_uid == vault_uid, BLOB_REFS.c.blob_key == BLOBS.c.blob_key)
            unneeded = (BLOBS.c.vault_uid == vault_uid, BLOBS.c.blob_key.in_(some), ~needed)
            for row in self.conn.execute(select(BLOBS).where(*unneeded)):
                dropped.append(BlobRow(row.blob_key, row.size_bytes, row.segments, row.complete, row.update_us))  # noqa: PERF401 - the list serves the next statement too
            self.conn.execute(
                delete(BLOBS).where(
                    BLOBS.c.vault_uid == vault_uid, BLOBS.c.blob_key.in_([blob.blob_key for blob in dropped])
                )
            )
        return dropped
