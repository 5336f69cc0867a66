"""Schedules: what they are, and when their next job is due. No clock, no I/O.

Rules:
    1. A job falls due at each time of the trigger. Those that fell due while nobody looked are made up for by one.
    2. Where a schedule is paused nothing falls due; a tag trigger keeps its place, so what appears meanwhile comes
       later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from memporium_platform.errors import invalid
from memporium_services.scheduler.domain.cron import next_time, parse_cron

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_services.scheduler.domain.jobs import JobKind

LEAST_INTERVAL_S = 10.0
MOST_SCHEDULES = 200
_MOST_TAGS = 32
# Names in the arguments of one job; a page of jobs shows those of a thousand.
MOST_NAMED = 32


@dataclass(frozen=True, slots=True)
class Trigger:
    """When: an interval, an expression of cron, or labels in a vault; exactly one of them."""

    every_s: float = 0.0
    cron: str = ""
    time_zone: str = ""
    vault: str = ""
    tags: tuple[str, ...] = ()

    @property
    def timed(self) -> bool:
        """Say whether it is one of times."""
        return not self.vault

    def next_after(self, moment: datetime, *, since: datetime) -> datetime | None:
        """Return the first time after a moment; `since`: when the schedule was made. None: there is none."""
        if self.cron:
            return next_time(parse_cron(self.cron), moment, zone_of(self.time_zone))
        if self.every_s:
            step = timedelta(seconds=self.every_s)
            return since + ((moment - since) // step + 1) * step
        return None


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule.

    Attributes:
        org: Organisation.
        schedule_id: Its id.
        kind: What its jobs do.
        spec: Their arguments, JSON values by the field names of the proto.
        trigger: When they are made.
        principal: Whose rights they have.
        principal_kind: Kind of that principal.
        create_time: When it was made.
        next_time: When the next job is due; None for tag triggers.
        cursor: The vault's revision through which it was looked at; -1: what is there already comes first.
        fired: Jobs made.
    """

    org: str
    schedule_id: str
    kind: JobKind
    spec: Mapping[str, Any]
    trigger: Trigger
    principal: str
    principal_kind: str
    create_time: datetime
    priority: int = 0
    paused: bool = False
    next_time: datetime | None = None
    cursor: int = 0
    fired: int = 0
    last_job: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        return f"orgs/{self.org}/schedules/{self.schedule_id}"


def check_trigger(trigger: Trigger, org: str, moment: datetime) -> None:
    """Refuse a trigger that is malformed, or never comes.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if trigger.vault:
        if not 0 < len(trigger.tags) <= _MOST_TAGS:
            raise invalid("schedule.tags.tags", f"must be 1 to {_MOST_TAGS}")
        if not trigger.vault.startswith(f"orgs/{org}/vaults/"):
            raise invalid("schedule.tags.vault", f"must be a vault of orgs/{org}")
        return
    if trigger.cron:
        parse_cron(trigger.cron, field="schedule.cron.expression")
        zone_of(trigger.time_zone)
        if trigger.next_after(moment, since=moment) is None:
            raise invalid("schedule.cron.expression", "never comes")
    elif trigger.every_s < LEAST_INTERVAL_S:
        raise invalid("schedule.every", f"must be at least {LEAST_INTERVAL_S:g} seconds; or give cron or tags")
    elif trigger.every_s > timedelta(days=3660).total_seconds():
        raise invalid("schedule.every", "at most ten years")


def zone_of(name: str) -> Any:
    """Return the time zone of that name; "" is UTC.

    Raises:
        PlatformError: INVALID_FIELD where there is none.
    """
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise invalid("schedule.cron.time_zone", "is not the name of an IANA time zone") from error


def with_cubes(kind: str, spec: Mapping[str, Any], cubes: list[str]) -> dict[str, Any]:
    """Return the arguments of a job with the cubes that appeared, where its kind takes them.

    More than `MOST_NAMED` are not named: then all that carry a label are looked at, which finds the same to do.
    """
    return {**spec, "cubes": cubes} if kind == "deliver_cubes" and len(cubes) <= MOST_NAMED else dict(spec)
