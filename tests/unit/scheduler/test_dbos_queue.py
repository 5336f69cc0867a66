"""The durable queue: jobs that a stop or a failing store cut short are run again, by themselves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memporium_platform.call import PrincipalKind
from memporium_platform.errors import PlatformError, Reason
from memporium_services.scheduler.adapters.dbos_queue import DbosQueue
from memporium_services.scheduler.domain.jobs import Job, JobKind
from memporium_services.scheduler.settings import SchedulerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

JOB = Job(
    org="acme",
    job_id="j1",
    kind=JobKind.SWEEP_VAULTS,
    spec={},
    principal="orgs/acme/principals/ann",
    principal_kind=PrincipalKind.USER,
    create_time=datetime(2026, 1, 1, tzinfo=UTC),
)


class Attempts:
    """The service: what its attempts do, one after another; the last one goes on for ever."""

    def __init__(self, *does: BaseException | None) -> None:
        self.begun = 0
        self.ended = asyncio.Event()
        self._does = does

    async def __call__(self, org: str, job_id: str) -> float | None:
        self.begun += 1
        if self.begun > len(self._does):
            self.ended.set()
            await asyncio.Event().wait()
        what = self._does[self.begun - 1]
        if what is not None:
            raise what
        self.ended.set()
        return None


@asynccontextmanager
async def queue(folder: Path, attempts: Attempts) -> AsyncIterator[DbosQueue]:
    settings = SchedulerSettings(retry_initial_s=0.01, retry_max_s=0.01)
    made = DbosQueue(f"sqlite:///{folder / 'jobs.sqlite'}", settings=settings)
    await made.start(attempts)
    try:
        yield made
    finally:
        await made.stop()


async def test_a_job_that_runs_when_the_platform_stops_is_run_at_the_next_start(tmp_path: Path) -> None:
    first, second = Attempts(), Attempts(None)
    async with asyncio.timeout(300):
        async with queue(tmp_path, first) as jobs:
            await jobs.put(JOB)
            await first.ended.wait()
        async with queue(tmp_path, second) as jobs:
            await jobs.put(JOB)
            await second.ended.wait()
    assert (first.begun, second.begun) == (1, 1)


async def test_an_attempt_whose_outcome_the_store_did_not_take_is_made_again(tmp_path: Path) -> None:
    full = PlatformError(Reason.UNAVAILABLE, "the disk of the platform is full")
    attempts = Attempts(full, full, None)
    async with asyncio.timeout(300), queue(tmp_path, attempts) as jobs:
        await jobs.put(JOB)
        await attempts.ended.wait()
    assert attempts.begun == 3


async def test_a_stop_waits_for_no_store(tmp_path: Path) -> None:
    """The thread that waits for the store ends with the platform, and the job is run at the next start."""
    away = [PlatformError(Reason.UNAVAILABLE, "the store is not available") for _ in range(100_000)]
    first, second = Attempts(*away), Attempts(None)
    async with asyncio.timeout(300):
        async with queue(tmp_path, first) as jobs:
            await jobs.put(JOB)
            while first.begun < 2:
                await asyncio.sleep(0.01)
        async with queue(tmp_path, second) as jobs:
            await jobs.put(JOB)
            await second.ended.wait()
    assert second.begun == 1
