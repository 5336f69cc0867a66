"""Finds what a dialogue lets expect: plans, intentions, appointments and conditions that end.

Rules:
    1. A statement (never a question) counts where it speaks of what somebody intends or awaits, or names a day to come.
    2. It holds from the time it was said until the end of the latest day to come that it names; with a length of time
       ("for the next two weeks") until that is over; else it is open.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from memporium_services.reader.domain.dates import resolve
from memporium_services.reader.domain.sentences import is_question, sentences
from memporium_services.reader.domain.values import Prospect, Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memporium_services.reader.domain.values import Turn

_INTENT = re.compile(
    r"\b(?:"
    r"(?:i|we)(?:'|\u2019)?(?:ll| will| shall)\b|"
    r"(?:i|we|he|she|they)(?:(?:'|\u2019)(?:m|re|s)| am| are| is) (?:going to|gonna|planning|hoping|about to|due|"
    r"scheduled|signed up|looking forward|expecting|thinking (?:of|about))|"
    r"gonna\b|plan(?:s|ning)? (?:to|on)\b|hope to\b|intend(?:s|ing)? to\b|can(?:'|\u2019)?t wait (?:to|for)\b|"
    r"looking forward to\b|appointment\b|deadline\b|scheduled (?:for|to)\b|will be\b|won(?:'|\u2019)t be able"
    r")",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"\bfor (?:the )?(?:next |another )?(?P<n>\d{1,3}|one|two|three|four|five|six|a|an|a few|a couple of) "
    r"(?P<unit>day|week|month|year)s?\b",
    re.IGNORECASE,
)
_NUMBERS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "a": 1,
    "an": 1,
    "a few": 3,
    "a couple of": 2,
}
_UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
# One statement is one expectation; more in a turn than this is a list, not foresight.
_MOST_PER_TURN = 8


def prospects_of(turn: Turn, *, source: str) -> list[Prospect]:
    """Return what a turn lets expect, in order."""
    found: list[Prospect] = []
    for sentence in sentences(turn.text):
        if is_question(sentence):
            continue
        ends = [one.end for one in resolve(sentence, turn.time) if one.end > turn.time]
        intended = _INTENT.search(sentence) is not None
        if not intended and not any(end > turn.time + timedelta(days=1) for end in ends):
            continue
        end = max(ends) if ends else _length_end(sentence, turn.time)
        span = Span(source, turn.id, turn.speaker, turn.time)
        found.append(Prospect(f"{turn.speaker}: {sentence}", turn.time, end, span))
        if len(found) == _MOST_PER_TURN:
            break
    return found


def valid_at(prospects: Sequence[Prospect], now: datetime) -> list[Prospect]:
    """Return those that hold at `now`, those that end first before the open ones."""
    holding = [one for one in prospects if one.start <= now and (one.end is None or now <= one.end)]
    return sorted(holding, key=lambda one: (one.end is None, one.end or one.start, one.start))


def _length_end(sentence: str, start: datetime) -> datetime | None:
    match = _LENGTH.search(sentence)
    if match is None:
        return None
    words = match["n"].lower()
    number = int(words) if words.isdigit() else _NUMBERS[words]
    try:
        return start + timedelta(days=number * _UNIT_DAYS[match["unit"].lower()])
    except OverflowError:
        return None
