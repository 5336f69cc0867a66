"""A tier under a budget of bytes, ruled by a policy. Pure; holds no data, only who is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.tiering.policies import Foreseeing

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_platform.tiering.policies import Item, Policy

# A newcomer must be worth so much more than what it drives out: two that are alike would take turns otherwise.
_HYSTERESIS = 1.05


class Tier:
    """Who is held."""

    def __init__(self, budget_bytes: int, policy: Policy) -> None:
        """Hold at most so many bytes, as the policy values them."""
        self._budget = budget_bytes
        self._policy = policy
        self.held: dict[str, Item] = {}
        self.size_bytes = 0

    def use(self, item: Item, now: float, agent: str = "") -> tuple[bool, list[str]]:
        """Use a memory, as an agent; return whether it was held before, and who was driven out.

        Afterwards it is held unless it is greater than the budget, or worth less than what it would drive out.
        """
        self._policy.used(item, now, agent)
        if item.key in self.held:
            return True, []
        return False, self.admit(item, now)

    def admit(self, item: Item, now: float) -> list[str]:
        """Hold a memory where there is room or it is worth it; return who was driven out."""
        return self._put(item, self._place(item, now, self._policy.value, gated=not self._policy.admits_all))

    def prefetch(self, item: Item, now: float) -> list[str]:
        """Hold a memory that nobody has asked for yet, where that is worth it; return who was driven out."""
        return self._put(item, self._place_ahead(item, now))

    def worth_fetching(self, item: Item, now: float) -> bool:
        """Say whether `prefetch` would hold it now: asked before it is fetched."""
        return self._place_ahead(item, now) is not None

    def _place_ahead(self, item: Item, now: float) -> list[Item] | None:
        # A policy that foresees is asked whether it is worth it, also where it holds whatever was just used.
        if isinstance(self._policy, Foreseeing):
            return self._place(item, now, self._policy.foreseen, gated=True)
        return self._place(item, now, self._policy.value, gated=not self._policy.admits_all)

    def _place(
        self, item: Item, now: float, value: Callable[[Item, float], float], *, gated: bool
    ) -> list[Item] | None:
        """Return who would give way, or None where it would not be held."""
        if item.size_bytes > self._budget or item.key in self.held:
            return None
        victims = self._victims(item.size_bytes - (self._budget - self.size_bytes), now, value)
        if victims and gated:
            # By the byte: compared as wholes, a large memory would keep out two small ones that save more together.
            worth = sum(value(one, now) * one.size_bytes for one in victims)
            if value(item, now) < _HYSTERESIS * worth / sum(one.size_bytes for one in victims):
                return None
        return victims

    def _put(self, item: Item, victims: list[Item] | None) -> list[str]:
        if victims is None:
            return []
        for one in victims:
            self.drop(one.key)
        self.held[item.key] = item
        self.size_bytes += item.size_bytes
        return [one.key for one in victims]

    def drop(self, key: str) -> None:
        """Hold a memory no longer."""
        item = self.held.pop(key, None)
        if item is not None:
            self.size_bytes -= item.size_bytes

    def _victims(self, needed: int, now: float, value: Callable[[Item, float], float]) -> list[Item]:
        if needed <= 0:
            return []
        found: list[Item] = []
        for item in sorted(self.held.values(), key=lambda one: value(one, now)):
            found.append(item)
            needed -= item.size_bytes
            if needed <= 0:
                break
        return found
