"""Strategies: how much a memory deserves its place in the hot tier. Pure; the time is passed in.

A new strategy is a class with a name, a description and `score`, and one line in `STRATEGIES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a strategy knows of one memory.

    Attributes:
        cube: Its name.
        size_bytes: Bytes of its payload.
        hot: True where it lies in the hot tier now.
        last_use: When it was last used, or made where it never was.
        heat: Uses, decayed with time.
        priority: 0 to 100, set by its owner.
        labels: Its tags.
        pinned: True where it must not be moved (frozen or under legal hold).
    """

    cube: str
    size_bytes: int
    hot: bool
    last_use: datetime
    heat: float
    priority: int
    labels: frozenset[str]
    pinned: bool = False


class Strategy(Protocol):
    """Gives each memory a score; higher stays hotter."""

    @property
    def name(self) -> str:
        """Name in requests."""
        ...

    @property
    def description(self) -> str:
        """What it prefers, for people."""
        ...

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:
        """Return the score and the reason for it."""
        ...


class LeastRecentlyUsed:
    """Keeps what was used last."""

    name = "lru"
    description = "keeps what was used last"

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:  # noqa: ARG002
        """Return minus the seconds since the last use."""
        idle_s = max(0.0, (now - candidate.last_use).total_seconds())
        return -idle_s, f"last used {idle_s:.0f} s ago"


class LabelMatch:
    """Keeps what carries the most of the asked labels; among equals, what was used last."""

    name = "label"
    description = "keeps what carries the asked labels; among equals, what was used last"

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:
        """Return the number of shared labels, plus less than one for recency."""
        shared = sorted(candidate.labels & labels)
        idle_s = max(0.0, (now - candidate.last_use).total_seconds())
        return len(shared) + 1.0 / (2.0 + idle_s), f"labels {', '.join(shared) or 'none'}"


class Heat:
    """Keeps what is used often, with use decaying over time; the owner's priority counts as heat."""

    name = "heat"
    description = "keeps what is used often; use decays with time, priority counts as heat"

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:  # noqa: ARG002
        """Return heat times one plus a hundredth of the priority."""
        return candidate.heat * (1.0 + candidate.priority / 100.0), f"heat {candidate.heat:.2f}"


STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy for strategy in (LeastRecentlyUsed(), LabelMatch(), Heat())
}
