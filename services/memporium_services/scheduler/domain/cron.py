"""Times by the five fields of cron. Pure.

Rules, those of cron: where both day of month and day of week are told, either suffices; 0 and 7 are Sunday. Times are
those of a time zone's clock: one that a change of the clock leaves out is passed over, one that comes twice is taken
the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid

if TYPE_CHECKING:
    from datetime import tzinfo

_BOUNDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
# The 29th of February may be eight years away.
_MOST_DAYS = 366 * 9
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """What each field admits."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def admits_day(self, day: datetime) -> bool:
        """Say whether a day is among those told."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return in_month and in_week
        return in_month or in_week


def parse_cron(expression: str, *, field: str = "expression") -> Cron:
    """Return what an expression admits.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    parts = expression.split()
    if len(parts) != len(_BOUNDS):
        raise invalid(field, "must have five fields: minute, hour, day of month, month, day of week")
    sets = [_values(part, *bounds, field=field) for part, bounds in zip(parts, _BOUNDS, strict=True)]
    minutes, hours, days, months, weekdays = sets
    return Cron(
        minutes,
        hours,
        days,
        months,
        frozenset(number % 7 for number in weekdays),
        any_day=parts[2] == "*",
        any_weekday=parts[4] == "*",
    )


def next_time(cron: Cron, after: datetime, zone: tzinfo) -> datetime | None:
    """Return the first time after another, in UTC; None where there is none within nine years."""
    local = after.astimezone(zone)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for _ in range(_MOST_DAYS):
        if cron.admits_day(day):
            for hour in sorted(cron.hours):
                for minute in sorted(cron.minutes):
                    moment = day.replace(hour=hour, minute=minute).astimezone(UTC)
                    there = moment.astimezone(zone)
                    if moment > after and (there.hour, there.minute) == (hour, minute):
                        return moment
        day = (day.replace(tzinfo=None) + _DAY).replace(tzinfo=zone)
    return None


def _values(part: str, name: str, low: int, high: int, *, field: str) -> frozenset[int]:
    found: set[int] = set()
    for item in part.split(","):
        base, _, step_text = item.partition("/")
        first, sign, last = base.partition("-")
        try:
            step = int(step_text) if step_text else 1
            if base == "*":
                start, end = low, high
            elif sign:
                start, end = int(first), int(last)
            else:
                start = int(first)
                end = high if step_text else start
        except ValueError:
            raise invalid(field, f"{item!r} is no {name}") from None
        if step < 1 or not low <= start <= end <= high:
            raise invalid(field, f"{name} must be {low} to {high}, and is {item!r}")
        found.update(range(start, end + 1, step))
    return frozenset(found)
