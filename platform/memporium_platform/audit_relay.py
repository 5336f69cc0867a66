"""Ships audit records to governance: the sink's queue and every outbox table, each record at least once.

Governance takes a record in once, by its decision id. While governance is away, queued records move to an outbox
table, so that they outlive this process, too.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import grpc
import structlog
from sqlalchemy import bindparam, delete, select

from memporium_platform.audit import AuditRecord
from memporium_platform.errors import PlatformError
from memporium_platform.storage.sql.kernel_tables import AUDIT_OUTBOX
from memporium_platform.storage.sql.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from memporium_platform.audit import AuditSink
    from memporium_platform.storage.sql.database import Database

_log = structlog.get_logger("memporium.audit")

# Records of one append; governance takes at most 1,000.
BATCH = 500
# Time in which a batch gathers: below the log's sequencing interval of 200 ms.
_GATHER_S = 0.05
# Outboxes are read at least this often, also where no call announced a record (background work).
_POLL_S = 1.0
_RETRY_S = 0.5


_KEEP = upsert(
    AUDIT_OUTBOX,
    {name: bindparam(f"new_{name}") for name in ("decision_id", "record", "create_us")},
    index_elements=["decision_id"],
)


class Shipper(Protocol):
    """Takes records to the audit log."""

    async def append(self, records: Sequence[AuditRecord]) -> None:
        """Make the records durable in the log; grpc.aio.AioRpcError where that failed."""
        ...


class AuditRelay:
    """Runs in each process until it is stopped."""

    def __init__(self, sink: AuditSink, shipper: Shipper, databases: Mapping[str, Database]) -> None:
        """Ship what is in the sink and in the outboxes of `databases`, which may grow."""
        self._sink = sink
        self._shipper = shipper
        self._databases = databases

    async def run(self) -> None:
        """Ship until cancelled."""
        while True:
            await self._sink.wait(_POLL_S)
            await asyncio.sleep(_GATHER_S)
            try:
                await self.ship()
            except Exception as error:  # noqa: BLE001 - whatever it was, a relay that ended would stop every call
                code = error.code().name if isinstance(error, grpc.aio.AioRpcError) else type(error).__name__
                _log.warning("audit.delayed", code=code)
                with suppress(Exception):
                    await self.save()
                await asyncio.sleep(_RETRY_S)

    async def ship(self) -> None:
        """Ship everything there is now. What comes meanwhile waits for the next time: it must keep nobody waiting.

        Each append takes longer than it takes a busy platform to answer the next read, so a queue that had to be empty
        first would keep the outboxes waiting for as long as anybody reads.
        """
        left = self._sink.waiting
        while left > 0 and (batch := self._sink.take(min(left, BATCH))):
            left -= len(batch)
            try:
                await self._shipper.append(batch)
            except BaseException:
                self._sink.give_back(batch)
                raise
        failed: PlatformError | None = None
        for database in tuple(self._databases.values()):
            try:
                await self._ship_outbox(database)
            except PlatformError as error:  # The store's; that of the others may be in order.
                failed = error
        if failed is not None:
            raise failed

    async def _ship_outbox(self, database: Database) -> None:
        full = True
        while full and (rows := await database.read(_oldest)):
            full = len(rows) == BATCH
            await self._shipper.append([AuditRecord.from_json(record) for _, record in rows])
            shipped = [seq for seq, _ in rows]
            await database.write(lambda conn, shipped=shipped: _remove(conn, shipped))  # type: ignore[misc]

    async def save(self) -> None:
        """Move the records that are in the sink now to an outbox, where they outlive this process."""
        database, left = next(iter(self._databases.values()), None), self._sink.waiting
        while database is not None and left > 0 and (batch := self._sink.take(min(left, BATCH))):
            left -= len(batch)
            try:
                await database.write(lambda conn, batch=batch: _keep(conn, batch))  # type: ignore[misc]
            except BaseException:
                self._sink.give_back(batch)
                raise


def _oldest(conn: Connection) -> list[tuple[int, str]]:
    query = select(AUDIT_OUTBOX.c.seq, AUDIT_OUTBOX.c.record).order_by(AUDIT_OUTBOX.c.seq).limit(BATCH)
    return [(row.seq, row.record) for row in conn.execute(query)]


def _remove(conn: Connection, shipped: list[int]) -> None:
    conn.execute(delete(AUDIT_OUTBOX).where(AUDIT_OUTBOX.c.seq.in_(shipped)))


def _keep(conn: Connection, records: list[AuditRecord]) -> None:
    """Write records, once each: a write that was cancelled may have taken place, and its records come again."""
    rows = [
        {"new_decision_id": record.decision_id, "new_record": record.to_json(), "new_create_us": record.time_us}
        for record in records
    ]
    conn.execute(_KEEP, rows)
