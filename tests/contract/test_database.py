from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    case,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql import upsert
from memporium_platform.storage.sql.by_keys import RowsByKeys
from memporium_platform.storage.sql.many import update_many
from memporium_platform.storage.sql.migrate import SchemaError
from memporium_platform.storage.sql.open_database import open_database
from memporium_platform.storage.sql.postgres import open_postgres
from support.counter_tables import MIGRATIONS, Settings, counters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from memporium_platform.storage.sql.database import Database

_WHO: ContextVar[str] = ContextVar("who", default="")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Settings(tmp_path, database_url=url)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = await open_database(settings, "counting", MIGRATIONS)
    yield opened
    await opened.close()


def _add(name: str, value: int = 0):
    return lambda connection: connection.execute(insert(counters).values(name=name, value=value)) and None


def _value(name: str):
    return lambda connection: connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar()


def _names(connection: Connection) -> set[str]:
    return set(connection.execute(select(counters.c.name)).scalars())


async def test_a_write_is_read_once_it_returned(database: Database) -> None:
    await database.write(_add("a", 7))
    assert await database.read(_value("a")) == 7


async def test_a_failing_function_hurts_no_other_of_its_group(database: Database) -> None:
    def fail_after_writing(connection: Connection) -> None:
        connection.execute(insert(counters).values(name="never", value=1))
        raise KeyError("mine")

    await database.write(_add("there"))
    work = [database.write(_add(f"n{i}")) for i in range(50)]
    work.insert(10, database.write(fail_after_writing))
    work.insert(30, database.write(_add("there")))
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [result for result in results if result is not None]
    assert [type(failure) for failure in failures] == [KeyError, IntegrityError]
    assert await database.read(_names) == {"there", *(f"n{i}" for i in range(50))}


async def test_concurrent_increments_are_all_counted(database: Database) -> None:
    def increment(connection: Connection) -> int:
        now = connection.execute(select(counters.c.value).where(counters.c.name == "c")).scalar_one()
        connection.execute(update(counters).where(counters.c.name == "c").values(value=now + 1))
        return now + 1

    await database.write(_add("c"))
    seen = await asyncio.gather(*(database.write(increment) for _ in range(300)))
    assert sorted(seen) == list(range(1, 301))
    assert await database.read(_value("c")) == 300


async def test_increments_of_two_processes_are_all_counted(settings: Settings, database: Database) -> None:
    # A second handle stands for another process: it has a writer and connections of its own.
    other = await open_database(settings, "counting", MIGRATIONS)

    def increment(connection: Connection) -> None:
        now = connection.execute(select(counters.c.value).where(counters.c.name == "c")).scalar_one()
        connection.execute(update(counters).where(counters.c.name == "c").values(value=now + 1))

    async def some(opened: Database) -> None:
        for _ in range(10):
            await asyncio.gather(*(opened.write(increment) for _ in range(4)))

    await database.write(_add("c"))
    try:
        await asyncio.gather(some(database), some(other))
    finally:
        await other.close()
    assert await database.read(_value("c")) == 80


async def test_a_read_sees_one_snapshot(database: Database) -> None:
    await database.write(_add("s", 1))
    loop = asyncio.get_running_loop()
    first_read, written = asyncio.Event(), __import__("threading").Event()

    def twice(connection: Connection) -> tuple[int, int]:
        before = _value("s")(connection)
        loop.call_soon_threadsafe(first_read.set)
        assert written.wait(60)
        return before, _value("s")(connection)

    reading = asyncio.create_task(database.read(twice))
    await first_read.wait()
    await database.write(lambda connection: connection.execute(update(counters).values(value=2)) and None)
    written.set()
    assert await reading == (1, 1)
    assert await database.read(_value("s")) == 2


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises((PlatformError, Exception), match=r"read|available"):
        await database.read(_add("x"))
    assert await database.read(_names) == set()


