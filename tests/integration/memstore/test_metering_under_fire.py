"""Never oversold, never lost, never twice: 64 clients a process, processes killed in the midst of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from memporium_platform.licence.check import check_terms
from memporium_services.memstore.adapters import tables
from support.market import licence
from support.meter_worker import AGREEMENT, EVERY_S, TTL_S, agree, entitlements_on, open_store, use_once
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures

TESTS = Path(__file__).parents[2]
LIMIT = 600


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def _worker(folder, url, prefix):
    paths = [str(TESTS), str(TESTS.parent / "platform"), str(TESTS.parent / "services")]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.meter_worker",
        str(folder),
        url,
        prefix,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=asyncio.subprocess.PIPE,
    )


async def _run(folder, url, prefix, *, kill_after=None):
    """Run a worker, killed after so many metered uses; return the uses that it was told of."""
    process = await _worker(folder, url, prefix)
    told = []
    async for line in process.stdout:
        word, _, use_id = line.decode().strip().partition(" ")
        if word == "C" and line.endswith(b"\n"):
            told.append(use_id)
        if len(told) == kill_after:
            # It has ended by itself where it was that much faster than who reads here.
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
    code = await process.wait()
    assert code in (0, -signal.SIGKILL)
    return told


async def _counted(store):
    """Return used, reserved and the metered uses."""

    def fetch(tx):
        counter = tables.quota_counters.c
        row = tx._conn.execute(select(func.sum(counter.used), func.sum(counter.reserved))).one()
        uses = tx._conn.execute(select(tables.usage.c.use_id)).scalars().all()
        return int(row[0]), int(row[1]), list(uses)

    return await store.read(fetch)


async def test_processes_that_are_killed_neither_oversell_nor_lose_a_use(tmp_path, database_url):
    store = await open_store(tmp_path, database_url)
    await agree(store, check_terms(licence(calls=LIMIT), "terms"))
    told = []
    rounds = random.Random(7)
    for number in range(3):
        # Two replicas at once on PostgreSQL; an embedded store belongs to one process.
        replicas = 2 if database_url else 1
        runs = [
            _run(tmp_path, database_url, f"r{number}x{replica}", kill_after=rounds.randint(20, 90))
            for replica in range(replicas)
        ]
        for each in await asyncio.gather(*runs):
            told += each
        used, reserved, uses = await _counted(store)
        assert used + reserved <= LIMIT
        assert used == len(uses)
        assert set(told) <= set(uses)
    await asyncio.sleep(TTL_S)
    told += await _run(tmp_path, database_url, "last")
    await asyncio.sleep(TTL_S)
    meter = entitlements_on(store)
    while await meter.sweep():
        pass
    while await use_once(meter, f"rest-{len(told)}"):
        told.append(f"rest-{len(told)}")
    used, reserved, uses = await _counted(store)
    assert (used, reserved) == (LIMIT, 0)
    assert len(uses) == len(set(uses)) == LIMIT
    assert set(told) <= set(uses)
    await asyncio.sleep(EVERY_S)
    await meter.close_due()
    await _check_statements(store)
    await store.close()


async def _check_statements(store):
    """Demand that each use stands on one statement, and that no statement is missing or there twice."""

    def fetch(tx):
        usage = tables.usage.c
        standing = dict(tx._conn.execute(select(usage.statement, func.count()).group_by(usage.statement)).all())
        return tx.statements.of_agreement(AGREEMENT, after=0, limit=10_000), standing

    statements, standing = await store.read(fetch)
    assert [one.number for one in statements] == list(range(1, len(statements) + 1))
    assert {one.number: one.uses for one in statements} == standing
    ends = [one.end_us for one in statements]
    assert ends == sorted(set(ends))
    assert all(end % int(EVERY_S * 1e6) == 0 for end in ends)
    assert len(statements) > 1
    assert sum(one.amount.micros for one in statements) == LIMIT * 1_000_000


async def test_sixty_four_clients_get_exactly_what_there_is(tmp_path, database_url):
    store = await open_store(tmp_path, database_url)
    await agree(store, check_terms(licence(calls=50), "terms"))
    meter = entitlements_on(store, ttl_s=60)
    # Each use is sent by two services at once, as a recall and the search beneath it do.
    uses = [f"u{number}" for number in range(64) for _ in range(2)]
    granted = await asyncio.gather(*(use_once(meter, use_id) for use_id in uses))
    assert len({use_id for use_id, ok in zip(uses, granted, strict=True) if ok}) == 50
    used, reserved, metered = await _counted(store)
    assert (used, reserved, len(set(metered))) == (50, 0, 50)
    await store.close()
