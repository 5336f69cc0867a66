"""Finds names of persons and things by their capitals; needs no model.

Rules:
    1. A speaker is an entity.
    2. A run of capitalised words is a name, where it does not begin a sentence, or where its first word stands
       capitalised inside a sentence elsewhere in the same text.
    3. Words that are capitalised for other reasons (I, days, months, exclamations) are not names.
"""

from __future__ import annotations

import calendar
import re
from collections import Counter
from typing import TYPE_CHECKING

from memporium_services.reader.domain.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[A-Z][\w&+-]*(?:['\u2019](?!s\b)\w+)?(?:\s+(?:of\s+(?:the\s+)?)?[A-Z][\w&+-]*)*")
_NOT_NAMES = frozenset(
    [name.lower() for names in (calendar.day_name, calendar.month_name, calendar.day_abbr) for name in names if name]
) | frozenset(
    "i im i'm i've i'll i'd a an the and but or so if in on at it we you he she they my your yes no yeah ok okay hey "  # noqa: SIM905 - words
    "hi hello wow thanks thank oh ah haha lol omg btw that this these those what who when where why how is are was do "
    "does did can could will would great nice good sorry well sure congrats congratulations not just also me".split()
)
_MOST = 64
_LONGEST = 128


def entities(texts: Iterable[str], speakers: Iterable[str]) -> tuple[str, ...]:
    """Return the speakers, then the names in the texts, most frequent first; at most 64."""
    inside: Counter[str] = Counter()
    leading: list[str] = []
    for text in texts:
        for sentence in sentences(text):
            for match in _NAME.finditer(sentence):
                name = _trim(match.group())
                if not name or len(name) > _LONGEST:
                    continue
                before = sentence[: match.start() + match.group().index(name.split()[0])]
                if before.strip("\"'( \u201c\u2018*-"):
                    inside[name] += 1
                else:
                    leading.append(name)
    known = set(inside)
    for name in leading:
        if name in known or " " in name:
            inside[name] += 1
    found = dict.fromkeys(speaker for speaker in speakers if speaker)
    found.update(dict.fromkeys(name for name, _count in inside.most_common()))
    return tuple(found)[:_MOST]


def _trim(run: str) -> str:
    words = run.split()
    while words and words[0].lower() in _NOT_NAMES:
        words.pop(0)
    while words and words[-1].lower() in _NOT_NAMES:
        words.pop()
    return " ".join(words)