async def test_a_cancelled_write_harms_none_of_the_others(database: Database) -> None:
    tasks = [asyncio.create_task(database.write(_add(f"n{i}"))) for i in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    names = await database.read(_names)
    assert {f"n{i}" for i in range(1, 40, 2)} <= names


async def test_functions_see_the_context_of_their_caller(database: Database) -> None:
    async def as_caller(who: str) -> tuple[str, str]:
        _WHO.set(who)
        return await database.write(lambda _: _WHO.get()), await database.read(lambda _: _WHO.get())

    assert await asyncio.gather(as_caller("ann"), as_caller("bob")) == [("ann", "ann"), ("bob", "bob")]


async def test_a_full_queue_asks_callers_to_come_again(database: Database) -> None:
    database._writer._pending_limit = 8  # type: ignore[attr-defined]
    results = await asyncio.gather(*(database.write(_add(f"n{i}")) for i in range(60)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, PlatformError)]
    assert refused
    assert all(error.reason is Reason.OVERLOADED and error.retry_after_s for error in refused)
    assert len(await database.read(_names)) == 60 - len(refused)


async def test_upsert_overwrites_or_keeps(database: Database) -> None:
    def run(connection: Connection) -> None:
        rows = [{"name": "a", "value": 1}, {"name": "b", "value": 2}]
        connection.execute(upsert(counters, rows, index_elements=["name"]))
        connection.execute(upsert(counters, {"name": "a", "value": 9}, index_elements=["name"]))
        connection.execute(upsert(counters, {"name": "b", "value": 9}, index_elements=["name"], set_=["value"]))
        plus = {"value": counters.c.value + 1}
        connection.execute(upsert(counters, {"name": "b", "value": 0}, index_elements=["name"], set_=plus))

    await database.write(run)
    assert (await database.read(_value("a")), await database.read(_value("b"))) == (1, 10)


async def test_opening_again_migrates_nothing_and_keeps_rows(settings: Settings, database: Database) -> None:
    await database.write(_add("kept"))
    again = await asyncio.gather(*(open_database(settings, "counting", MIGRATIONS) for _ in range(3)))
    for opened in again:
        assert await opened.read(_names) == {"kept"}
        await opened.close()


async def test_a_database_of_a_newer_version_is_refused(settings: Settings, database: Database) -> None:
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(newer) and None)
    with pytest.raises(SchemaError, match="9999"):
        await open_database(settings, "counting", MIGRATIONS)


async def test_after_close_writes_are_refused(settings: Settings) -> None:
    opened = await open_database(settings, "counting", MIGRATIONS)
    await opened.close()
    for call in (opened.write(_names), opened.read(_names)):
        with pytest.raises(PlatformError) as refusal:
            await call
        assert refusal.value.reason is Reason.UNAVAILABLE


_WRITER = """
    import asyncio, pathlib, sys
    from memporium_platform.storage.sql.open_database import open_database
    from sqlalchemy import insert
    from support.counter_tables import MIGRATIONS, Settings, counters

    async def main():
        opened = await open_database(Settings(pathlib.Path(sys.argv[1]), sys.argv[2]), "counting", MIGRATIONS)
        async def writer(number):
            for i in range(10**6):
                name = f"{number}-{i}"
                await opened.write(lambda c: c.execute(insert(counters).values(name=name, value=0)) and None)
                sys.stdout.write(name + "\\n"); sys.stdout.flush()
        await asyncio.gather(*(writer(n) for n in range(16)))

    asyncio.run(main())
"""


async def test_every_acknowledged_write_survives_kill_9(settings: Settings) -> None:
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(settings.data_dir), settings.database_url]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")
    # The last line may be cut off in the middle.
    acknowledged += [name for name in rest[:-1] if name]
    opened = await open_database(settings, "counting", MIGRATIONS)
    try:
        names = await opened.read(_names)
    finally:
        await opened.close()
    assert len(acknowledged) >= 300
    assert set(acknowledged) <= names


async def test_what_was_deleted_is_in_no_byte_of_the_files(tmp_path: Path) -> None:
    # Rows of many sizes added in random order split pages often; that leaves copies which secure_delete misses.
    opened = await open_database(Settings(tmp_path), "counting", MIGRATIONS)
    chance = random.Random(5)
    marks = [f"{chance.random():.8f}-forget-me-{i:05d}-{'x' * chance.randint(5, 3000)}" for i in range(1500)]

    def fill(connection: Connection, start: int) -> None:
        connection.execute(insert(counters), [{"name": mark, "value": 0} for mark in marks[start : start + 50]])

    def forget(connection: Connection, name: str) -> None:
        connection.execute(counters.delete().where(counters.c.name == name))

    for start in range(0, len(marks), 50):
        await opened.write(partial(fill, start=start))
    forgotten = chance.sample(marks, 500)
    for name in forgotten:
        await opened.write(partial(forget, name=name))
    await opened.scrub()
    await opened.write(_add("after"))
    everything = b"".join(path.read_bytes() for path in (tmp_path / "sql").iterdir())
    assert [name for name in forgotten if name[:30].encode() in everything] == []
    assert next(mark for mark in marks if mark not in forgotten)[:30].encode() in everything
    assert await opened.read(lambda connection: connection.execute(text("PRAGMA integrity_check")).scalar()) == "ok"
    await opened.close()


