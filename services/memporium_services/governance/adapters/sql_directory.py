"""Organisations, principals, credentials and policies in SQL, and the state that the watch stream sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, delete, func, select

from memporium_platform.audit import record_in
from memporium_platform.authz.entries import SHARED, Grouping, Rule
from memporium_platform.authz.wire import entry_to_wire
from memporium_platform.idempotency import once
from memporium_platform.storage.sql.times import to_us
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.governance.adapters import tables as t
from memporium_services.governance.adapters.sql_rows import SqlRows, casbin_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from sqlalchemy.sql import Executable

    from memporium_platform.authz.entries import Entry
    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.governance.ports import Rows

T = TypeVar("T")

_FORGOTTEN = "forgotten_epoch"
# Keys of the rows that the platform ships begin so; those of organisations begin otherwise.
_TEMPLATES = ("rule/", "grouping/")


class SqlDirectory:
    """Implements `Directory`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep governance's database."""
        self._database = database
        self._clock = clock
        self._changed = asyncio.Event()

    async def read(self, fn: Callable[[Rows], T]) -> T:
        """Run `fn` on one consistent state."""
        now_us = to_us(self._clock.now())
        return await self._database.read(lambda conn: fn(SqlRows(conn, now_us=now_us)))

    async def write(self, fn: Callable[[Rows], T]) -> T:
        """Run `fn` in a write transaction outside of any call, and wake the watchers."""
        now_us = to_us(self._clock.now())
        result = await self._database.write(lambda conn: fn(SqlRows(conn, now_us=now_us)))
        self._wake()
        return result

    async def mutate(
        self,
        call: Call,
        run: Callable[[Rows], T],
        *,
        remember: Callable[[T], str],
        recall: Callable[[Rows, str], T],
        resource: Callable[[T], str],
    ) -> T:
        """Run a mutation once for the call's request id, with its audit record, in one transaction."""
        now = self._clock.now()

        def fresh(conn: Connection) -> T:
            result = run(SqlRows(conn, now_us=to_us(now)))
            record_in(conn, call, resource=resource(result), now=now)
            return result

        def again(conn: Connection, text: str) -> T:
            return recall(SqlRows(conn, now_us=to_us(now)), text)

        result = await self._database.write(
            lambda conn: once(conn, call, now=now, run=fresh, remember=remember, recall=again)
        )
        self._wake()
        return result

    async def entries_since(self, epoch: int) -> tuple[int, bool, Sequence[tuple[str, bytes]]]:
        """Return the newest epoch, whether this is the full state, and (key, message) of the rows since `epoch`."""

        def fetch(conn: Connection) -> tuple[int, bool, Sequence[tuple[str, bytes]]]:
            rows = SqlRows(conn, now_us=0)
            newest = rows.epoch()
            c = t.authorization.c
            query = select(c.key, c.message)
            full = not epoch or epoch > newest or epoch < rows.number(_FORGOTTEN)
            if not full and epoch == newest:
                return newest, False, ()
            query = query.where(func.length(c.message) > 0) if full else query.where(c.epoch > epoch)
            return newest, full, [(row.key, bytes(row.message)) for row in conn.execute(query)]

        return await self._database.read(fetch)

    def next_change(self) -> asyncio.Event:
        """Return the event of the next mutation that commits here; take it before reading, then none is missed."""
        return self._changed

    async def sync_templates(self, entries: Mapping[str, Entry]) -> int:
        """Make what the platform ships exactly these rows; return the newest epoch."""

        def sync(rows: SqlRows, conn: Connection) -> int:
            c = t.authorization.c
            query = select(c.key, c.message).where(func.length(c.message) > 0)
            query = query.where(c.key.startswith(_TEMPLATES[0]) | c.key.startswith(_TEMPLATES[1]))
            present = {row.key: bytes(row.message) for row in conn.execute(query)}
            for key in present.keys() - entries.keys():
                conn.execute(_of_platform(key))
                rows.set_entry(key, None)
            for key, entry in entries.items():
                if present.get(key) != entry_to_wire(key, entry).SerializeToString():
                    conn.execute(_casbin_upsert(key, entry))
                    rows.set_entry(key, entry)
            return rows.epoch()

        now_us = to_us(self._clock.now())
        return await self._database.write(lambda conn: sync(SqlRows(conn, now_us=now_us), conn))

    async def forget_removed(self, older_than: timedelta) -> int:
        """Forget rows removed longer ago than this; return how many. A watcher from before gets the full state."""
        before_us = to_us(self._clock.now() - older_than)

        def forget(conn: Connection) -> int:
            c = t.authorization.c
            old = (func.length(c.message) == 0) & (c.change_us < before_us)
            newest = conn.execute(select(func.max(c.epoch)).where(old)).scalar_one_or_none()
            if newest is None:
                return 0
            SqlRows(conn, now_us=0).set_number(_FORGOTTEN, newest)
            return conn.execute(delete(t.authorization).where(old)).rowcount

        return await self._database.write(forget)

    def _wake(self) -> None:
        event, self._changed = self._changed, asyncio.Event()
        event.set()


def _of_platform(key: str) -> Executable:
    c = t.casbin_rule.c
    return delete(t.casbin_rule).where(c.org == SHARED, c.id == key)


def _casbin_upsert(key: str, entry: Entry) -> Executable:
    if not isinstance(entry, (Rule, Grouping)):
        message = f"{key}: the platform ships rules and role inheritance alone"
        raise TypeError(message)
    values = casbin_row(SHARED, key, entry, description="", create_us=0)
    rest = [name for name in values if name not in ("org", "id")]
    return upsert(t.casbin_rule, values, index_elements=["org", "id"], set_=rest)
