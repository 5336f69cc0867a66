"""The cost-aware hybrid: of several policies, the one that has saved more lately rules.

What is expected to save the most time per byte is the rule in most places (`expected`); where work comes and goes in
bursts, recency alone can save more. Both run as shadows, tiers that hold no data, so that each is judged by what it
would have saved (as LeCaR and Cacheus choose between recency and frequency by regret; Vietri et al., HotStorage 2018,
Rodriguez et al., FAST 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.tiering.expected import ExpectedSavings
from memporium_platform.tiering.policies import LeastRecentlyUsed
from memporium_platform.tiering.tier import Tier

if TYPE_CHECKING:
    from memporium_platform.tiering.policies import Item, Policy

# What a shadow has saved counts half after so many seconds; another takes over when it has saved so much more.
_MEMORY_S = 3_600.0
_TAKES_OVER = 1.02


class Hybrid:
    """Rules as that of its shadows which has saved more."""

    name = "hybrid"

    def __init__(self, budget_bytes: int) -> None:
        """Rule a tier of so many bytes."""
        self._policies: tuple[Policy, ...] = (
            ExpectedSavings(),
            LeastRecentlyUsed(),
        )
        self._shadows = [Tier(budget_bytes, policy) for policy in self._policies]
        self._saved = [0.0] * len(self._policies)
        self._since = 0.0
        self._rules = 0

    @property
    def admits_all(self) -> bool:
        """Whether the shadow that rules does."""
        return self._policies[self._rules].admits_all

    def used(self, item: Item, now: float, agent: str = "") -> None:
        """Let each shadow take note of the use, and see which has saved more."""
        decay = 0.5 ** ((now - self._since) / _MEMORY_S)
        self._since = now
        for index, shadow in enumerate(self._shadows):
            hit, _ = shadow.use(item, now, agent)
            self._saved[index] = self._saved[index] * decay + (item.saved_s if hit else 0.0)
        best = max(range(len(self._saved)), key=lambda index: self._saved[index])
        if self._saved[best] > _TAKES_OVER * self._saved[self._rules]:
            self._rules = best

    def value(self, item: Item, now: float) -> float:
        """Return its value to the shadow that rules."""
        return self._policies[self._rules].value(item, now)

    def foreseen(self, item: Item, now: float) -> float:
        """Return what it is expected to save per byte, whichever shadow rules: recency says nothing of what is next."""
        return self._policies[0].value(item, now)
