"""Making, reading, cancelling and watching jobs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from memporium_platform import audit, idempotency
from memporium_platform.call import Call, current_call
from memporium_platform.errors import PlatformError, Reason, denied, invalid
from memporium_platform.names import new_id
from memporium_services.scheduler.domain.jobs import Job, JobKind, JobState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.scheduler.ports import JobQueue, JobRows
    from memporium_services.scheduler.settings import SchedulerSettings

_MAX_PRIORITY = 100
# A watcher also looks at the table this often: the job may run in another replica.
_WATCH_POLL_S = 0.5
_OVERLOAD_RETRY_S = 5.0


class Signals:
    """Wakes those who wait for a change of a job in this process."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._events: dict[str, asyncio.Event] = {}

    def notify(self, name: str) -> None:
        """Wake the waiters of a job."""
        event = self._events.pop(name, None)
        if event is not None:
            event.set()

    async def wait(self, name: str, timeout_s: float) -> None:
        """Return after the next change of a job, or after the time."""
        event = self._events.setdefault(name, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout_s)


class Jobs:
    """The jobs of all organisations."""

    def __init__(
        self,
        database: Database,
        rows: JobRows,
        *,
        queue: JobQueue,
        clock: Clock,
        signals: Signals,
        settings: SchedulerSettings,
    ) -> None:
        """Work on a database and a queue."""
        self._database, self._rows, self._queue = database, rows, queue
        self._clock, self._signals, self._settings = clock, signals, settings

    async def create(
        self,
        org: str,
        kind: JobKind,
        spec: Mapping[str, Any],
        *,
        priority: int,
        add: Callable[[Connection, Job], None] | None = None,
    ) -> Job:
        """Make a job; it is durable when this returns. What `add` writes is written with it.

        Raises:
            PlatformError: INVALID_FIELD for a priority out of range; OVERLOADED where too many jobs wait.
        """
        if not 0 <= priority <= _MAX_PRIORITY:
            raise invalid("priority", "must be 0 to 100")
        call = current_call()
        now = self._clock.now()
        job = Job(
            org=org,
            job_id=new_id(now),
            kind=kind,
            spec=spec,
            principal=call.principal.name,
            principal_kind=call.principal.kind,
            create_time=now,
            priority=priority,
        )
        # Not to be cut off between the two where the caller goes away; a crash there is mended at start-up: unfinished
        # jobs are queued again.
        return await asyncio.shield(self._make(call, job, add))

    async def _make(self, call: Call, job: Job, add: Callable[[Connection, Job], None] | None) -> Job:
        made = await self._database.write(
            lambda conn: idempotency.once(
                conn,
                call,
                now=job.create_time,
                run=lambda inner: self._insert(inner, call, job, add),
                remember=lambda one: one.job_id,
                recall=lambda inner, job_id: self._require(inner, job.org, job_id),
            )
        )
        await self._queue.put(made)
        return made

    def _insert(self, conn: Connection, call: Call, job: Job, add: Callable[[Connection, Job], None] | None) -> Job:
        if self._rows.waiting(conn, job.org) >= self._settings.tenant_queue:
            raise PlatformError(Reason.OVERLOADED, "too many jobs wait already", retry_after_s=_OVERLOAD_RETRY_S)
        self._rows.insert(conn, job)
        if add is not None:
            add(conn, job)
        audit.record_in(conn, call, resource=job.name, details={"kind": job.kind})
        return job

    async def made(self, org: str) -> Job | None:
        """Return the job that an earlier call with the same request id made, or None.

        Raises:
            PlatformError: REQUEST_ID_REUSED.
        """
        call, now = current_call(), self._clock.now()

        def load(conn: Connection) -> Job | None:
            job_id = idempotency.noted(conn, call, now=now)
            return None if job_id is None else self._require(conn, org, job_id)

        return await self._database.read(load) if call.request_id else None

    async def get(self, org: str, job_id: str) -> Job:
        """Return a job.

        Raises:
            PlatformError: PERMISSION_DENIED, the same as for a job that may not be seen, where there is none.
        """
        return await self._database.read(lambda conn: self._require(conn, org, job_id))

    async def page(self, org: str, *, states: Sequence[JobState], before: str, limit: int) -> list[Job]:
        """Return jobs, newest first."""
        return await self._database.read(
            lambda conn: self._rows.page(conn, org, states=states, before=before, limit=limit)
        )

    async def cancel(self, org: str, job_id: str) -> Job:
        """Cancel a job that has not ended; one that is cancelled already is returned as it is.

        Raises:
            PlatformError: ILLEGAL_TRANSITION, where it has ended otherwise.
        """
        call, now = current_call(), self._clock.now()

        def change(conn: Connection) -> Job:
            job = self._require(conn, org, job_id)
            if job.state is JobState.CANCELLED:
                return job
            if self._rows.committing(conn, job):
                raise PlatformError(
                    Reason.ILLEGAL_TRANSITION,
                    f"{job.name} makes its writes, and can be cancelled no more",
                    metadata={"resource": job.name, "state": "COMMITTING", "trigger": "cancel"},
                )
            changed = job.cancel(now)
            if not self._rows.save(conn, changed):
                raise PlatformError(Reason.CONFLICT, f"{job.name} changed", metadata={"resource": job.name})
            audit.record_in(conn, call, resource=job.name)
            return changed

        job = await self._database.write(change)
        await self._queue.drop(job)
        self._signals.notify(job.name)
        return job

    async def watch(self, org: str, job_id: str, after_revision: int) -> AsyncIterator[Job]:
        """Yield a job at each change until it has ended; changes that follow fast are seen as one."""
        seen = after_revision
        while True:
            job = await self.get(org, job_id)
            if job.revision > seen:
                seen = job.revision
                yield job
            if job.ended:
                return
            await self._signals.wait(job.name, _WATCH_POLL_S)

    def _require(self, conn: Connection, org: str, job_id: str) -> Job:
        job = self._rows.get(conn, org, job_id)
        if job is None:
            raise denied("scheduler.jobs.get", f"orgs/{org}/jobs/{job_id}")
        return job
