"""Schedules between the wire and the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict

from memporium.scheduler.v1 import schedule_pb2
from memporium_platform.errors import invalid
from memporium_services.scheduler.app.schedules import EVERYTHING, SCHEDULE
from memporium_services.scheduler.convert import spec_in
from memporium_services.scheduler.domain.schedules import Schedule, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_services.scheduler.domain.jobs import JobKind


def schedule_name_in(name: str) -> tuple[str, str]:
    """Return organisation and id of a schedule's name."""
    ids = SCHEDULE.parse(name)
    return ids["org"], ids["schedule"]


def schedule_in(given: schedule_pb2.Schedule) -> tuple[JobKind, Mapping[str, Any], Trigger]:
    """Return what the jobs of a schedule do, and when they are made.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    kind, spec = spec_in(given.spec)
    match given.WhichOneof("trigger"):
        case "every":
            return kind, spec, Trigger(every_s=given.every.seconds + given.every.nanos / 1e9)
        case "cron":
            if not given.cron.expression.strip():
                raise invalid("schedule.cron.expression", "is required")
            return kind, spec, Trigger(cron=given.cron.expression, time_zone=given.cron.time_zone)
        case "tags":
            return kind, spec, Trigger(vault=given.tags.vault, tags=tuple(given.tags.tags))
        case _:
            raise invalid("schedule.trigger", "one of every, cron and tags is required")


def schedule_out(one: Schedule) -> schedule_pb2.Schedule:
    """Return the message of a schedule."""
    made = schedule_pb2.Schedule(
        name=one.name,
        paused=one.paused,
        priority=one.priority,
        principal=one.principal,
        vault_revision=max(0, one.cursor) if one.cursor != EVERYTHING else 0,
        jobs=one.fired,
        last_job=one.last_job,
        error=one.error,
    )
    arguments = getattr(made.spec, one.kind.value)
    arguments.SetInParent()
    ParseDict(dict(one.spec), arguments, ignore_unknown_fields=True)
    if one.trigger.vault:
        made.tags.vault = one.trigger.vault
        made.tags.tags.extend(one.trigger.tags)
    elif one.trigger.cron:
        made.cron.expression, made.cron.time_zone = one.trigger.cron, one.trigger.time_zone
    else:
        made.every.FromMicroseconds(round(one.trigger.every_s * 1e6))
    made.create_time.FromDatetime(one.create_time)
    if one.next_time is not None:
        made.next_time.FromDatetime(one.next_time)
    return made
