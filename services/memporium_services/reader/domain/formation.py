"""Makes episodes of a dialogue: the deterministic way, without any language model."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from memporium_services.reader.domain.dates import day_in_words
from memporium_services.reader.domain.entities import entities
from memporium_services.reader.domain.facts import facts_of, line_of
from memporium_services.reader.domain.foresight import prospects_of
from memporium_services.reader.domain.segmentation import Limits, segment
from memporium_services.reader.domain.values import Episode, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.domain.values import Turn


def form(turns: Sequence[Turn], *, session: str, title: str = "", limits: Limits | None = None) -> list[Episode]:
    """Return the episodes of a session's turns, in order.

    Args:
        turns: Cleaned turns with ids unique in the session; context reaches over the borders of episodes.
        session: The session's id, the source of everything.
        title: The session's title; "" where it has none.
        limits: Where segments end.
    """
    found: list[Episode] = []
    start = 0
    for part in segment(turns, limits):
        found.append(_episode(turns, start, part, session=session, title=title))
        start += len(part)
    return found


def digest_id(*parts: str) -> str:
    """Return a cube id made from content: `m` and 40 hexadecimal digits."""
    digest = hashlib.sha256("\x00".join(parts).encode())
    return f"m{digest.hexdigest()[:40]}"


def _episode(turns: Sequence[Turn], start: int, part: Sequence[Turn], *, session: str, title: str) -> Episode:
    facts = [fact for index in range(start, start + len(part)) for fact in facts_of(turns, index, source=session)]
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
        cube_id=digest_id("episode", session, part[0].id, text),
        title=title or f"{' and '.join(speakers[:3])}, {day_in_words(part[0].time)}",
        text=text,
        facts=tuple(facts),
        prospects=tuple(prospects),
        spans=tuple(Span(session, turn.id, turn.speaker, turn.time) for turn in part),
        entities=entities((turn.text for turn in part), speakers),
    )
