"""Makes episodes of a dialogue: the deterministic way, without any language model."""

from __future__ import annotations

import hashlib
from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING

from memporium_services.reader.domain.dates import day_in_words
from memporium_services.reader.domain.entities import entities
from memporium_services.reader.domain.facts import facts_of, line_of, people_of
from memporium_services.reader.domain.foresight import prospects_of
from memporium_services.reader.domain.segmentation import Limits, segment
from memporium_services.reader.domain.values import Episode, Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from memporium_services.reader.domain.facts import People
    from memporium_services.reader.domain.values import Fact, Turn


def form(
    turns: Sequence[Turn],
    *,
    session: str,
    title: str = "",
    fresh: Collection[str] | None = None,
    scope: str = "",
    limits: Limits | None = None,
) -> list[Episode]:
    """Return the episodes of a session's turns, in order.

    Args:
        turns: Cleaned turns with ids unique in the session; context reaches over the borders of episodes.
        session: The session's id, the source of everything.
        title: The session's title; "" where it has none.
        fresh: Ids of the turns to make episodes of; None: all. The others are context only.
        scope: Sets episodes apart that are equal otherwise, for instance by persona.
        limits: Where segments end.
    """
    found: list[Episode] = []
    people = people_of(turns)
    for start, run in _runs(turns, fresh):
        at = start
        for part in segment(run, limits):
            episode = _episode(turns, at, part, people, session=session, title=title, scope=scope)
            if episode.facts:
                found.append(episode)
            at += len(part)
    return found


def _runs(turns: Sequence[Turn], fresh: Collection[str] | None) -> Iterator[tuple[int, Sequence[Turn]]]:
    """Yield each unbroken run of turns to make episodes of, with where it starts."""
    if fresh is None:
        yield 0, turns
        return
    for wanted, group in groupby(enumerate(turns), key=lambda pair: pair[1].id in fresh):
        if wanted:
            run = list(group)
            yield run[0][0], [turn for _index, turn in run]


def digest_id(*parts: str) -> str:
    """Return a cube id made from content: `m` and 40 hexadecimal digits."""
    digest = hashlib.sha256("\x00".join(parts).encode())
    return f"m{digest.hexdigest()[:40]}"


def content_of(facts: Sequence[Fact]) -> Iterator[str]:
    """Yield everything that tells facts apart."""
    for fact in facts:
        yield from (fact.text, fact.context, fact.role, fact.span.locator)
        yield fact.span.time.astimezone(UTC).isoformat() if fact.span.time else ""
        if fact.trust is not None:
            yield f"trust {fact.trust}"
        for claim in fact.claims:
            yield f"claim {claim.key} {claim.value} {claim.ended}"


def _episode(
    turns: Sequence[Turn], start: int, part: Sequence[Turn], people: People, *, session: str, title: str, scope: str
) -> Episode:
    facts = [
        fact
        for index in range(start, start + len(part))
        for fact in facts_of(turns, index, source=session, people=people)
    ]
    prospects = [prospect for turn in part for prospect in prospects_of(turn, source=session)]
    speakers = list(dict.fromkeys(turn.speaker for turn in part))
    lines: list[str] = []
    day = None
    for turn in part:
        if turn.time.date() != day:
            day = turn.time.date()
            lines.append(f"On {day_in_words(day)}, {turn.time:%H:%M}:")
        lines.append(line_of(turn))
    text = "\n".join(lines)
    return Episode(
        cube_id=digest_id("episode", scope, session, part[0].id, *content_of(facts)),
        title=title or f"{' and '.join(speakers[:3])}, {day_in_words(part[0].time)}",
        text=text,
        facts=tuple(facts),
        prospects=tuple(prospects),
        spans=tuple(Span(session, turn.id, turn.speaker, turn.time) for turn in part),
        entities=entities((turn.text for turn in part), speakers),
    )
