"""Resolves English words for times ("last Friday", "two weeks ago", "in May") against a moment. Deterministic.

Rules:
    1. A result is a span of whole days `[start, end)` in the moment's own time zone.
    2. "last Friday" is the latest Friday before the day, "next Friday" the first one after it, "this Friday" the one
       of the day's week (Monday first). "last week" is the calendar week before.
    3. A bare weekday, month or season says nothing certain and is left alone; a month with "in" or a day is taken in
       the year nearest to the moment where none is named.
    4. Ordinary numbers are read as years only after a month or "in", and only from 1900 to 2100.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY = timedelta(days=1)
_WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_WEEKDAY_CHARS = 3
_BY_BEGINNING = {name[:_WEEKDAY_CHARS]: number for name, number in _WEEKDAYS.items()}
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_NUMBERS = dict(
    zip("one two three four five six seven eight nine ten eleven twelve".split(), range(1, 13), strict=True)  # noqa: SIM905
) | {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4}
# Numbers above this make no sense before a unit of time, and would overflow the calendar.
_MOST = 500
_N = r"(?P<n>\d{1,3}|a couple(?: of)?|(?:a )?few|several|an?|" + "|".join(list(_NUMBERS)[:12]) + ")"
_UNIT = r"(?P<unit>day|week|month|year|weekend)s?"
# Short ones with a capital only: the sun is no day, and who sat did not do so on one.
_WD = r"(?P<wd>" + "|".join(_WEEKDAYS) + r"|(?-i:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun))"
_MON = r"(?P<mon>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_DOM = r"(?P<dom>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<year>(?:19|20)\d\d|2100))?"
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}


@dataclass(frozen=True, slots=True)
class Resolved:
    """Words for a time and the days they mean, `[start, end)`; midnights in the moment's zone."""

    words: str
    start: datetime
    end: datetime
    position: int


def resolve(text: str, moment: datetime) -> list[Resolved]:
    """Return what the words for times in `text` mean at `moment`, in order; overlapping ones as the longest."""
    found: list[Resolved] = []
    taken: list[tuple[int, int]] = []
    for pattern, meaning in _RULES:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            try:
                first, last = meaning(match, moment.date())
            except (ValueError, OverflowError):
                continue
            taken.append(match.span())
            found.append(Resolved(match.group(), _midnight(first, moment), _midnight(last, moment), match.start()))
    return sorted(found, key=lambda one: one.position)


def render(resolved: Resolved) -> str:
    """Return the days in words: `7 May 2023`, `1 to 7 May 2023`, `May 2023` or `2022`."""
    first, last = resolved.start.date(), (resolved.end - _DAY).date()
    if first == last:
        return day_in_words(first)
    if first.day == 1 and resolved.end.day == 1:
        if (first.month, resolved.end.month) == (1, 1):
            return str(first.year)
        if _month_after(first) == resolved.end.date():
            return f"{calendar.month_name[first.month]} {first.year}"
    if first.year == last.year and first.month == last.month:
        return f"{first.day} to {day_in_words(last)}"
    return f"{day_in_words(first)} to {day_in_words(last)}"


def day_in_words(day: date) -> str:
    """Return a day as `7 May 2023`, whatever the locale."""
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"


def _midnight(day: date, moment: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=moment.tzinfo)


