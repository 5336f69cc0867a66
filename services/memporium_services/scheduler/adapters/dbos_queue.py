"""The durable queue on DBOS: SQLite beside the other files, or the PostgreSQL that all services share.

A job is one workflow whose id is the job's name, so putting it in twice is putting it in once. The queue is partitioned
by organisation: each runs at most its share, whatever the others put in. DBOS keeps one instance a process and calls
workflows on threads of its own; the job itself runs on the service's event loop, where the channels live.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import CancelledError
from itertools import count
from typing import TYPE_CHECKING

import structlog
from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID
from sqlalchemy.exc import OperationalError

from memporium_platform.errors import PlatformError
from memporium_services.scheduler.domain.jobs import retry_delay_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from memporium_services.scheduler.domain.jobs import Job
    from memporium_services.scheduler.settings import SchedulerSettings

    Attempt = Callable[[str, str], Awaitable[float | None]]

_log = structlog.get_logger(__name__)

_QUEUE = "memporium-jobs"
_APP = "memporium"
# Fixed, so that jobs begun by one release are finished by the next: what runs is a job's name, not code.
_VERSION = "1"
# DBOS runs the lowest number first; a job's priority runs from 0 to 100 with the highest first.
_PRIORITY_BASE = 101


def _one_line(record: logging.LogRecord) -> bool:
    """Leave the first line of what DBOS has to say: while its store is away it prints a traceback every second."""
    record.msg, record.args = record.getMessage().partition("\n")[0].partition(": Traceback")[0], None
    record.exc_info = record.exc_text = None
    return True


class _StoppedError(BaseException):
    """Leaves a workflow as it is, for the next start: DBOS takes any Exception for its outcome, and that is its end."""


class _Current:
    """What the workflow function reaches: DBOS finds functions by name, not by object."""

    queue: DbosQueue | None = None


@DBOS.workflow(name="memporium.job")  # type: ignore[untyped-decorator]
def _run_job(org: str, job_id: str) -> None:
    """Attempt a job until it has ended; waits are durable."""
    queue = _Current.queue
    if queue is None:
        raise _StoppedError
    while (delay_s := queue.run(org, job_id)) is not None:
        try:
            DBOS.sleep(delay_s)
        except OperationalError:  # It cannot be written down when the wait is over: the disk is full.
            queue.wait(delay_s)


class DbosQueue:
    """`JobQueue` on DBOS."""

    def __init__(self, database_url: str, *, settings: SchedulerSettings) -> None:
        """Use a database by its SQLAlchemy URL; nothing is opened before `start`."""
        self._database_url, self._settings = database_url, settings
        self._attempt: Attempt | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[tuple[str, str], asyncio.Task[float | None]] = {}
        self._stopping = threading.Event()

    async def start(self, attempt: Attempt) -> None:
        """Begin to run jobs; those that a crash interrupted are resumed."""
        self._attempt, self._loop = attempt, asyncio.get_running_loop()
        _Current.queue = self
        await asyncio.to_thread(self._launch)

    def _launch(self) -> None:
        # DBOS announces itself on the console; our own log says what runs.
        logging.getLogger("dbos").setLevel(logging.WARNING)
        logging.getLogger("dbos").addFilter(_one_line)
        config: DBOSConfig = {
            "name": _APP,
            "system_database_url": self._database_url,
            "application_version": _VERSION,
            "executor_id": self._settings.executor_id,
            "log_level": "WARNING",
            "run_admin_server": False,
            "use_listen_notify": False,
        }
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            worker_concurrency=self._settings.worker_concurrency,
            partition_worker_concurrency=self._settings.tenant_concurrency,
            polling_interval_sec=self._settings.polling_interval_s,
            on_conflict="always_update",
        )

    async def stop(self) -> None:
        """Stop; jobs that run are left to be resumed at the next start."""
        _Current.queue = None
        self._stopping.set()
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.to_thread(DBOS.destroy)

    async def put(self, job: Job) -> None:
        """Queue a job; one that is queued already is not queued again."""
        await asyncio.to_thread(self._put, job)

    def _put(self, job: Job) -> None:
        priority = _PRIORITY_BASE - job.priority
        with SetWorkflowID(job.name), SetEnqueueOptions(priority=priority, queue_partition_key=job.org):
            DBOS.enqueue_workflow(_QUEUE, _run_job, job.org, job.job_id)

    async def drop(self, job: Job) -> None:
        """Take a job out, or stop it where it runs."""
        try:
            await asyncio.to_thread(DBOS.cancel_workflow, job.name)
        finally:
            task = self._running.get((job.org, job.job_id))
            if task is not None:
                task.cancel()

    def run(self, org: str, job_id: str) -> float | None:
        """Run one attempt on the event loop and wait for it; called on a thread of DBOS.

        Where the store does not take what became of it, it is run again once the store does, as after a crash: to DBOS
        an error is the end, while the job's row would say for ever that it runs.
        """
        for number in count(1):
            try:
                return self._once(org, job_id)
            except PlatformError as error:
                _log.warning("job.not_noted", job=f"orgs/{org}/jobs/{job_id}", reason=error.reason)
                settings = self._settings
                initial_s, maximum_s = settings.retry_initial_s, settings.retry_max_s
                self.wait(retry_delay_s(number, initial_s=initial_s, maximum_s=maximum_s))
        raise AssertionError  # There is always a next number.

    def wait(self, delay_s: float) -> None:
        """Wait on a thread of DBOS; a stop ends the wait and the thread's work."""
        if self._stopping.wait(delay_s):
            raise _StoppedError

    def _once(self, org: str, job_id: str) -> float | None:
        if self._loop is None or self._attempt is None or self._stopping.is_set():
            raise _StoppedError
        try:
            return asyncio.run_coroutine_threadsafe(self._tracked(org, job_id), self._loop).result()
        except CancelledError:
            if self._stopping.is_set():
                raise _StoppedError from None
            # Cancelled by a caller: the job's row says so, and the next attempt sees that it has ended.
            return 0.0

    async def _tracked(self, org: str, job_id: str) -> float | None:
        if self._attempt is None:
            return None
        task = asyncio.ensure_future(self._attempt(org, job_id))
        self._running[org, job_id] = task
        try:
            return await task
        finally:
            self._running.pop((org, job_id), None)
