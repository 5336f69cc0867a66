"""The window of time that a request speaks of: words for times, and what stands before them. Deterministic.

Rules:
    1. `since X` begins with X and has no end; `after X` begins behind it; `before X` ends before it; `until X` and
       `by X` end with it. Times without such a word are the window themselves; several make one window around all.
    2. `the last three days` ends with today and begins so many days before it; `lately` and `recently` mean 30 days.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from memporium_services.reader.domain.dates import resolve

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
    for one in resolve(plain, now):
        words = text[one.position : one.position + len(one.words)]
        windows.append(_bounded(text, one.position, words, one.start, one.end))
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
