"""The cost-aware hybrid: what is expected to save the most time per byte, or what was used last, as has paid more.

How fast interest fades differs between tenants and changes with time. So several half-lives predict which memory is
used next, each by its decayed counts; their predictions are mixed by how well each has done, with some weight always
shared out again so that another can take over (Herbster and Warmuth, Tracking the best expert, Machine Learning 32,
1998). Where agents come and go in bursts, recency alone can save more. Both run as shadows, tiers that hold no data,
and the one that has saved more rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.tiering.policies import DecayedUses, LeastRecentlyUsed
from memporium_platform.tiering.tier import Tier

if TYPE_CHECKING:
    from memporium_platform.tiering.policies import Item, Policy

_HALF_LIVES_S = (30.0, 120.0, 480.0, 1_920.0, 7_680.0, 30_720.0, 122_880.0)
# Weight that is shared out again with each use.
_SHARED = 0.05
# What a prediction gives to a memory that it has never seen: nobody is ever sure.
_UNSEEN = 1e-3
_TOTAL = "\0total"
# What a shadow has saved counts half after so many seconds; another takes over when it has saved so much more.
_MEMORY_S = 3_600.0
_TAKES_OVER = 1.05


class ExpectedSavings:
    """Holds what is expected to save the most time per byte."""

    name = "expected"
    admits_all = False

    def __init__(self) -> None:
        """Know of no use."""
        self._experts = [DecayedUses(half_life) for half_life in _HALF_LIVES_S]
        self._weights = [1.0 / len(self._experts)] * len(self._experts)

    def used(self, item: Item, now: float) -> None:
        """Judge the predictions by the use, and learn from it."""
        chances = [self._chance(expert, item.key, now) for expert in self._experts]
        judged = [weight * chance for weight, chance in zip(self._weights, chances, strict=True)]
        total = sum(judged)
        even = _SHARED / len(judged)
        self._weights = [(1.0 - _SHARED) * weight / total + even for weight in judged]
        for expert in self._experts:
            expert.add(item.key, now)
            expert.add(_TOTAL, now)

    def value(self, item: Item, now: float) -> float:
        """Return the chance of being used next, times the seconds saved, per byte."""
        chance = sum(
            weight * self._chance(expert, item.key, now)
            for weight, expert in zip(self._weights, self._experts, strict=True)
        )
        return chance * item.saved_s / max(1, item.size_bytes)

    @staticmethod
    def _chance(expert: DecayedUses, key: str, now: float) -> float:
        total = expert.count(_TOTAL, now)
        return _UNSEEN + ((1.0 - _UNSEEN) * expert.count(key, now) / total if total else 0.0)


class Hybrid:
    """Rules as that of its shadows which has saved more."""

    name = "hybrid"

    def __init__(self, budget_bytes: int) -> None:
        """Rule a tier of so many bytes."""
        self._policies: tuple[Policy, ...] = (ExpectedSavings(), LeastRecentlyUsed())
        self._shadows = [Tier(budget_bytes, policy) for policy in self._policies]
        self._saved = [0.0] * len(self._policies)
        self._since = 0.0
        self._rules = 0

    @property
    def admits_all(self) -> bool:
        """Whether the shadow that rules does."""
        return self._policies[self._rules].admits_all

    def used(self, item: Item, now: float) -> None:
        """Let each shadow take note of the use, and see which has saved more."""
        decay = 0.5 ** ((now - self._since) / _MEMORY_S)
        self._since = now
        for index, shadow in enumerate(self._shadows):
            hit, _ = shadow.use(item, now)
            self._saved[index] = self._saved[index] * decay + (item.saved_s if hit else 0.0)
        best = max(range(len(self._saved)), key=lambda index: self._saved[index])
        if self._saved[best] > _TAKES_OVER * self._saved[self._rules]:
            self._rules = best

    def value(self, item: Item, now: float) -> float:
        """Return its value to the shadow that rules."""
        return self._policies[self._rules].value(item, now)
