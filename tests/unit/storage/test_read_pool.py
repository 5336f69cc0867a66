"""Reads that wait share a thread and a transaction, and nothing else: not their errors, not an older snapshot."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.read_pool import ReadPool
from memporium_platform.storage.sql.sqlite import sqlite_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection


class Counting:
    """A pool on a file of numbers, the transactions that it began, and a writer."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self.begun = 0
        self._writer = sqlite_engine(path, writes=True).connect()
        with self._writer.begin():
            self._writer.exec_driver_sql("CREATE TABLE numbers (n INTEGER)")
        engine = sqlite_engine(path, writes=False)

        def connect() -> Connection:
            connection = engine.connect()
            began = connection.begin

            def begin() -> object:
                self.begun += 1
                return began()

            connection.begin = begin  # type: ignore[method-assign,assignment]
            return connection

        self.pool = ReadPool(connect, name="test", threads=threads)

    def write(self, number: int) -> None:
        with self._writer.begin():
            self._writer.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})

    def close(self) -> None:
        self.pool.close()
        self._writer.close()


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    made = Counting(tmp_path / "numbers.db", threads=1)
    yield made
    made.close()


def _count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM numbers")).scalar_one())


async def _hold(pool: ReadPool, gate: threading.Event) -> asyncio.Task[None]:
    """Keep the only thread busy until the gate opens."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(_: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        gate.wait(30)

    task = asyncio.create_task(pool.run(wait))
    await begun.wait()
    return task


async def test_reads_that_wait_share_a_transaction(counting: Counting) -> None:
    gate = threading.Event()
    held = await _hold(counting.pool, gate)
    reads = [asyncio.create_task(counting.pool.run(_count)) for _ in range(20)]
    await asyncio.sleep(0.02)
    gate.set()
    assert await asyncio.gather(*reads) == [0] * 20
    await held
    assert counting.begun < 10


async def test_a_read_never_joins_a_snapshot_that_is_older_than_its_call(counting: Counting) -> None:
    gate = threading.Event()
    loop = asyncio.get_running_loop()
    looked = asyncio.Event()

    def look(connection: Connection) -> int:
        found = _count(connection)
        loop.call_soon_threadsafe(looked.set)
        gate.wait(30)
        return found

    first = asyncio.create_task(counting.pool.run(look))
    await looked.wait()
    counting.write(1)
    second = asyncio.create_task(counting.pool.run(_count))
    await asyncio.sleep(0)
    gate.set()
    assert (await first, await second) == (0, 1)


async def test_an_error_is_its_own_reads_alone(counting: Counting) -> None:
    gate = threading.Event()
    held = await _hold(counting.pool, gate)

    def fail(connection: Connection) -> None:
        if _count(connection) == 0:
            raise PlatformError(Reason.NOT_FOUND, "nothing here")

    reads = [counting.pool.run(_count), counting.pool.run(fail), counting.pool.run(_count)]
    waiting = asyncio.gather(*reads, return_exceptions=True)
    await asyncio.sleep(0.02)
    gate.set()
    before, failed, after = await waiting
    await held
    assert (before, after) == (0, 0)
    assert isinstance(failed, PlatformError)
    assert failed.reason is Reason.NOT_FOUND


async def test_a_cancelled_read_that_has_not_begun_never_runs(counting: Counting) -> None:
    gate, ran = threading.Event(), []
    held = await _hold(counting.pool, gate)
    cancelled = asyncio.create_task(counting.pool.run(lambda _: ran.append(1)))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    await asyncio.sleep(0)
    gate.set()
    await held
    assert await counting.pool.run(_count) == 0
    assert ran == []


async def test_a_slow_read_does_not_keep_others_waiting(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "more.db", threads=2)
    try:
        gate = threading.Event()
        held = await _hold(counting.pool, gate)
        assert await asyncio.wait_for(counting.pool.run(_count), 30) == 0
        assert not held.done()
        gate.set()
        await held
    finally:
        counting.close()


async def test_a_closed_pool_refuses(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "closed.db", threads=2)
    assert await counting.pool.run(_count) == 0
    counting.close()
    with pytest.raises(PlatformError) as refused:
        await counting.pool.run(_count)
    assert refused.value.reason is Reason.UNAVAILABLE
