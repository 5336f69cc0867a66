"""What is still to be deleted of what was removed, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, insert, or_, select

from memporium_services.vault.adapters.sql_vaults import in_chunks
from memporium_services.vault.adapters.tables import CUBES, LEAVINGS, PAYLOADS
from memporium_services.vault.domain.rows import LeavingRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row


class SqlLeavings:
    """`memporium_services.vault.ports.leaving_store.LeavingStore`."""

    conn: Connection

    def note_leaving(self, row: LeavingRow) -> None:
        """Note what is to be deleted."""
        self.conn.execute(
            insert(LEAVINGS).values(
                leaving_id=row.leaving_id,
                org=row.org,
                vault_uid=row.vault_uid,
                whole=row.whole,
                objects=orjson.dumps(row.objects).decode(),
                blobs=orjson.dumps(row.blobs).decode(),
                create_us=row.create_us,
            )
        )

    def leavings_of(self, receipt_id: str) -> list[LeavingRow]:
        """Return what is still to be deleted by a receipt."""
        own = or_(LEAVINGS.c.leaving_id == receipt_id, LEAVINGS.c.leaving_id.startswith(f"{receipt_id}."))
        return [_leaving(row) for row in self.conn.execute(select(LEAVINGS).where(own))]

    def leavings(self, before_us: int, limit: int) -> list[LeavingRow]:
        """Return what is still to be deleted since before a time, the oldest first."""
        query = select(LEAVINGS).where(LEAVINGS.c.create_us < before_us).order_by(LEAVINGS.c.create_us)
        return [_leaving(row) for row in self.conn.execute(query.limit(limit))]

    def drop_leaving(self, leaving_id: str) -> None:
        """Note that all of it is deleted."""
        self.conn.execute(delete(LEAVINGS).where(LEAVINGS.c.leaving_id == leaving_id))

    def payload_versions(self, vault_uid: str, cube_ids: Sequence[str]) -> list[tuple[str, int]]:
        """Return the uid of its cube and the number of each payload that is kept of cubes."""
        found: list[tuple[str, int]] = []
        same = (PAYLOADS.c.vault_uid == CUBES.c.vault_uid) & (PAYLOADS.c.cube_id == CUBES.c.cube_id)
        for some in in_chunks(cube_ids):
            query = select(CUBES.c.uid, PAYLOADS.c.payload_version).join(PAYLOADS, same)
            query = query.where(CUBES.c.vault_uid == vault_uid, CUBES.c.cube_id.in_(some))
            found += [(row.uid, row.payload_version) for row in self.conn.execute(query)]
        return found


def _leaving(row: Row[Any]) -> LeavingRow:
    return LeavingRow(
        leaving_id=row.leaving_id,
        org=row.org,
        vault_uid=row.vault_uid,
        whole=row.whole,
        objects=tuple(orjson.loads(row.objects)),
        blobs=tuple((key, segments) for key, segments in orjson.loads(row.blobs)),
        create_us=row.create_us,
    )
