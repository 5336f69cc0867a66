"""A tier under a budget of bytes, ruled by a policy. Pure; holds no data, only who is in.

Where memories belong to groups (tenants), each group that used any lately has a claim to the same share of the budget:
a group that holds less than that takes the place of what groups beyond their share hold, whatever it is worth, and
loses nothing to them. What a group does not claim, the others may use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.tiering.policies import Foreseeing

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_platform.tiering.policies import Item, Policy

# A newcomer must be worth so much more than what it drives out: two that are alike would take turns otherwise.
_HYSTERESIS = 1.05
# A group that has used nothing for so many seconds has no claim: what it holds goes by what it is worth.
_CLAIM_S = 120.0


class Tier:
    """Who is held."""

    def __init__(self, budget_bytes: int, policy: Policy, *, group: Callable[[Item], str] | None = None) -> None:
        """Hold at most so many bytes, as the policy values them.

        Args:
            budget_bytes: Size of the tier.
            policy: What is worth how much.
            group: Whose a memory is; absent: all are of one.
        """
        self._budget = budget_bytes
        self._policy = policy
        self._group = group or (lambda _item: "")
        self.held: dict[str, Item] = {}
        self.size_bytes = 0
        self.bytes_of: dict[str, int] = {}
        self._last: dict[str, float] = {}

    def use(self, item: Item, now: float, agent: str = "") -> tuple[bool, list[str]]:
        """Use a memory, as an agent; return whether it was held before, and who was driven out.

        Afterwards it is held unless it is greater than the budget, or worth less than what it would drive out.
        """
        self.seen(item, now, agent)
        if item.key in self.held:
            return True, []
        return False, self.admit(item, now)

    def seen(self, item: Item, now: float, agent: str = "") -> None:
        """Take note of a use, and hold no other for it: for a tier beneath one that was asked first."""
        self._policy.used(item, now, agent)
        self._last[self._group(item)] = now

    def admit(self, item: Item, now: float) -> list[str]:
        """Hold a memory where there is room or it is worth it; return who was driven out."""
        return self._put(item, self._place(item, now, self._policy.value, gated=not self._policy.admits_all))

    def prefetch(self, item: Item, now: float) -> list[str]:
        """Hold a memory that nobody has asked for yet, where that is worth it; return who was driven out."""
        return self._put(item, self._place_ahead(item, now))

    def worth_fetching(self, item: Item, now: float) -> bool:
        """Say whether `prefetch` would hold it now: asked before it is fetched."""
        return self._place_ahead(item, now) is not None

    def drop(self, key: str) -> None:
        """Hold a memory no longer."""
        item = self.held.pop(key, None)
        if item is not None:
            self.size_bytes -= item.size_bytes
            group = self._group(item)
            self.bytes_of[group] -= item.size_bytes
            if not self.bytes_of[group]:
                del self.bytes_of[group]
                self._last.pop(group, None)

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
        victims = self._victims(item, now, value)
        if victims is None:
            return None
        # What others lose beyond their share is not weighed: whoever asks most would keep it all.
        rivals = [one for one in victims if self._group(one) == self._group(item)]
        if rivals and gated:
            # By the byte: compared as wholes, a large memory would keep out two small ones that save more together.
            worth = sum(value(one, now) * one.size_bytes for one in rivals)
            if value(item, now) < _HYSTERESIS * worth / sum(one.size_bytes for one in rivals):
                return None
        return victims

    def _put(self, item: Item, victims: list[Item] | None) -> list[str]:
        if victims is None:
            return []
        group = self._group(item)
        last = self._last.get(group)
        for one in victims:
            self.drop(one.key)
        if last is not None:
            # A group whose last memory gave way to its own next one has not gone: when it last asked is still known.
            self._last[group] = last
        self.held[item.key] = item
        self.size_bytes += item.size_bytes
        self.bytes_of[group] = self.bytes_of.get(group, 0) + item.size_bytes
        return [one.key for one in victims]

    def _victims(self, item: Item, now: float, value: Callable[[Item, float], float]) -> list[Item] | None:
        """Return who gives way to a newcomer, the least worth first; None where not enough may."""
        needed = item.size_bytes - (self._budget - self.size_bytes)
        if needed <= 0:
            return []
        own, left = self._group(item), dict(self.bytes_of)
        claims = {group for group in left if now - self._last.get(group, now) <= _CLAIM_S}
        share = self._budget / len({own, *claims})
        within = left.get(own, 0) + item.size_bytes <= share

        def order(held: Item) -> tuple[bool, float]:
            # Within its share a group gives up what is its own last.
            return within and self._group(held) == own, value(held, now)

        found: list[Item] = []
        for one in sorted(self.held.values(), key=order):
            group = self._group(one)
            if group != own and group in claims and (left[group] <= share or not within):
                continue
            found.append(one)
            left[group] -= one.size_bytes
            needed -= one.size_bytes
            if needed <= 0:
                return found
        return None
