"""Puts jobs into the durable queue, again and again where its store is full or away.

A job is durable once its row is written, and whoever made it was told so. The queue keeps a store of its own, which may
refuse it a moment later: then the job would wait until the platform is started anew.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from memporium_services.scheduler.domain.jobs import retry_delay_s

if TYPE_CHECKING:
    from memporium_services.scheduler.domain.jobs import Job
    from memporium_services.scheduler.ports import JobQueue
    from memporium_services.scheduler.settings import SchedulerSettings

_log = structlog.get_logger(__name__)


class Queueing:
    """A `JobQueue` that never fails: what another did not take is put in later, by `run`."""

    def __init__(self, queue: JobQueue, *, settings: SchedulerSettings) -> None:
        """Put jobs into a queue."""
        self._queue, self._settings = queue, settings
        self._left: dict[str, Job] = {}
        self._more = asyncio.Event()

    async def put(self, job: Job) -> None:
        """Queue a job, now or as soon as the queue takes it; one that is queued already is not queued again."""
        try:
            await self._queue.put(job)
        except Exception as error:  # noqa: BLE001 - whatever its store says, the job is there and has to run
            _log.warning("job.not_queued", job=job.name, error=type(error).__name__)
            self._left[job.name] = job
            self._more.set()

    async def drop(self, job: Job) -> None:
        """Take a job out, or stop it where it runs; one that the queue keeps ends when its turn comes."""
        self._left.pop(job.name, None)
        try:
            await self._queue.drop(job)
        except Exception as error:  # noqa: BLE001 - the job's row says that it was cancelled, and the row counts
            _log.warning("job.not_dropped", job=job.name, error=type(error).__name__)

    async def run(self) -> None:
        """Put in for ever what the queue did not take."""
        while True:
            await self._more.wait()
            self._more.clear()
            tries = 0
            while self._left:
                tries += 1
                await asyncio.sleep(self._delay_s(tries))
                await self._put_left()

    async def _put_left(self) -> None:
        """Put in what is left, up to the first that the queue does not take."""
        for job in list(self._left.values()):
            try:
                await self._queue.put(job)
            except Exception:  # noqa: BLE001 - it was said when the first was not taken
                return
            self._left.pop(job.name, None)
            _log.info("job.queued_late", job=job.name)

    def _delay_s(self, tries: int) -> float:
        settings = self._settings
        return retry_delay_s(tries, initial_s=settings.retry_initial_s, maximum_s=settings.retry_max_s)
