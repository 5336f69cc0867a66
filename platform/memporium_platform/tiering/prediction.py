"""What an agent will need next, from what followed before: memories brought in before they are asked for."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.tiering.policies import Item
    from memporium_platform.tiering.simulation import Access

# Below this share of the times that something followed, bringing it in costs more than it saves.
_LEAST_CHANCE = 0.3
_LEAST_TIMES = 2
# Memories whose successors are remembered; the longest unused are forgotten.
_MOST_MEMORIES = 10_000


class Successors:
    """Counts, for each memory, which one the same agent used next."""

    def __init__(self) -> None:
        """Know of no use."""
        self._next: OrderedDict[str, Counter[str]] = OrderedDict()
        self._items: dict[str, Item] = {}
        self._before: dict[str, str] = {}

    def __call__(self, access: Access) -> Sequence[Item]:
        """Learn from a use; return what is likely to be used next by the same agent, the likeliest first."""
        key, before = access.item.key, self._before.get(access.agent)
        self._items[key] = access.item
        self._before[access.agent] = key
        if before is not None and before != key:
            self._next.setdefault(before, Counter())[key] += 1
            self._next.move_to_end(before)
            if len(self._next) > _MOST_MEMORIES:
                self._items.pop(self._next.popitem(last=False)[0], None)
        followed = self._next.get(key, Counter[str]())
        total = followed.total()
        return [
            self._items[other]
            for other, times in followed.most_common(3)
            if times >= _LEAST_TIMES and times / total >= _LEAST_CHANCE and other in self._items
        ]
