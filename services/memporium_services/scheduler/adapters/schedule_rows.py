"""The table of schedules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, insert, select, update

from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.scheduler.adapters.tables import schedules
from memporium_services.scheduler.domain.jobs import JobKind
from memporium_services.scheduler.domain.schedules import Schedule, Trigger

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row

    from memporium_services.scheduler.app.sealing import Sealer


class SqlScheduleRows:
    """`ScheduleRows` on either SQL engine; arguments are sealed, for they may hold texts."""

    def __init__(self, sealer: Sealer) -> None:
        """Seal arguments."""
        self._sealer = sealer

    def insert(self, conn: Connection, one: Schedule) -> None:
        """Add a schedule."""
        trigger = one.trigger
        conn.execute(
            insert(schedules).values(
                org=one.org,
                schedule_id=one.schedule_id,
                kind=one.kind.value,
                spec=self._sealer.seal(one.spec, one.name, "spec"),
                every_s=trigger.every_s,
                cron=trigger.cron,
                time_zone=trigger.time_zone,
                vault=trigger.vault,
                tags=json.dumps(trigger.tags),
                principal=one.principal,
                principal_kind=one.principal_kind,
                priority=one.priority,
                paused=one.paused,
                next_us=_us(one.next_time),
                cursor=one.cursor,
                fired=one.fired,
                last_job=one.last_job,
                error=one.error,
                create_us=to_us(one.create_time),
            )
        )

    def get(self, conn: Connection, org: str, schedule_id: str) -> Schedule | None:
        """Return a schedule, or None."""
        row = conn.execute(select(schedules).where(_same(org, schedule_id))).one_or_none()
        return None if row is None else self._schedule(row)

    def page(self, conn: Connection, org: str, *, after: str, limit: int) -> list[Schedule]:
        """Return schedules by id, those beyond `after`."""
        query = select(schedules).where(schedules.c.org == org, schedules.c.schedule_id > after)
        return [self._schedule(row) for row in conn.execute(query.order_by(schedules.c.schedule_id).limit(limit))]

    def count(self, conn: Connection, org: str) -> int:
        """Return how many schedules an organisation has."""
        return int(conn.execute(select(func.count()).select_from(schedules).where(schedules.c.org == org)).scalar_one())

    def delete(self, conn: Connection, org: str, schedule_id: str) -> bool:
        """Remove a schedule; False where there is none."""
        return conn.execute(delete(schedules).where(_same(org, schedule_id))).rowcount == 1

    def due(self, conn: Connection, now: datetime) -> list[Schedule]:
        """Return the schedules whose time has come."""
        live = schedules.c.paused.is_(False)
        return [
            self._schedule(row)
            for row in conn.execute(select(schedules).where(live, schedules.c.next_us <= to_us(now)))
        ]

    def watching(self, conn: Connection) -> list[Schedule]:
        """Return the schedules that wait for labels."""
        live = schedules.c.paused.is_(False)
        return [self._schedule(row) for row in conn.execute(select(schedules).where(live, schedules.c.vault != ""))]

    def save(self, conn: Connection, one: Schedule, *, before: Schedule) -> bool:
        """Write what moved on; False where another replica moved it before, or it was paused or deleted."""
        unmoved = (schedules.c.cursor == before.cursor) & (schedules.c.fired == before.fired)
        same_time = schedules.c.next_us == _us(before.next_time) if before.next_time else schedules.c.next_us.is_(None)
        live = schedules.c.paused == before.paused
        written = conn.execute(
            update(schedules)
            .where(_same(one.org, one.schedule_id), unmoved, same_time, live)
            .values(
                paused=one.paused,
                next_us=_us(one.next_time),
                cursor=one.cursor,
                fired=one.fired,
                last_job=one.last_job,
                error=one.error,
            )
        )
        return written.rowcount == 1

    def _schedule(self, row: Row[Any]) -> Schedule:
        name = f"orgs/{row.org}/schedules/{row.schedule_id}"
        return Schedule(
            org=row.org,
            schedule_id=row.schedule_id,
            kind=JobKind(row.kind),
            spec=self._sealer.open(row.spec, name, "spec"),
            trigger=Trigger(row.every_s, row.cron, row.time_zone, row.vault, tuple(json.loads(row.tags))),
            principal=row.principal,
            principal_kind=row.principal_kind,
            create_time=from_us(row.create_us),
            priority=row.priority,
            paused=row.paused,
            next_time=None if row.next_us is None else from_us(row.next_us),
            cursor=row.cursor,
            fired=row.fired,
            last_job=row.last_job,
            error=row.error,
        )


def _same(org: str, schedule_id: str) -> ColumnElement[bool]:
    same: ColumnElement[bool] = (schedules.c.org == org) & (schedules.c.schedule_id == schedule_id)
    return same


def _us(time: datetime | None) -> int | None:
    return None if time is None else to_us(time)
