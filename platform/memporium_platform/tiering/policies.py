"""Policies: how much a memory deserves its place in a tier. Pure; the time is passed in.

A policy sees every access, also to what is not held, and gives each memory a value; the tier gives up the least. A new
policy is a class with a name and these methods, and one line in `catalogue`, or an entry point of another package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

# Accesses count half after so many seconds.
_HALF_LIFE_S = 3600.0
# Memories that a policy remembers, held or not; beyond it those that count least are forgotten.
_MOST_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Item:
    """A memory that can be held.

    Attributes:
        key: Its name.
        size_bytes: Bytes that it takes.
        saved_s: Seconds that a use saves where it is held.
        labels: Its tags.
        vector: Its meaning, of length one; empty: not known.
    """

    key: str
    size_bytes: int
    saved_s: float
    labels: frozenset[str] = frozenset()
    vector: tuple[float, ...] = ()


class Policy(Protocol):
    """Values memories; one instance a tier."""

    @property
    def name(self) -> str:
        """Name in settings and requests."""
        ...

    @property
    def admits_all(self) -> bool:
        """Whether what was just used is held in any case; otherwise only in the place of what is worth less."""
        ...

    def used(self, item: Item, now: float, agent: str = "") -> None:
        """Take note of a use by an agent; `now` in seconds, never decreasing."""
        ...

    def value(self, item: Item, now: float) -> float:
        """Return what holding the memory is worth, per byte where size matters to the policy."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A policy that can say what a memory is worth which is brought in ahead of its use."""

    def foreseen(self, item: Item, now: float) -> float:
        """Return what holding the memory is expected to be worth, by the same measure for all."""
        ...


class LeastRecentlyUsed:
    """Holds what was used last."""

    name = "lru"
    admits_all = True

    def __init__(self) -> None:
        """Know of no use."""
        self._last: dict[str, float] = {}

    def used(self, item: Item, now: float, agent: str = "") -> None:  # noqa: ARG002
        """Take note of the time."""
        self._last.pop(item.key, None)
        self._last[item.key] = now
        if len(self._last) > _MOST_KEYS:
            # A dictionary keeps the order in which it was written: the first was used longest ago.
            del self._last[next(iter(self._last))]

    def value(self, item: Item, now: float) -> float:
        """Return minus the seconds since the last use."""
        return self._last.get(item.key, -math.inf) - now


class DecayedUses:
    """Counts uses of memories; each counts half after a half-life."""

    def __init__(self, half_life_s: float) -> None:
        """Decay so."""
        self._rate = math.log(2.0) / half_life_s
        self._counts: dict[str, tuple[float, float]] = {}
        self._total, self._since = 0.0, 0.0

    def __contains__(self, key: str) -> bool:
        """Say whether it was ever used, as far as is remembered."""
        return key in self._counts

    def add(self, key: str, now: float) -> None:
        """Count a use."""
        self._counts[key] = (self.count(key, now) + 1.0, now)
        self._total, self._since = self.total(now) + 1.0, now
        if len(self._counts) > _MOST_KEYS:
            keep = sorted(self._counts, key=lambda one: -self.count(one, now))[: _MOST_KEYS // 2]
            self._counts = {one: self._counts[one] for one in keep}

    def count(self, key: str, now: float) -> float:
        """Return the decayed number of uses."""
        found = self._counts.get(key)
        return found[0] * math.exp(-self._rate * (now - found[1])) if found else 0.0

    def total(self, now: float) -> float:
        """Return the decayed number of uses of all."""
        return self._total * math.exp(-self._rate * (now - self._since))

    def share(self, key: str, now: float) -> float:
        """Return the decayed share of all uses; 0 where there is none."""
        total = self.total(now)
        return self.count(key, now) / total if total > 0.0 else 0.0

    def rate(self, key: str, now: float) -> float:
        """Return uses a second that would give this count if they went on for ever."""
        return self.count(key, now) * self._rate


class LeastFrequentlyUsed:
    """Holds what was used most, uses decaying with time."""

    name = "lfu"
    admits_all = True

    def __init__(self, half_life_s: float = _HALF_LIFE_S) -> None:
        """Decay so."""
        self._uses = DecayedUses(half_life_s)

    def used(self, item: Item, now: float, agent: str = "") -> None:  # noqa: ARG002
        """Count the use."""
        self._uses.add(item.key, now)

    def value(self, item: Item, now: float) -> float:
        """Return the decayed number of uses."""
        return self._uses.count(item.key, now)


class LabelMatch:
    """Holds what shares labels with what was used lately; among equals, what was used last."""

    name = "label"
    admits_all = True

    def __init__(self, half_life_s: float = _HALF_LIFE_S / 6) -> None:
        """Let labels' interest decay so."""
        self._interest = DecayedUses(half_life_s)
        self._last = LeastRecentlyUsed()

    def used(self, item: Item, now: float, agent: str = "") -> None:  # noqa: ARG002
        """Take note of the labels and the time."""
        for label in item.labels:
            self._interest.add(label, now)
        self._last.used(item, now)

    def value(self, item: Item, now: float) -> float:
        """Return the interest in its labels, plus less than a hundredth for recency."""
        interest = sum(self._interest.count(label, now) for label in item.labels)
        return interest + 0.01 / (1.0 - self._last.value(item, now))


class SemanticMatch:
    """Holds what is near in meaning to what was used lately; among equals, what was used last."""

    name = "semantic"
    admits_all = True

    def __init__(self, half_life_s: float = _HALF_LIFE_S / 6) -> None:
        """Let the meaning of uses decay so."""
        self._rate = math.log(2.0) / half_life_s
        self._centre: list[float] = []
        self._since = 0.0
        self._last = LeastRecentlyUsed()

    def used(self, item: Item, now: float, agent: str = "") -> None:  # noqa: ARG002
        """Move the centre of interest towards the memory."""
        self._last.used(item, now)
        if not item.vector:
            return
        decay = math.exp(-self._rate * (now - self._since))
        centre = self._centre or [0.0] * len(item.vector)
        self._centre = [old * decay + new for old, new in zip(centre, item.vector, strict=True)]
        self._since = now

    def value(self, item: Item, now: float) -> float:
        """Return the cosine with the centre of interest, plus less than a hundredth for recency."""
        recency = 0.01 / (1.0 - self._last.value(item, now))
        length = math.sqrt(sum(part * part for part in self._centre))
        if not item.vector or not length:
            return recency
        return sum(one * other for one, other in zip(item.vector, self._centre, strict=True)) / length + recency
