"""Makes the jobs of schedules: one for each time that falls due and each batch of memories that appears, exactly once.

The job and the schedule's new place (its next time, or the revision through which a vault was looked at) are written in
one transaction that fails where another replica, or this one before a crash, has moved on already.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.names import new_id
from memporium_services.scheduler.app.schedules import EVERYTHING
from memporium_services.scheduler.domain.jobs import Job, JobKind
from memporium_services.scheduler.domain.schedules import Schedule, with_cubes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.scheduler.app.pipelines import Pipelines
    from memporium_services.scheduler.ports import JobQueue, JobRows, ScheduleRows, Services
    from memporium_services.scheduler.settings import SchedulerSettings

_log = structlog.get_logger(__name__)
# How often the table is looked at for what is due, and for schedules that came and went.
_TICK_S = 0.5
# The wait after an error, for instance where the rights of who made the schedule are gone.
_ERROR_S = 10.0


class Firing:
    """Watches clocks and vaults for all schedules."""

    def __init__(
        self,
        database: Database,
        rows: ScheduleRows,
        jobs: JobRows,
        *,
        queue: JobQueue,
        services: Services,
        pipelines: Pipelines,
        clock: Clock,
        settings: SchedulerSettings,
    ) -> None:
        """Work on a database and a queue."""
        self._database, self._rows, self._jobs, self._queue = database, rows, jobs, queue
        self._services, self._pipelines, self._clock, self._settings = services, pipelines, clock, settings
        self._watchers: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Make jobs for ever."""
        try:
            while True:
                try:
                    await self.tick()
                except PlatformError as error:
                    _log.warning("schedules.failed", reason=error.reason)
                except Exception:  # noqa: BLE001 - see below
                    # Whatever it is, the schedules of others must go on.
                    _log.exception("schedules.fault")
                await asyncio.sleep(_TICK_S)
        finally:
            for task in self._watchers.values():
                task.cancel()
            await asyncio.gather(*self._watchers.values(), return_exceptions=True)

    async def tick(self) -> None:
        """Make the jobs that are due now, and watch the vaults that have to be watched."""
        now = self._clock.now()
        for one in await self._database.read(lambda conn: self._rows.due(conn, now)):
            following = one.trigger.next_after(now, since=one.create_time)
            await self._fire(one, replace(one, next_time=following), cubes=None)
        watching = {one.name: one for one in await self._database.read(self._rows.watching)}
        for name in [name for name, task in self._watchers.items() if name not in watching or task.done()]:
            self._watchers.pop(name).cancel()
        for name, one in watching.items():
            if name not in self._watchers:
                self._watchers[name] = asyncio.create_task(self._watch(one), name=f"schedule {name}")

    async def _watch(self, one: Schedule) -> None:
        """Follow a vault from where the schedule is; ends where others have moved it, and is begun anew from there."""
        current: Schedule | None = one
        while current is not None:
            before = current
            try:
                with acting_as(_principal(before)):
                    current = await self._follow(before)
            except PlatformError as error:
                if error.reason is Reason.REVISION_COMPACTED:
                    # What came between is known no more: all that carries a label now makes up for it.
                    current = await self._move(before, replace(before, cursor=EVERYTHING))
                    continue
                await self._move(before, replace(before, error=f"{error.reason}: {error.message}"))
                await asyncio.sleep(_ERROR_S)
                return

    async def _follow(self, one: Schedule) -> Schedule | None:
        """Look at what appears for some time; return the schedule as it is then, None: others have moved it."""
        current: Schedule | None = one
        if one.cursor == EVERYTHING:
            revision = await self._services.revision(one.trigger.vault)
            return await self._fire(one, replace(one, cursor=revision), cubes=[])
        async with contextlib.aclosing(
            self._services.tagged(one.trigger.vault, one.cursor, one.trigger.tags)  # type: ignore[type-var]
        ) as stream:
            async for revision, cubes in stream:
                if current is None or revision <= current.cursor:
                    continue
                moved = replace(current, cursor=revision, error="")
                current = await (self._fire(current, moved, cubes=cubes) if cubes else self._move(current, moved))
                if current is None:
                    return None
        return current

    async def _fire(self, before: Schedule, after: Schedule, *, cubes: Sequence[str] | None) -> Schedule | None:
        """Make a job and move the schedule on; None: others did. Waits while the schedule's last job still runs."""
        while True:
            now = self._clock.now()
            try:
                spec, add = await self._arguments(before, cubes)
            except PlatformError as error:
                # It can be made no more, for instance since its pipeline was deleted: that is said, and passed over.
                return await self._move(before, replace(after, error=f"{error.reason}: {error.message}"))
            job = Job(
                org=before.org,
                job_id=new_id(now),
                kind=before.kind,
                spec=spec,
                principal=before.principal,
                principal_kind=before.principal_kind,
                create_time=now,
                priority=before.priority,
            )
            moved = replace(after, fired=before.fired + 1, last_job=job.name, error="")
            # Not to be cut off between the two; a crash there is mended at start-up: unfinished jobs are queued again.
            done = await asyncio.shield(self._make(before, moved, job, add))
            if done is None and before.trigger.timed:
                return before
            if done is None:
                await asyncio.sleep(_TICK_S)
                continue
            if not done:
                return None
            return moved

    async def _make(
        self, before: Schedule, moved: Schedule, job: Job, add: Callable[[Connection, Job], None] | None
    ) -> bool | None:
        done = await self._database.write(lambda conn: self._write(conn, before, moved, job, add))
        if done:
            await self._queue.put(job)
        return done

    def _write(
        self,
        conn: Connection,
        before: Schedule,
        moved: Schedule,
        job: Job,
        add: Callable[[Connection, Job], None] | None,
    ) -> bool | None:
        """Write job and place; False: others moved it; None: not yet, for its last job runs or too many wait."""
        last = self._jobs.get(conn, before.org, before.last_job.rpartition("/")[2]) if before.last_job else None
        waiting = self._jobs.waiting(conn, before.org) >= self._settings.tenant_queue
        if waiting or (last is not None and not last.ended):
            return None
        if not self._rows.save(conn, moved, before=before):
            return False
        self._jobs.insert(conn, job)
        if add is not None:
            add(conn, job)
        return True

    async def _arguments(
        self, one: Schedule, cubes: Sequence[str] | None
    ) -> tuple[dict[str, object], Callable[[Connection, Job], None] | None]:
        if one.kind is JobKind.RUN_PIPELINE:
            spec, add = await self._pipelines.prepare_texts(one.org, one.spec, one.spec.get("inputs", {}), cubes=cubes)
            return dict(spec), add
        return with_cubes(one.kind.value, one.spec, list(cubes or ())), None

    async def _move(self, before: Schedule, after: Schedule) -> Schedule | None:
        if after == before:
            return before
        saved = await self._database.write(lambda conn: self._rows.save(conn, after, before=before))
        return after if saved else None


def _principal(one: Schedule) -> Principal:
    return Principal(name=one.principal, org=one.org, kind=PrincipalKind(one.principal_kind))
