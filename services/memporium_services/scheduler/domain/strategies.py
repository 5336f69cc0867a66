"""Strategies: how much a memory deserves its place in the hot tier. Pure; the time is passed in.

A new strategy is a class with a name, a description and `score`, and one line in `STRATEGIES`; one of another package
is a policy of the tier (`memporium_platform.tiering.catalogue`), which is told here when memories were last used, and
how often.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from memporium_platform.tiering.policies import Item

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from memporium_platform.tiering.catalogue import Plugin

# What is hot must be worth so much less than what would take its place: two that are alike would take turns otherwise.
_HYSTERESIS = 1.1
# Uses that a policy is told of one memory at most; beyond it the order does not change.
_MOST_USES = 20
_WORD = re.compile(r"\w{3,}")
# What the words of a title and labels say is worth less than what the index says of the text.
_BY_TITLE = 0.5


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
        saved_s: Seconds that a use saves where it is hot.
        title: Its title.
        similarity: How near it is to the question or topic, 0 to 1; where none is asked, 0.
    """

    cube: str
    size_bytes: int
    hot: bool
    last_use: datetime
    heat: float
    priority: int
    labels: frozenset[str]
    pinned: bool = False
    saved_s: float = 0.0
    title: str = ""
    similarity: float = 0.0


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


class LeastFrequentlyUsed:
    """Keeps what is used most, uses decaying with time."""

    name = "lfu"
    description = "keeps what is used most; uses decay with time"

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:  # noqa: ARG002
        """Return the heat."""
        return candidate.heat, f"{candidate.heat:.2f} decayed uses"


class SemanticMatch:
    """Keeps what is nearest in meaning to the question or topic; among equals, what was used last."""

    name = "semantic"
    description = "keeps what is nearest in meaning to the question or topic; among equals, what was used last"

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:  # noqa: ARG002
        """Return the similarity, plus less than a thousandth for recency."""
        idle_s = max(0.0, (now - candidate.last_use).total_seconds())
        return candidate.similarity + 0.001 / (2.0 + idle_s), f"similarity {candidate.similarity:.2f}"


class Hybrid:
    """Keeps what is expected to save the most time per byte; what is hot stays unless something is clearly better."""

    name = "hybrid"
    description = "keeps what is expected to save the most time per byte; priority counts, and what is hot has the lead"

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:  # noqa: ARG002
        """Return expected uses times seconds saved, per MiB."""
        uses = candidate.heat * (1.0 + candidate.priority / 100.0)
        benefit = uses * candidate.saved_s / max(1, candidate.size_bytes) * (1 << 20)
        reason = f"{uses:.2f} expected uses x {candidate.saved_s:.3g} s / {candidate.size_bytes} bytes"
        return (benefit * _HYSTERESIS, f"{reason}, hot") if candidate.hot else (benefit, reason)


class ByPolicy:
    """Keeps what a policy of the tier values most: for those of other packages."""

    def __init__(self, plugin: Plugin, candidates: Sequence[Candidate], *, budget_bytes: int) -> None:
        """Tell the policy of the uses that are known, in the order in which the memories were last used."""
        self.name, self.description = plugin.name, plugin.description
        self._policy = plugin.make(budget_bytes)
        for candidate in sorted(candidates, key=lambda one: one.last_use):
            for _ in range(max(1, min(_MOST_USES, round(candidate.heat)))):
                self._policy.used(_item(candidate), candidate.last_use.timestamp())

    def score(self, candidate: Candidate, *, now: datetime, labels: frozenset[str]) -> tuple[float, str]:  # noqa: ARG002
        """Return the policy's value."""
        value = self._policy.value(_item(candidate), now.timestamp())
        return value, f"{self.name} values it at {value:.3g}"


def by_title(candidate: Candidate, query: str) -> float:
    """Return how near a memory is to a question by its title and labels alone, 0 to 0.5: for what is not searched."""
    asked = set(_WORD.findall(query.lower()))
    if not asked:
        return 0.0
    told = set(_WORD.findall(" ".join([candidate.title, *candidate.labels]).lower()))
    return _BY_TITLE * len(asked & told) / len(asked)


def _item(candidate: Candidate) -> Item:
    return Item(candidate.cube, candidate.size_bytes, candidate.saved_s, candidate.labels)


STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (LeastRecentlyUsed(), LeastFrequentlyUsed(), LabelMatch(), Heat(), SemanticMatch(), Hybrid())
}
