"""What of a vault's past differs from its present, in SQL."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select

from memporium_services.vault.adapters.selection_sql import visible_to
from memporium_services.vault.adapters.sql_vaults import in_chunks
from memporium_services.vault.adapters.tables import CHANGES, CUBES, VERSIONS
from memporium_services.vault.domain.rows import VersionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from memporium_services.vault.domain.rows import VaultRow

_FIELDS = [field.name for field in fields(VersionRow)]


class SqlPast:
    """The part of the store that compares a moment with now."""

    conn: Connection

    def changed_since(
        self, vault: VaultRow, *, revision: int, moment_us: int | None, reader: str
    ) -> list[tuple[str, int]]:
        """Return the cubes that were there at a moment and have another version now, each with its version of then."""
        cube, version = CUBES.c, VERSIONS.c
        if moment_us is None:
            later, then = cube.revision > revision, version.revision <= revision
        else:
            later, then = cube.update_us > moment_us, version.create_us <= moment_us
        found: dict[str, int] = {}
        for some in in_chunks(self._maybe_changed(vault, revision, later)):
            query = (
                select(cube.cube_id, func.max(version.version))
                .join(VERSIONS, and_(version.vault_uid == cube.vault_uid, version.cube_id == cube.cube_id))
                .where(cube.vault_uid == vault.uid, cube.cube_id.in_(some), later, then, *visible_to(reader))
                .group_by(cube.cube_id)
            )
            found.update((row[0], int(row[1])) for row in self.conn.execute(query))
        return sorted(found.items())

    def _maybe_changed(self, vault: VaultRow, revision: int, later: ColumnElement[bool]) -> list[str]:
        """Return the cubes among which those that have changed are: by the log of changes, as far as that goes back."""
        if revision and revision >= vault.changes_floor:
            query = select(CHANGES.c.cube_id).where(CHANGES.c.vault_uid == vault.uid, CHANGES.c.revision > revision)
            return list(dict.fromkeys(self.conn.execute(query).scalars()))
        return list(self.conn.execute(select(CUBES.c.cube_id).where(CUBES.c.vault_uid == vault.uid, later)).scalars())

    def versions_of(self, vault_uid: str, keys: Sequence[tuple[str, int]]) -> list[VersionRow]:
        """Return versions of different cubes by cube and number, as far as they are there."""
        wanted, found = dict(keys), []
        for some in in_chunks(list(wanted)):
            # By cube alone: SQLite finds no index for pairs, and a cube has few versions.
            query = select(VERSIONS).where(
                VERSIONS.c.vault_uid == vault_uid,
                VERSIONS.c.cube_id.in_(some),
                VERSIONS.c.version.in_(sorted({wanted[cube_id] for cube_id in some})),
            )
            found += [
                VersionRow(**{name: getattr(row, name) for name in _FIELDS})
                for row in self.conn.execute(query)
                if row.version == wanted[row.cube_id]
            ]
        return found
