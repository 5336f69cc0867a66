"""What a request in plain language asks of a memory (`MemoryCall` of MemOS, arXiv 2507.03724). Deterministic; no model.

Rules:
    1. Hints (persona, scope, labels, number, output, words for times before the request proper) are read and cut out.
    2. The kind is told by the first rule of `memory_call_kinds` that fits what is left.
    3. Times, whose words, and kinds of memory count for requests that look something up or forget, and are left alone
       in what is to be kept.
    4. What cannot be said by the fields (`memory_call_doubts`) makes a call unclear: it is not to be carried out.
    5. Every field has a span of the text that it was read from, and says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memporium_services.reader.domain.memory_call_doubts import (
    Doubt,
    doubt_to_forget,
    doubt_to_list,
    forgets_elsewhere,
)
from memporium_services.reader.domain.memory_call_hints import Hint, hints_in
from memporium_services.reader.domain.memory_call_kinds import CallKind, Told, told_kind
from memporium_services.reader.domain.memory_call_names import names_in_request, speaker_in
from memporium_services.reader.domain.memory_call_times import window_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_KEEPS = frozenset({CallKind.REMEMBER, CallKind.UPDATE})
_FOLLOWS = re.compile(r"^(?:and|what about|how about|and what about|or)\b[\s,]*", re.IGNORECASE)
_TOPIC = re.compile(
    r"\b(?:about|on|regarding|concerning|of|with|for|mentioning|containing)\s+(?P<topic>.+)$", re.IGNORECASE
)
# Words of a request to list or forget that tell nothing of what it is about.
_EMPTY = re.compile(
    r"\b(?:everything|anything|nothing|something|all|every|any|traces?|the|my|our|your|a|an|memor(?:y|ies)|notes?|cubes?|"
    r"things?|facts?|items?|entries|that|which|what|i|you|we|me|ever|know|knew|known|have|has|had|is|are|was|were|do|did|"
    r"there|some|please|mention(?:s|ed)?|told|said|say|stored?|kept|remember(?:ed)?|those|these)\b",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(r"^[\s,;:.!-]+|[\s,;:-]+$")
_PREPOSITIONS = re.compile(
    r"(?:^|\s)(?:in|on|at|from|since|after|before|until|till|by|of|during|between|and|for|about|to|with)\s*$",
    re.IGNORECASE,
)
_DOUBTFUL = 0.3
# From here on a kind was told by a command.
_CERTAIN = 0.9
_NEWEST = re.compile(r"\b(?:last|latest|newest|most recent)\b", re.IGNORECASE)
_ONE = re.compile(
    r"\b(?:last|latest|newest|most recent)\s+(?:thing|one|note|memory|fact|cube|document|item|entry|conversation)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a field was read, and why: the field, places in the text, and the reason in words."""

    field: str
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class MemoryCall:
    """What is asked of a memory.

    Attributes:
        kind: What is to be done.
        query: What is sought, of what is looked up, listed or forgotten.
        content: What is to be kept, as one statement.
        start: Start of the window of time; None: open.
        end: End of it.
        entities: Persons and things it names.
        speaker: Whose words are sought: a name, `me`, `you`, or a pronoun; "": anybody's.
        persona: Role stream; "": not told.
        scope: OWN, MOUNTED, ALL; "": not told.
        types: Kinds of memory, by the names of `SemanticType`.
        tags: Labels.
        limit: Most results; 0: not told.
        output: ITEMS, COUNT, LATEST or SUMMARY.
        confidence: 0 to 1.
        unclear: Why it is not to be carried out; "": it may be.
        spans: Where each field was read.
    """

    kind: CallKind
    query: str = ""
    content: str = ""
    start: datetime | None = None
    end: datetime | None = None
    entities: tuple[str, ...] = ()
    speaker: str = ""
    persona: str = ""
    scope: str = ""
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    limit: int = 0
    output: str = "ITEMS"
    confidence: float = 0.0
    unclear: str = ""
    spans: tuple[Span, ...] = field(default=())


