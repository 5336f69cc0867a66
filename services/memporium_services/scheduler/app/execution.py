"""Running one attempt of a job with the rights of the principal that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.idempotency import RETENTION
from memporium_services.scheduler.domain.jobs import PASSING, Job, JobKind, retry_delay_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.scheduler.app.conversions import Conversions
    from memporium_services.scheduler.app.jobs import Signals
    from memporium_services.scheduler.app.placement import Placements
    from memporium_services.scheduler.app.running import Running
    from memporium_services.scheduler.ports import JobRows, Services
    from memporium_services.scheduler.settings import SchedulerSettings

_log = structlog.get_logger(__name__)


class Execution:
    """Runs attempts; the durable queue calls `attempt` until it says that the job has ended."""

    def __init__(
        self,
        database: Database,
        rows: JobRows,
        *,
        services: Services,
        placements: Placements,
        conversions: Conversions,
        running: Running,
        clock: Clock,
        signals: Signals,
        settings: SchedulerSettings,
    ) -> None:
        """Work on a database with the other services."""
        self._database, self._rows, self._services = database, rows, services
        self._running, self._conversions = running, conversions
        self._placements, self._clock, self._signals, self._settings = placements, clock, signals, settings

    async def attempt(self, org: str, job_id: str) -> float | None:
        """Run a job once; return the seconds to wait before the next attempt, or None where it has ended.

        Every step has an idempotency id of its own, so an attempt that follows a crash repeats nothing that was done.
        """
        job = await self._change(org, job_id, lambda one: one.begin(self._clock.now()))
        if job is None or job.ended:
            return None
        try:
            with acting_as(_principal(job), root_id=job.job_id):
                result = await self._run(job)
        except PlatformError as error:
            return await self._failed(job, error.reason, error.message)
        except Exception:  # noqa: BLE001 - whatever it is, the job must end in a state
            # A fault of ours: logged whole here, told in general words there.
            _log.exception("job.fault", job=job.name, kind=job.kind)
            return await self._failed(job, Reason.INTERNAL, "the job failed for an internal reason")
        await self._change(org, job_id, lambda one: one.succeed(self._clock.now(), result))
        _log.info("job.succeeded", job=job.name, kind=job.kind, attempts=job.attempts)
        return None

    async def _run(self, job: Job) -> Mapping[str, str]:
        async def report(completed: int, total: int, message: str) -> None:
            await self._change(job.org, job.job_id, lambda one: one.report(completed, total, message))

        services, request_id = self._services, job.request_id()
        kinds: Mapping[JobKind, Callable[[], Awaitable[Mapping[str, str]]]] = {
            JobKind.SWEEP_VAULTS: lambda: services.sweep(request_id, report),
            JobKind.BUILD_ACTIVATION: lambda: services.build_activation(job.spec, request_id, report),
            JobKind.TRAIN_PARAMETER: lambda: services.train_parameter(job.spec, request_id, report),
            JobKind.MERGE_PARAMETERS: lambda: services.merge_parameters(job.spec, request_id, report),
            JobKind.PROBE_PARAMETER: lambda: services.probe_parameter(job.spec, request_id, report),
            JobKind.DELIVER_RELEASE: lambda: services.deliver_release(job.org, job.spec, request_id, report),
            JobKind.DUMP_VAULT: lambda: services.dump_vault(job.spec, request_id, report),
            JobKind.LOAD_BUNDLE: lambda: services.load_bundle(job.org, job.spec, request_id, report),
            JobKind.DELIVER_CUBES: lambda: services.deliver_cubes(job, report),
            JobKind.CONSOLIDATE: lambda: services.consolidate(job.spec, report),
            JobKind.PLACE_MEMORIES: lambda: self._placements.apply(job, report),
            JobKind.CONVERT_MEMORIES: lambda: self._conversions.apply(job, report),
            JobKind.RUN_PIPELINE: lambda: self._running.attempt(job, report),
        }
        return await kinds[job.kind]()

    async def _failed(self, job: Job, reason: Reason, error: str) -> float | None:
        again = reason in PASSING and job.attempts < self._settings.max_attempts
        if not again and job.kind is JobKind.RUN_PIPELINE and await self._running.committing(job):
            # Whether its writes were made is not known: the same commit is sent again until the vault says so, for as
            # long as it knows the id.
            again = self._clock.now() - job.create_time < RETENTION
        if again:
            await self._change(job.org, job.job_id, lambda one: one.note(reason, error))
            settings = self._settings
            return retry_delay_s(job.attempts, initial_s=settings.retry_initial_s, maximum_s=settings.retry_max_s)
        await self._change(job.org, job.job_id, lambda one: one.fail(self._clock.now(), reason, error))
        _log.warning("job.failed", job=job.name, kind=job.kind, reason=reason, attempts=job.attempts)
        return None

    async def _change(self, org: str, job_id: str, change: Callable[[Job], Job]) -> Job | None:
        """Write a change unless the job has ended meanwhile (a cancellation wins); return the job as it is then."""

        def apply(conn: Connection) -> Job | None:
            job = self._rows.get(conn, org, job_id)
            if job is None or job.ended:
                return job
            changed = change(job)
            self._rows.save(conn, changed)
            return changed

        job = await self._database.write(apply)
        if job is not None:
            self._signals.notify(job.name)
        return job


def _principal(job: Job) -> Principal:
    kind = PrincipalKind(job.principal_kind)
    return Principal(name=job.principal, org="" if kind is PrincipalKind.SERVICE else job.org, kind=kind)
