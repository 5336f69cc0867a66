"""The running scheduler service."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from memporium.scheduler.v1.scheduler_service_pb2_grpc import add_SchedulerServiceServicer_to_server
from memporium_platform.call import service_principal
from memporium_platform.errors import PlatformError
from memporium_services.scheduler.adapters.dbos_queue import DbosQueue
from memporium_services.scheduler.adapters.grpc_memory import GrpcMemory
from memporium_services.scheduler.adapters.grpc_moves import GrpcMoves
from memporium_services.scheduler.adapters.grpc_services import GrpcServices
from memporium_services.scheduler.adapters.job_rows import SqlJobRows
from memporium_services.scheduler.adapters.pipeline_rows import SqlPipelineRows
from memporium_services.scheduler.adapters.schedule_rows import SqlScheduleRows
from memporium_services.scheduler.app.conversions import Conversions
from memporium_services.scheduler.app.execution import Execution
from memporium_services.scheduler.app.firing import Firing
from memporium_services.scheduler.app.jobs import Jobs, Signals
from memporium_services.scheduler.app.pipelines import Pipelines
from memporium_services.scheduler.app.placement import Placements
from memporium_services.scheduler.app.queueing import Queueing
from memporium_services.scheduler.app.running import Running
from memporium_services.scheduler.app.schedules import Schedules
from memporium_services.scheduler.app.sealing import Sealer
from memporium_services.scheduler.app.simulations import Simulations
from memporium_services.scheduler.domain.jobs import Job, JobKind
from memporium_services.scheduler.servicer import SchedulerServicer
from memporium_services.scheduler.settings import SchedulerSettings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.kernel import Kernel
    from memporium_platform.settings import PlatformSettings
    from memporium_platform.storage.sql.database import Database

_log = structlog.get_logger(__name__)
_PLATFORM = "platform"


async def build(kernel: Kernel) -> SchedulerModule:
    """Build the service; nothing runs before `start`."""
    return SchedulerModule(kernel, await kernel.database("scheduler"), SchedulerSettings())


class SchedulerModule:
    """Serves jobs, runs them, and makes the periodic sweep."""

    name = "scheduler"

    def __init__(self, kernel: Kernel, database: Database, settings: SchedulerSettings) -> None:
        """Wire the parts."""
        self._clock: Clock = kernel.clock
        self._database, self._settings, self._rows = database, settings, SqlJobRows()
        self._engine = DbosQueue(dbos_url(kernel.settings), settings=settings)
        self._queue = Queueing(self._engine, settings=settings)
        signals, services = Signals(), GrpcServices(kernel.channels)
        placements, moves = Placements(services, clock=kernel.clock), GrpcMoves(kernel.channels)
        conversions = Conversions(moves, services, clock=kernel.clock)
        shared: dict[str, Any] = {"clock": kernel.clock, "signals": signals, "settings": settings}
        jobs = Jobs(database, self._rows, queue=self._queue, **shared)
        sealer = Sealer(kernel.keys.derive("scheduler.pipelines"))
        rows = SqlPipelineRows(sealer)
        running = Running(
            database, self._rows, rows, memory=GrpcMemory(kernel.channels), sealer=sealer, queue=self._queue
        )
        pipelines = Pipelines(database, jobs, self._rows, rows, sealer=sealer, clock=kernel.clock)
        self._execution = Execution(
            database,
            self._rows,
            services=services,
            placements=placements,
            conversions=conversions,
            running=running,
            **shared,
        )
        times = SqlScheduleRows(sealer)
        schedules = Schedules(database, times, services=services, pipelines=pipelines, clock=kernel.clock)
        self._firing = Firing(
            database,
            times,
            self._rows,
            queue=self._queue,
            services=services,
            pipelines=pipelines,
            clock=kernel.clock,
            settings=settings,
        )
        self._servicer = SchedulerServicer(
            jobs, placements, pipelines, schedules, conversions, Simulations(moves), kernel.page_tokens
        )
        self._tasks: list[asyncio.Task[None]] = []

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_SchedulerServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Begin to run jobs, first those that a stop or crash left unfinished."""
        await self._engine.start(self._execution.attempt)
        for job in await self._database.read(self._rows.unfinished):
            await self._queue.put(job)
        self._tasks.append(asyncio.create_task(self._queue.run(), name="scheduler.queueing"))
        self._tasks.append(asyncio.create_task(self._firing.run(), name="scheduler.schedules"))
        if self._settings.sweep_interval_s:
            self._tasks.append(asyncio.create_task(self._sweep_for_ever(), name="scheduler.sweep"))

    async def stop(self) -> None:
        """Stop; unfinished jobs are resumed at the next start."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._engine.stop()

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_interval_s)
            try:
                await self._sweep()
            except PlatformError as error:
                # The next interval tries again; a sweep that is late loses nothing.
                _log.warning("sweep.failed", reason=error.reason)

    async def _sweep(self) -> None:
        """Queue one sweep of all vaults; replicas that wake in the same interval make the same job."""
        now = self._clock.now()
        tick = int(now.timestamp() / self._settings.sweep_interval_s)
        principal = service_principal("scheduler")
        job = Job(
            org=_PLATFORM,
            job_id=f"sweep-{tick}",
            kind=JobKind.SWEEP_VAULTS,
            spec={},
            principal=principal.name,
            principal_kind=principal.kind,
            create_time=now,
        )

        def make(conn: Connection) -> None:
            self._rows.prune(conn, now - timedelta(seconds=self._settings.keep_ended_s))
            if self._rows.get(conn, job.org, job.job_id) is None:
                self._rows.insert(conn, job)

        await self._database.write(make)
        await self._queue.put(job)


def dbos_url(settings: PlatformSettings) -> str:
    """Return where DBOS keeps its tables: the platform's PostgreSQL, or a file beside the other databases."""
    url = settings.database_url.get_secret_value()
    if url:
        return url
    folder = settings.data_dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'jobs.sqlite'}"