def _month_after(day: date, months: int = 1) -> date:
    total = day.year * 12 + day.month - 1 + months
    return date(total // 12, total % 12 + 1, 1)


def _number(words: str) -> int:
    words = words.lower().removesuffix(" of").removeprefix("a ") if words.lower() != "a" else "a"
    number = int(words) if words.isdigit() else _NUMBERS[words]
    if number > _MOST:
        raise ValueError(words)
    return number


def _unit_span(unit: str, today: date, steps: int) -> tuple[date, date]:
    """Return the calendar unit `steps` after the present one."""
    monday = today - today.weekday() * _DAY
    match unit:
        case "week":
            return monday + 7 * steps * _DAY, monday + 7 * (steps + 1) * _DAY
        case "weekend":
            return monday + (7 * steps + 5) * _DAY, monday + 7 * (steps + 1) * _DAY
        case "month":
            return _month_after(today, steps), _month_after(today, steps + 1)
        case "year":
            return date(today.year + steps, 1, 1), date(today.year + steps + 1, 1, 1)
    return today + steps * _DAY, today + (steps + 1) * _DAY


def _away(match: re.Match[str], today: date, sign: int) -> tuple[date, date]:
    number, unit = sign * _number(match["n"]), match["unit"].lower()
    if unit == "week":
        day = today + 7 * number * _DAY
        return day, day + _DAY
    return _unit_span(unit, today, number)


def _weekday(match: re.Match[str], today: date) -> tuple[date, date]:
    number, which = _BY_BEGINNING[match["wd"].lower()[:_WEEKDAY_CHARS]], match["which"].lower()
    ahead = (number - today.weekday()) % 7
    if which in {"last", "past", "previous"}:
        day = today - ((7 - ahead) if ahead else 7) * _DAY
    elif which in {"next", "coming"}:
        day = today + (ahead or 7) * _DAY
    else:
        day = today + (number - today.weekday()) * _DAY
    return day, day + _DAY


def _relative_unit(match: re.Match[str], today: date) -> tuple[date, date]:
    which = match["which"].lower()
    steps = -1 if which in {"last", "past", "previous"} else 1 if which in {"next", "coming"} else 0
    return _unit_span(match["unit"].lower(), today, steps)


def _year_of(match: re.Match[str], today: date, month: int, day: int = 15) -> int:
    if match["year"]:
        return int(match["year"])
    years = (today.year - 1, today.year, today.year + 1)
    return min(years, key=lambda year: abs((date(year, month, min(day, 28)) - today).days))


def _calendar_day(match: re.Match[str], today: date) -> tuple[date, date]:
    month, day = _MONTHS[match["mon"].lower()], int(match["dom"])
    found = date(_year_of(match, today, month, day), month, day)
    return found, found + _DAY


def _calendar_month(match: re.Match[str], today: date) -> tuple[date, date]:
    month = _MONTHS[match["mon"].lower()]
    first = date(_year_of(match, today, month), month, 1)
    return first, _month_after(first)


def _last_month_named(match: re.Match[str], today: date) -> tuple[date, date]:
    month = _MONTHS[match["mon"].lower()]
    later = match["which"].lower() == "next"
    year = today.year + (1 if later and month <= today.month else 0) - (1 if not later and month >= today.month else 0)
    return date(year, month, 1), _month_after(date(year, month, 1))


def _season(match: re.Match[str], today: date) -> tuple[date, date]:
    month, which = _SEASONS[match["season"].lower()], match["which"].lower()
    first = date(today.year, month, 1)
    if which == "last" and _month_after(first, 3) > today:
        first = date(today.year - 1, month, 1)
    if which == "next" and first <= today:
        first = date(today.year + 1, month, 1)
    return first, _month_after(first, 3)


def _iso(match: re.Match[str], today: date) -> tuple[date, date]:  # noqa: ARG001 - the shape of all rules
    day = date(int(match["y"]), int(match["m"]), int(match["d"]))
    return day, day + _DAY


def _whole_year(match: re.Match[str], today: date) -> tuple[date, date]:  # noqa: ARG001 - the shape of all rules
    return date(int(match["y"]), 1, 1), date(int(match["y"]) + 1, 1, 1)


def _days(steps: int) -> Callable[[re.Match[str], date], tuple[date, date]]:
    return lambda _match, today: (today + steps * _DAY, today + (steps + 1) * _DAY)


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], tuple[date, date]]], ...] = (
    (_rule(r"(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)"), _iso),
    (_rule(rf"{_DOM}\s+(?:of\s+)?{_MON}{_YEAR}"), _calendar_day),
    (_rule(rf"{_MON}\s+(?:the\s+)?{_DOM}(?!\d){_YEAR}"), _calendar_day),
    (_rule(rf"(?:in|since|during|of|until|by|early|mid|late)\s+{_MON}{_YEAR}"), _calendar_month),
    (_rule(rf"{_MON},?\s+(?P<year>(?:19|20)\d\d)"), _calendar_month),
    (_rule(r"(?:the\s+)?day before yesterday"), _days(-2)),
    (_rule(r"(?:the\s+)?day after tomorrow"), _days(2)),
    (
        _rule(rf"(?:about\s+|around\s+)?{_N}\s+{_UNIT}\s+(?:ago|back|earlier)"),
        lambda match, today: _away(match, today, -1),
    ),
    (_rule(rf"(?:in|within)\s+(?:about\s+)?{_N}\s+{_UNIT}(?:'s? time)?"), lambda match, today: _away(match, today, 1)),
    (_rule(rf"{_N}\s+{_UNIT}\s+(?:from now|from today)"), lambda match, today: _away(match, today, 1)),
    (_rule(rf"(?P<which>last|past|previous|this|next|coming)\s+{_WD}"), _weekday),
    (_rule(rf"(?P<which>last|past|previous|this|next|coming)\s+{_UNIT.replace('s?', '')}"), _relative_unit),
    (_rule(rf"(?P<which>last|next)\s+{_MON}"), _last_month_named),
    (_rule(rf"(?P<which>last|this|next)\s+(?P<season>{'|'.join(_SEASONS)})"), _season),
    (_rule("yesterday|last night|last evening"), _days(-1)),
    (_rule("tomorrow"), _days(1)),
    (_rule("today|tonight|this (?:morning|afternoon|evening)"), _days(0)),
    (_rule(r"(?:in|since|during|until|by)\s+(?P<y>(?:19|20)\d\d)"), _whole_year),
)
