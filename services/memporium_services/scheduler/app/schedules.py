"""Keeping schedules: made, read, paused, resumed, deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform import audit, idempotency, names
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, already_exists, invalid, not_found
from memporium_services.scheduler.domain.jobs import JobKind
from memporium_services.scheduler.domain.schedules import MOST_SCHEDULES, Schedule, Trigger, check_trigger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.scheduler.app.pipelines import Pipelines
    from memporium_services.scheduler.ports import ScheduleRows, Services

SCHEDULE = names.Pattern("orgs/{org}/schedules/{schedule}")
_MOST_PRIORITY = 100
# The whole memory comes first.
EVERYTHING = -1


class Schedules:
    """The schedules of all organisations."""

    def __init__(
        self, database: Database, rows: ScheduleRows, *, services: Services, pipelines: Pipelines, clock: Clock
    ) -> None:
        """Work on a database."""
        self._database, self._rows, self._services = database, rows, services
        self._pipelines, self._clock = pipelines, clock

    async def create(
        self,
        org: str,
        schedule_id: str,
        kind: JobKind,
        spec: Mapping[str, Any],
        trigger: Trigger,
        *,
        priority: int,
        paused: bool,
        include_existing: bool,
    ) -> Schedule:
        """Make a schedule.

        Raises:
            PlatformError: INVALID_FIELD, ALREADY_EXISTS, QUOTA_EXCEEDED; NOT_FOUND, PERMISSION_DENIED for the vault
                that a tag trigger watches.
        """
        names.check_id(schedule_id, "schedule_id")
        call, now = current_call(), self._clock.now()
        if not 0 <= priority <= _MOST_PRIORITY:
            raise invalid("schedule.priority", "must be 0 to 100")
        check_trigger(trigger, org, now)
        await self._check_spec(org, kind, spec, trigger)
        cursor = 0
        if trigger.vault:
            revision = await self._services.revision(trigger.vault)
            cursor = EVERYTHING if include_existing else revision
        made = Schedule(
            org=org,
            schedule_id=schedule_id,
            kind=kind,
            spec=spec,
            trigger=trigger,
            principal=call.principal.name,
            principal_kind=call.principal.kind,
            create_time=now,
            priority=priority,
            paused=paused,
            next_time=trigger.next_after(now, since=now) if trigger.timed else None,
            cursor=cursor,
        )

        def run(conn: Connection) -> Schedule:
            if self._rows.get(conn, org, schedule_id) is not None:
                raise already_exists(made.name)
            if self._rows.count(conn, org) >= MOST_SCHEDULES:
                raise PlatformError(
                    Reason.QUOTA_EXCEEDED,
                    f"an organisation may keep {MOST_SCHEDULES} schedules",
                    metadata={"quota": "scheduler.schedules", "limit": str(MOST_SCHEDULES)},
                )
            self._rows.insert(conn, made)
            audit.record_in(conn, call, resource=made.name, details={"kind": kind})
            return made

        return await self._database.write(
            lambda conn: idempotency.once(
                conn,
                call,
                now=now,
                run=run,
                remember=lambda one: one.schedule_id,
                recall=lambda inner, id_: self._kept(inner, org, id_),
            )
        )

    async def _check_spec(self, org: str, kind: JobKind, spec: Mapping[str, Any], trigger: Trigger) -> None:
        if kind is JobKind.SWEEP_VAULTS:
            raise invalid("schedule.spec", "the platform sweeps by itself")
        if kind is JobKind.RUN_PIPELINE:
            texts = spec.get("inputs", {})
            await self._pipelines.prepare_texts(org, spec, texts, cubes=[] if trigger.vault else None)
        if kind is JobKind.LOAD_BUNDLE and bool(spec.get("bundle")) == bool(spec.get("latest_of")):
            raise invalid(
                "schedule.spec.load_bundle.bundle", "give either a bundle or the vault whose newest dump is taken"
            )
        if kind is JobKind.DELIVER_CUBES and spec.get("vault") == spec.get("target"):
            raise invalid("schedule.spec.deliver_cubes.target", "must be another vault")
        if kind is JobKind.DELIVER_CUBES and trigger.vault and trigger.vault != spec.get("vault"):
            raise invalid("schedule.spec.deliver_cubes.vault", "must be the vault that is watched")

    async def get(self, org: str, schedule_id: str) -> Schedule:
        """Return a schedule.

        Raises:
            PlatformError: NOT_FOUND.
        """
        return await self._database.read(lambda conn: self._kept(conn, org, schedule_id))

    async def page(self, org: str, *, after: str, limit: int) -> list[Schedule]:
        """Return schedules by id."""
        return await self._database.read(lambda conn: self._rows.page(conn, org, after=after, limit=limit))

    async def set_paused(self, org: str, schedule_id: str, *, paused: bool) -> Schedule:
        """Pause a schedule, or resume it; one that is so already is returned as it is.

        Raises:
            PlatformError: NOT_FOUND, CONFLICT.
        """
        call, now = current_call(), self._clock.now()

        def run(conn: Connection) -> Schedule:
            before = self._kept(conn, org, schedule_id)
            if before.paused == paused:
                return before
            timed = before.trigger.timed and not paused
            due = before.trigger.next_after(now, since=before.create_time) if timed else before.next_time
            changed = replace(before, paused=paused, next_time=due, error="")
            if not self._rows.save(conn, changed, before=before):
                raise PlatformError(Reason.CONFLICT, f"{before.name} changed", metadata={"resource": before.name})
            audit.record_in(conn, call, resource=before.name)
            return changed

        return await self._database.write(run)

    async def delete(self, org: str, schedule_id: str) -> None:
        """Remove a schedule; jobs that it made go on.

        Raises:
            PlatformError: NOT_FOUND.
        """
        call = current_call()
        name = SCHEDULE.format(org=org, schedule=schedule_id)

        def run(conn: Connection) -> None:
            if not self._rows.delete(conn, org, schedule_id):
                raise not_found(name)
            audit.record_in(conn, call, resource=name)

        await self._database.write(
            lambda conn: idempotency.once(
                conn, call, now=self._clock.now(), run=run, remember=lambda _: "", recall=lambda _conn, _: None
            )
        )

    def _kept(self, conn: Connection, org: str, schedule_id: str) -> Schedule:
        found = self._rows.get(conn, org, schedule_id)
        if found is None:
            raise not_found(SCHEDULE.format(org=org, schedule=schedule_id))
        return found
