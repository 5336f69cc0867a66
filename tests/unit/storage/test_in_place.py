"""Reads in place, and when they go to the threads instead."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text, select, text

from memporium_platform.errors import PlatformError, Reason, not_found
from memporium_platform.storage.sql import in_place
from memporium_platform.storage.sql.many import insert_many
from memporium_platform.storage.sql.sqlite import open_sqlite, sqlite_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from memporium_platform.storage.sql.engine_database import EngineDatabase

_ROWS = Table(
    "rows", MetaData(), Column("id", BigInteger, primary_key=True), Column("name", Text), Column("data", LargeBinary)
)


class Clock:
    """Time that passes where a test says so: how long reads take here is not how long they take on a busy machine."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(in_place, "time", made)
    return made


@pytest.fixture
async def database(tmp_path: Path, clock: Clock) -> AsyncIterator[EngineDatabase]:
    engine = sqlite_engine(tmp_path / "a.db", writes=True)
    _ROWS.metadata.create_all(engine)
    database = open_sqlite(tmp_path / "a.db", name="test")
    yield database
    await database.close()


def _count(conn: Any) -> tuple[int, str]:
    return conn.execute(text("SELECT count(*) FROM rows")).scalar_one(), threading.current_thread().name


async def test_it_reads_on_the_event_loop_what_was_acknowledged(database: EngineDatabase) -> None:
    for number in range(3):
        assert await database.read_few(_count) == (number, "MainThread")
        await database.write(lambda conn, number=number: insert_many(conn, _ROWS, [(number, "a", b"b")]))


async def test_the_reads_of_one_function_see_one_state(database: EngineDatabase, tmp_path: Path) -> None:
    other = sqlite_engine(tmp_path / "a.db", writes=True)

    def twice(conn: Any) -> tuple[int, int]:
        before = _count(conn)[0]
        with other.begin() as writing:
            insert_many(writing, _ROWS, [(before, "a", b"")])
        return before, _count(conn)[0]

    assert await database.read_few(twice) == (0, 0)
    assert await database.read_few(twice) == (1, 1)


async def test_after_a_slow_one_threads_read(database: EngineDatabase, clock: Clock) -> None:
    def slow(conn: Any) -> tuple[int, str]:
        clock.now += in_place.LONGEST_S * 1.5
        return _count(conn)

    assert (await database.read_few(slow))[1] == "MainThread"
    assert (await database.read_few(_count))[1] == "reader-test-0"
    clock.now += in_place.SHY_S - 0.01
    assert (await database.read_few(_count))[1] == "reader-test-0"
    clock.now += 0.02
    assert (await database.read_few(_count))[1] == "MainThread"


async def test_refusals_pass_and_failures_go_to_a_thread(database: EngineDatabase) -> None:
    def refuse(_conn: Any) -> None:
        raise not_found("orgs/a")

    def fail(conn: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            conn.connection.driver_connection.close()
        conn.execute(text("SELECT nothing"))

    with pytest.raises(PlatformError) as caught:
        await database.read_few(refuse)
    assert caught.value.reason is Reason.NOT_FOUND
    assert (await database.read_few(_count))[1] == "MainThread"
    with pytest.raises(PlatformError, match="not available"):
        await database.read_few(fail)
    # What failed here is read by threads for a while, then here again, by a new connection.
    assert (await database.read_few(_count))[1] == "reader-test-0"


async def test_it_writes_nothing_and_ends_with_the_database(database: EngineDatabase) -> None:
    with pytest.raises(PlatformError):
        await database.read_few(lambda conn: insert_many(conn, _ROWS, [(1, "a", b"")]))
    await database.close()
    with pytest.raises(PlatformError) as caught:
        await database.read_few(_count)
    assert caught.value.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200])
async def test_many_rows_are_all_there_in_their_columns(database: EngineDatabase, count: int) -> None:
    rows = [(number, f"name {number}", bytes([number])) for number in range(count)]
    await database.write(lambda conn: insert_many(conn, _ROWS, rows))
    found = await database.read(lambda conn: conn.execute(select(_ROWS).order_by(_ROWS.c.id)).all())
    assert [tuple(row) for row in found] == rows
