"""Cuts a dialogue into episodes by time gap, size and change of topic. Deterministic; needs no model.

Rules:
    1. A gap longer than `gap` always cuts.
    2. No segment holds more than `most_turns` turns or `most_chars` characters (one turn alone may).
    3. Past `least_turns`, a segment ends where the topic changes: where the words of the turns before and after a
       border have least in common (TextTiling, Hearst 1997, with stems weighted by rarity).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.domain.values import Turn


@dataclass(frozen=True, slots=True)
class Limits:
    """Where segments end.

    Attributes:
        gap: Silence that ends an episode.
        least_turns: A change of topic cuts no earlier.
        most_turns: A segment has no more turns.
        most_chars: A segment has no more characters of text.
        drift: Likeness of the words on both sides, 0 to 1, below which the topic counts as changed.
        window: Turns on each side that are compared.
    """

    gap: timedelta = timedelta(minutes=30)
    least_turns: int = 6
    most_turns: int = 24
    most_chars: int = 8_000
    drift: float = 0.08
    window: int = 4


def segment(turns: Sequence[Turn], limits: Limits | None = None) -> list[tuple[Turn, ...]]:
    """Return the turns in consecutive segments; together they are the turns, in order."""
    limits = limits or Limits()
    likeness = _likeness([Counter(terms(turn.body)) for turn in turns], limits.window)
    found: list[tuple[Turn, ...]] = []
    current: list[Turn] = []
    size = 0
    for index, turn in enumerate(turns):
        if current and _ends(current, size, turn, likeness=likeness[index], limits=limits):
            found.append(tuple(current))
            current, size = [], 0
        current.append(turn)
        size += len(turn.body)
    return [*found, tuple(current)] if current else found


def _ends(current: Sequence[Turn], size: int, turn: Turn, *, likeness: float, limits: Limits) -> bool:
    if abs(turn.time - current[-1].time) > limits.gap:
        return True
    if len(current) >= limits.most_turns or size + len(turn.body) > limits.most_chars:
        return True
    return len(current) >= limits.least_turns and likeness < limits.drift


def _likeness(words: Sequence[Counter[str]], window: int) -> list[float]:
    """Return for each turn how much the turns from it on have in common with those before it, 0 to 1."""
    spread = Counter(word for counts in words for word in counts)
    rarity = {word: math.log(1 + len(words) / count) for word, count in spread.items()}
    found = []
    for index in range(len(words)):
        before = _weighted(words[max(0, index - window) : index], rarity)
        after = _weighted(words[index : index + window], rarity)
        found.append(_cosine(before, after))
    return found


def _weighted(words: Sequence[Counter[str]], rarity: dict[str, float]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for counts in words:
        total.update(counts)
    return {word: count * rarity[word] for word, count in total.items()}


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    shared = sum(weight * other[word] for word, weight in one.items() if word in other)
    size = math.sqrt(sum(weight**2 for weight in one.values()) * sum(weight**2 for weight in other.values()))
    return shared / size if size else 0.0
