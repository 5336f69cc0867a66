"""What an agent will need next: what followed before, and what the agent keeps coming back to.

Predictions are made from one agent's own uses alone, so nothing is learnt of one tenant for another.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.tiering.policies import Item
    from memporium_platform.tiering.simulation import Access

K = TypeVar("K")
V = TypeVar("V")
# Below this share of the times that something followed, bringing it in costs more than it saves.
_LEAST_CHANCE = 0.3
_LEAST_TIMES = 2
# Memories whose successors are remembered, and agents; the longest unused are forgotten.
_MOST_MEMORIES = 10_000
_MOST_AGENTS = 1_000
_MOST_OF_AN_AGENT = 500


class Successors:
    """Counts, for each memory, which one the same agent used next."""

    def __init__(self) -> None:
        """Know of no use."""
        self._next: OrderedDict[tuple[str, str], Counter[str]] = OrderedDict()
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._before: OrderedDict[str, str] = OrderedDict()

    def __call__(self, access: Access) -> Sequence[Item]:
        """Learn from a use; return what is likely to be used next by the same agent, the likeliest first."""
        agent, key = access.agent, access.item.key
        before = self._before.get(agent)
        _put(self._items, key, access.item, _MOST_MEMORIES)
        _put(self._before, agent, key, _MOST_MEMORIES)
        if before is not None and before != key:
            followed = self._next.get((agent, before), Counter[str]())
            followed[key] += 1
            _put(self._next, (agent, before), followed, _MOST_MEMORIES)
        followed = self._next.get((agent, key), Counter[str]())
        total = followed.total()
        return [
            self._items[other]
            for other, times in followed.most_common(3)
            if times >= _LEAST_TIMES and times / total >= _LEAST_CHANCE and other in self._items
        ]


class Habits:
    """Counts what each agent uses: whoever begins to ask again mostly asks for what it asked for before."""

    def __init__(self, most: int = 8) -> None:
        """Name at most so many memories."""
        self._most = most
        self._uses: OrderedDict[str, Counter[str]] = OrderedDict()
        self._items: OrderedDict[str, Item] = OrderedDict()

    def __call__(self, access: Access) -> Sequence[Item]:
        """Learn from a use; return what the agent has used most, but for what it uses now."""
        if not access.agent:
            return []
        uses = self._uses.get(access.agent, Counter[str]())
        uses[access.item.key] += 1
        if len(uses) > _MOST_OF_AN_AGENT:
            # Halved, so that what an agent used long ago gives way to what it uses now.
            uses = Counter({key: times // 2 for key, times in uses.items() if times > 1})
        _put(self._uses, access.agent, uses, _MOST_AGENTS)
        _put(self._items, access.item.key, access.item, _MOST_MEMORIES)
        likely = [key for key, times in uses.most_common(self._most + 1) if times >= _LEAST_TIMES]
        return [self._items[key] for key in likely if key != access.item.key and key in self._items][: self._most]


class NextNeeds:
    """What followed before, then what the agent comes back to."""

    def __init__(self, most: int = 8) -> None:
        """Name at most so many memories."""
        self._most = most
        self._successors, self._habits = Successors(), Habits(most)

    def __call__(self, access: Access) -> Sequence[Item]:
        """Learn from a use; return what is likely to be needed next, the likeliest first."""
        found = {item.key: item for item in (*self._successors(access), *self._habits(access))}
        return list(found.values())[: self._most]


def _put(into: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    into[key] = value
    into.move_to_end(key)
    if len(into) > most:
        into.popitem(last=False)