async def test_scrub_on_every_engine(database: Database) -> None:
    await database.write(_add("gone"))
    await database.write(lambda connection: connection.execute(counters.delete()) and None)
    await database.scrub()
    with contextlib.suppress(IntegrityError):
        await database.write(_add("after"))
    assert await database.read(_names) == {"after"}


@pytest.mark.servers
async def test_connections_that_the_server_cut_are_made_anew(postgres_url: str, tmp_path: Path) -> None:
    opened = await open_database(Settings(tmp_path, database_url=postgres_url), "counting", MIGRATIONS)
    await opened.write(_add("before"))
    await asyncio.gather(*(opened.read(_names) for _ in range(20)))
    for number in range(2):
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
        names = [f"after-{number}-{i}" for i in range(1 + 5 * number)]
        await asyncio.gather(*(opened.write(_add(name)) for name in names))
        found = await asyncio.gather(*(opened.read(_names) for _ in range(20)))
        assert all(set(names) <= each for each in found)
    await opened.close()


@pytest.mark.servers
async def test_a_server_that_is_away_is_told_without_its_words(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://u:the-password@127.0.0.1:{unused.getsockname()[1]}/x"
        opened = open_postgres(url, schema="counting")
        for call in (opened.write(_names), opened.read(_names), opened.scrub()):
            with pytest.raises(PlatformError) as failure:
                await call
            assert failure.value.reason is Reason.UNAVAILABLE
            assert failure.value.retry_after_s
            assert "password" not in failure.value.message
        await opened.close()


@pytest.mark.parametrize("count", [0, 1, 3, 64, 65, 1200])
async def test_rows_by_keys_are_those_of_the_list_whatever_its_length(database: Database, count: int) -> None:
    of_value = RowsByKeys(
        lambda keys: select(
            counters.c.name, case((counters.c.value > 500, True), else_=False).cast(Boolean).label("late")
        ).where(counters.c.name.in_(keys), counters.c.value >= bindparam("least"), counters.c.value != 7)
    )
    every = [f"n{number}" for number in range(1300)]
    await database.write(
        lambda connection: (
            connection.execute(insert(counters), [{"name": name, "value": number} for number, name in enumerate(every)])
            and None
        )
    )
    asked = [*every[:count], "nobody"]
    for least in (0, 2):
        found = await database.read(lambda connection, least=least: list(of_value.rows(connection, asked, least=least)))
        assert {tuple(row) for row in found} == {(f"n{n}", n > 500) for n in range(least, count) if n != 7}
        assert all(type(row[1]) is bool for row in found)


async def test_a_prepared_select_fails_as_any_other_does(database: Database, settings: Settings) -> None:
    missing = Table("nowhere", MetaData(), Column("name", Text, primary_key=True))
    of_name = RowsByKeys(lambda keys: select(missing.c.name).where(missing.c.name.in_(keys)))
    with pytest.raises((DBAPIError, PlatformError)) as prepared:
        await database.read(lambda connection: list(of_name.rows(connection, ["a secret"])))
    with pytest.raises((DBAPIError, PlatformError)) as plain:
        await database.read(lambda connection: connection.execute(select(missing.c.name)).all())
    assert type(prepared.value) is type(plain.value)
    if not settings.database_url:
        assert "no such table" in repr(prepared.value.__cause__)
        assert "secret" not in repr(prepared.value.__cause__)
    # The transaction that failed is over; the next one begins anew.
    assert await database.read(lambda connection: connection.execute(select(counters.c.name)).all()) == []


@pytest.mark.parametrize("count", [0, 1, 5, 130])
async def test_many_rows_change_at_once_and_no_others(database: Database, count: int) -> None:
    await database.write(
        lambda connection: (
            connection.execute(insert(counters), [{"name": f"n{number}", "value": number} for number in range(200)])
            and None
        )
    )
    rows = [(f"n{number}", -number) for number in range(count)]
    await database.write(
        lambda connection: update_many(connection, counters, [*rows, ("nobody", 7)], by=("name",), change=("value",))
    )
    await database.write(lambda connection: update_many(connection, counters, [], by=("name",), change=("value",)))
    found = await database.read(lambda connection: [tuple(row) for row in connection.execute(select(counters))])
    assert sorted(found) == sorted([*rows, *((f"n{number}", number) for number in range(count, 200))])
