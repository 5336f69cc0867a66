"""The window of time that a request speaks of: words for times, and what stands before them. Deterministic.

Rules:
    1. `since X` begins with X and has no end; `after X` begins behind it; `before X` ends before it; `until X` and
       `by X` end with it. Times without such a word are the window themselves; several make one window around all.
    2. A month or day without a year is the last one of its name, but where the request speaks of what is to come; of
       two, the first comes before the second: "between October and March" in November begins a year ago.
    3. `the last three days` ends with today and begins so many days before it; `lately` and `recently` mean 30 days.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from memporium_services.reader.domain.dates import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.domain.dates import Resolved

_MONTHS = "|".join(name for names in (calendar.month_name, calendar.month_abbr) for name in names if name)
_YEAR = r"(?:19|20)\d\d"
# Words that the resolver does not take before a month or a year, and in which it finds the same days as in "in".
_AS_IN = re.compile(
    rf"\b(?:from|before|after|between|till|to|through|and)\b(?=\s+(?:(?:{_MONTHS})\b|{_YEAR}\b))", re.IGNORECASE
)
_WEEKDAY_OF = re.compile(
    rf"\b(?P<day>{'|'.join(calendar.day_name)})(?P<gap>\s+)(?P<which>last|this|next) week\b", re.IGNORECASE
)
_NUMBERS = {"couple of": 2, "few": 3, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10}
_PAST = re.compile(
    rf"\b(?:in|over|during|within|for|from)?\s*the\s+(?:last|past)\s+(?P<n>\d{{1,3}}|{'|'.join(_NUMBERS)})\s+"
    r"(?P<unit>day|week|month|year)s\b",
    re.IGNORECASE,
)
_LATELY = re.compile(r"\b(?:lately|recently|these days|of late)\b", re.IGNORECASE)
_LATELY_DAYS = 30
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_BEFORE = re.compile(r"\b(since|after|before|until|till|by)\s*(?:the\s+)?$", re.IGNORECASE)
_DAY = timedelta(days=1)
_YEARLESS = re.compile(rf"\b(?:{_MONTHS})\b", re.IGNORECASE)
_WITH_YEAR = re.compile(rf"\b{_YEAR}\b|\b(?:last|this|next|coming|previous)\b", re.IGNORECASE)
_AHEAD = re.compile(
    r"\b(?:will|shall|won't|going to|plan(?:s|ned|ning)?|upcoming|coming|next|tomorrow|expect(?:s|ed)?|due|future|"
    r"scheduled|ahead|appointments?|deadlines?)\b|'ll\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Window:
    """A window `[start, end)`, None: open; the words, where they stand, and why they mean it."""

    start: datetime | None
    end: datetime | None
    words: str
    position: int
    reason: str


def window_in(text: str, now: datetime) -> Window | None:
    """Return the window that a request speaks of, or None."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for pattern in (_PAST, _LATELY):
        found = pattern.search(text)
        if found is not None:
            days = _LATELY_DAYS if pattern is _LATELY else _past_days(found)
            return Window(today - days * _DAY, today + _DAY, found.group(), found.start(), f"the last {days} days")
    weekday = _WEEKDAY_OF.search(text)
    if weekday is not None:
        [week] = resolve(f"{weekday['which']} week", now)
        start = week.start + list(calendar.day_name).index(weekday["day"].capitalize()) * _DAY
        return Window(start, start + _DAY, weekday.group(), weekday.start(), "a day of that week")
    plain = _AS_IN.sub(lambda match: "in".ljust(len(match.group())), text)
    windows = []
    for one, years in _as_meant(resolve(plain, now), text, today):
        words = text[one.position : one.position + len(one.words)]
        windows.append(_bounded(text, one.position, words, _earlier(one.start, years), _earlier(one.end, years)))
    if not windows:
        return None
    first = windows[0]
    if len(windows) == 1:
        return first
    starts = [one.start for one in windows if one.start is not None]
    ends = [one.end for one in windows if one.end is not None]
    last = windows[-1]
    words = text[first.position : last.position + len(last.words)]
    return replace(first, start=min(starts, default=None), end=max(ends, default=None), words=words)


def _as_meant(found: Sequence[Resolved], text: str, today: datetime) -> list[tuple[Resolved, int]]:
    """Return times with the number of years by which each is meant earlier than it was read."""
    if not found or _AHEAD.search(text):
        return [(one, 0) for one in found]
    back = [_years_back(one.words, one.start, today) for one in found]
    years = [one or 0 for one in back]
    if back[0] is not None and back[-1] is not None:
        years[0] += _earlier(found[0].start, years[0]) > _earlier(found[-1].start, years[-1])
    return list(zip(found, years, strict=True))


def _years_back(words: str, start: datetime, today: datetime) -> int | None:
    """Return by how many years a time is meant earlier than it was read; None: it is told for certain."""
    if not _YEARLESS.search(words) or _WITH_YEAR.search(words):
        return None
    return int(start > today)


def _earlier(moment: datetime, years: int) -> datetime:
    if moment.year <= years:
        return moment
    day = min(moment.day, calendar.monthrange(moment.year - years, moment.month)[1])
    return moment.replace(year=moment.year - years, day=day)


def _past_days(found: re.Match[str]) -> int:
    number = found["n"].lower()
    return (int(number) if number.isdigit() else _NUMBERS[number]) * _DAYS[found["unit"].lower()]


def _bounded(text: str, place: int, words: str, start: datetime, end: datetime) -> Window:
    """Return the window that days mean with the word before them."""
    own = re.match(r"(since|after|before|until|till|by)\s", words, re.IGNORECASE)
    before = own or _BEFORE.search(text[:place])
    word = before.group(1).lower() if before is not None else ""
    match word:
        case "since":
            return Window(start, None, words, place, "from then on")
        case "after":
            return Window(end, None, words, place, "after that")
        case "before":
            return Window(None, start, words, place, "before that")
        case "until" | "till" | "by":
            return Window(None, end, words, place, "up to that")
        case _:
            return Window(start, end, words, place, "the days that these words mean")
