"""Reads a question: its kind, the persons it names, the time it speaks of, its parts. Deterministic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_services.reader.domain.dates import resolve
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime


class Kind(StrEnum):
    """What kind of answer is asked for; see `QuestionKind` in the protos."""

    UNSPECIFIED = "UNSPECIFIED"
    FACT = "FACT"
    TIME = "TIME"
    LIST = "LIST"
    INFERENCE = "INFERENCE"


@dataclass(frozen=True, slots=True)
class Question:
    """What was read in a question.

    Attributes:
        text: The question.
        kind: What kind of answer it asks for.
        terms: Its stems, without repeats.
        start: Start of the time it speaks of; None: of none.
        end: End of that time.
        parts: Its parts, where it has several; else empty.
        asker: True: it asks about the asker ("I", "my").
        addressed: True: it asks for what the one asked has said or done ("you recommended"), an assistant for instance.
    """

    text: str
    kind: Kind
    terms: tuple[str, ...]
    start: datetime | None = None
    end: datetime | None = None
    parts: tuple[str, ...] = ()
    asker: bool = False
    addressed: bool = False


_TIME = re.compile(
    r"^\W*(?:when\b|(?:in|on|since|until|by) (?:what|which) (?:year|month|day|date|week)|"
    r"what (?:year|month|day|date|time)\b|how (?:long|many (?:days|weeks|months|years)|old|often|recently)\b)",
    re.IGNORECASE,
)
_INFERENCE = re.compile(
    r"^\W*(?:would|might|could|is it likely|do you think|why might|what (?:might|would|could))\b|"
    r"\b(?:likely|probably)\b",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"^\W*(?:what (?:are|were|kinds?|types?|sorts?)\b|which \w+s\b|what \w+(?:s|ies)\b(?! the\b)|"
    r"how many\b|who are\b|where (?:has|have)\b|list\b|name (?:all|the)\b|in what ways?\b)",
    re.IGNORECASE,
)
_FACT = re.compile(
    r"^\W*(?:who|whom|whose|what|which|where|how|why|did|does|do|is|are|was|were|has|have)\b", re.IGNORECASE
)
_ASKER = re.compile(r"\b(?:i|me|my|mine|myself)\b", re.IGNORECASE)
# "Can you remind me" is but polite, and "what would you suggest" asks for something new.
_POLITE = re.compile(
    r"\b(?:can|could|would|will) you (?:please |kindly )?\w+\b|\bif you\b|"
    r"\bdo you (?:remember|know|recall|think|believe|have|recommend|suggest|advise)\b|\b(?:have|had) you an?\b",
    re.IGNORECASE,
)
_YOU = re.compile(r"\byou(?:rs?)?\b", re.IGNORECASE)
_TOLD_BY_YOU = re.compile(
    r"\byou (?:\w+ly )?(?:recommend|suggest|told|tell|said|say|mention|gave|give|wrote|write|list|describ|explain|"
    r"provid|shar|advis|propos)|\bdid you\b|"
    r"\byour (?:\w+ ){0,2}(?:advice|answers?|choices?|examples?|explanations?|favou?rites?|ideas?|lists?|messages?|"
    r"plans?|proposals?|recipes?|recommendations?|suggestions?|tips?)\b|"
    # What was said between the two, unless it is what the asker told.
    r"\bour (?:\w+ ){0,2}(?:chats?|conversations?|discussions?)\b(?!.*\bi (?:told|said|mentioned)\b)",
    re.IGNORECASE,
)
_SPLIT = re.compile(
    r"\s*(?:;|,? and (?=(?:what|who|when|where|why|how|which|did|does|is|are|was)\b)|\?\s+)\s*", re.IGNORECASE
)
_LEAST_TERMS = 2
_MOST_PARTS = 3


def analyse(text: str, now: datetime) -> Question:
    """Return what is read in a question asked at `now`."""
    spans = resolve(text, now)
    return Question(
        text=text,
        kind=_kind(text),
        terms=tuple(dict.fromkeys(terms(text))),
        start=min((one.start for one in spans), default=None),
        end=max((one.end for one in spans), default=None),
        parts=_parts(text),
        asker=_ASKER.search(text) is not None,
        addressed=_addressed(text),
    )


def names_in(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return those of the known names that a text holds, whole or by their first word, in any case.

    Where a whole name stands, its first word does not mean others who share it.
    """
    words = {_bare(word) for word in re.findall(r"[\w'\u2019-]+", text.lower())}
    lower = text.lower()
    names = list(dict.fromkeys(known))
    whole = {name for name in names if name.lower() in (lower if " " in name else words)}
    taken = {_first(name) for name in whole if " " in name}
    return tuple(
        name for name in names if name in whole or (" " in name and _first(name) in words and _first(name) not in taken)
    )


def _first(name: str) -> str:
    return name.lower().split(" ", 1)[0]


def without_names(text: str, names: Sequence[str]) -> str:
    """Return a text without the names: what is asked about them. The text itself where nothing would be left."""
    rest = text
    for name in names:
        for form in (name, name.split(" ", 1)[0]):
            rest = re.sub(rf"\b{re.escape(form)}(?:['\u2019]s?)?(?!\w)", "", rest, flags=re.IGNORECASE)
    rest = " ".join(rest.split())
    return rest if terms(rest) else text


def _addressed(text: str) -> bool:
    plain = _POLITE.sub("", text)
    about_asker = re.search(r"\b(?:i|my|mine|myself)\b", plain, re.IGNORECASE)
    return _TOLD_BY_YOU.search(plain) is not None or (_YOU.search(plain) is not None and not about_asker)


def _bare(word: str) -> str:
    return re.sub(r"['\u2019]s?$", "", word)


def _kind(text: str) -> Kind:
    for pattern, kind in ((_TIME, Kind.TIME), (_INFERENCE, Kind.INFERENCE), (_LIST, Kind.LIST), (_FACT, Kind.FACT)):
        if pattern.search(text):
            return kind
    return Kind.UNSPECIFIED


def _parts(text: str) -> tuple[str, ...]:
    parts = [part.strip(" ?") for part in _SPLIT.split(text)]
    parts = [part for part in parts if len(set(terms(part))) >= _LEAST_TERMS]
    return tuple(parts[:_MOST_PARTS]) if len(parts) > 1 else ()