def parse(text: str, now: datetime, previous: MemoryCall | None = None) -> MemoryCall:
    """Return what a request asks for at a time; `previous`: the request before it in the same talk."""
    follows = _FOLLOWS.match(text)
    if previous is not None and follows:
        return _following(text, now, previous, follows.end())
    hints = hints_in(text)
    rest = _without(text, hints)
    told = told_kind(rest)
    spans = [Span("kind", told.start, told.end, told.reason)]
    spans += [Span(one.field, one.start, one.end, one.reason) for one in hints]
    names = names_in_request(rest, told.rest_start)
    spans += [Span("entities", start, end, f"a name: {name}") for name, start, end in names]
    entities = tuple(dict.fromkeys(name for name, _, _ in names))
    elsewhere = forgets_elsewhere(rest) if told.kind in _KEEPS and told.confidence < _CERTAIN else None
    if told.kind in _KEEPS and elsewhere is None:
        spans.append(Span("content", told.rest_start, len(text), "what is to be kept"))
        confidence = told.confidence if told.content else _DOUBTFUL
        return MemoryCall(
            told.kind,
            content=told.content,
            entities=entities,
            persona=_last(hints, "persona"),
            tags=tuple(one.value for one in hints if one.field == "tags"),
            confidence=confidence,
            spans=tuple(spans),
        )
    if elsewhere is not None:
        # No statement that is to be kept: it is looked up, if anything.
        told = replace(told, kind=CallKind.RECALL, rest_start=0)
    window = window_in(text, now)
    if window is not None:
        spans.append(Span("time", window.position, window.position + len(window.words), window.reason))
    speaker = speaker_in(text)
    if speaker is not None:
        spans.append(Span("speaker", speaker.start, speaker.end, "whose words are sought"))
    query = _query(rest, told.kind, told.rest_start, window.words if window is not None else "")
    limit, output = int(_last(hints, "limit") or 0), _last(hints, "output") or "ITEMS"
    if told.kind is CallKind.FORGET and output == "LATEST":
        query, limit = _tidy(_NEWEST.sub("", query)), limit or (1 if _ONE.search(text) else 0)
    doubt = _doubt(rest, told, timed=window is not None, newest=output == "LATEST" and not (limit and not query))
    if doubt is not None:
        spans.append(Span("unclear", doubt.start, doubt.end, doubt.reason))
    return MemoryCall(
        told.kind,
        query=query,
        start=window.start if window is not None else None,
        end=window.end if window is not None else None,
        entities=entities,
        speaker=speaker.value if speaker is not None else "",
        persona=_last(hints, "persona"),
        scope=_last(hints, "scope"),
        types=tuple(dict.fromkeys(one.value for one in hints if one.field == "types")),
        tags=tuple(one.value for one in hints if one.field == "tags"),
        limit=limit,
        output=output,
        confidence=told.confidence if doubt is None else min(told.confidence, _DOUBTFUL),
        unclear=f"{rest[doubt.start : doubt.end].strip()!r}: {doubt.reason}" if doubt is not None else "",
        spans=tuple(spans),
    )


def _doubt(rest: str, told: Told, *, timed: bool, newest: bool) -> Doubt | None:
    """Return what stands in the way of doing what a request says, or None."""
    match told.kind:
        case CallKind.FORGET if newest:
            return Doubt(told.rest_start, len(rest), "which are the newest of these is not told")
        case CallKind.FORGET:
            return doubt_to_forget(rest, told.rest_start, timed=timed)
        case CallKind.LIST:
            return doubt_to_list(rest, told.rest_start)
        case _:
            return forgets_elsewhere(rest) if told.confidence < _CERTAIN else None


def _following(text: str, now: datetime, previous: MemoryCall, begins: int) -> MemoryCall:
    """Return the request before it with the time, names or hints that this one gives instead."""
    rest = text[begins:]
    window, hints = window_in(rest, now), hints_in(rest)
    names = names_in_request(text, begins)
    changed = previous
    spans = [Span("kind", 0, begins, "it goes on from the request before it")]
    if window is not None:
        changed = replace(changed, start=window.start, end=window.end)
        place = begins + window.position
        spans.append(Span("time", place, place + len(window.words), window.reason))
    entities = tuple(dict.fromkeys(name for name, _, _ in names))
    if entities:
        query = changed.query
        for old, new in zip(previous.entities, entities, strict=False):
            query = re.sub(rf"\b{re.escape(old)}\b", new, query)
        speaker = entities[0] if previous.speaker in previous.entities else previous.speaker
        named = (*entities, *previous.entities[len(entities) :])
        changed = replace(changed, entities=named, query=query, speaker=speaker)
        spans += [Span("entities", start, end, f"a name: {name}") for name, start, end in names]
    elif window is None:
        topic = rest.strip(" ?.!")
        changed = replace(changed, query=topic or changed.query)
        spans.append(Span("query", begins, len(text), "what is asked about instead"))
    limit = int(_last(hints, "limit") or 0)
    if limit:
        changed = replace(changed, limit=limit)
    doubt = doubt_to_forget(text, begins, timed=True) if previous.kind is CallKind.FORGET else None
    if doubt is not None:
        spans.append(Span("unclear", doubt.start, doubt.end, doubt.reason))
        changed = replace(changed, unclear=f"{text[doubt.start : doubt.end]!r}: {doubt.reason}")
    return replace(changed, confidence=previous.confidence * 0.8, spans=tuple(spans))


def _without(text: str, hints: Sequence[Hint]) -> str:
    """Return the text with the hints that are no part of the request proper blanked out: places stay."""
    for one in hints:
        if one.cut:
            text = text[: one.start] + " " * (one.end - one.start) + text[one.end :]
    return text


def _query(rest: str, kind: CallKind, begins: int, time_words: str) -> str:
    asked = rest[begins:]
    if kind is CallKind.RECALL:
        return _tidy(asked)
    if time_words:
        before, words, after = asked.partition(time_words)
        asked = _PREPOSITIONS.sub("", before) + after if words else asked
    found = _TOPIC.search(asked)
    topic = _tidy(found["topic"]) if found else ""
    return topic if _EMPTY.sub("", topic).strip() else _tidy(_EMPTY.sub(" ", asked))


def _tidy(text: str) -> str:
    return _LEFT_OVER.sub("", " ".join(text.split())).rstrip(".!").strip()


def _last(hints: Sequence[Hint], field_: str) -> str:
    return next((one.value for one in reversed(hints) if one.field == field_), "")
