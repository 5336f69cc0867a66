"""Reads the slots of a pack out of a sample, whatever became of its order, cuts, case and punctuation.

The publisher knows the original: each slot is found again by the words around it, weighed by how rare they are. What
stands around is compared with the carriers folded, so finding a slot says nothing of what it carries.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.tracing.carriers import carriers
from memporium_platform.tracing.slots import context_of, slots_of
from memporium_platform.tracing.tokens import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memporium_platform.tracing.carriers import Item
    from memporium_platform.tracing.scores import Array

# Items on each side by which a slot is found again.
_AROUND = 6
# Share of the weight around a slot that must be there, and the least weight in nats.
_SHARE = 0.45
_LEAST = 7.0
# By how much the best place must beat the second best.
_MARGIN = 1.15
# A word around so many slots of a class says nothing of which one it is.
_COMMON = 150


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sample shows: (n,) share of 1 a slot, for the slots that were found.

    Attributes:
        contexts: The slots.
        evidence: (n,) in [0, 1].
        places: Places in the sample that were read.
    """

    contexts: tuple[str, ...]
    evidence: Array
    places: int


class SlotIndex:
    """The slots of a pack, to be found by what stands around them."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Index the original texts, unmarked."""
        self._contexts: list[str] = []
        self._around: list[frozenset[str]] = []
        self._posting: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._counts: Counter[str] = Counter()
        self.words = 0
        self.texts = 0
        pending: list[tuple[str, str, frozenset[str]]] = []
        for text in texts:
            self.texts += 1
            items, slots = slots_of(text)
            self.words += sum(1 for item in items if item.last > item.first)
            self._counts.update(item.key for item in items)
            pending += ((slot.context, items[slot.index].key, _around(items, slot.index)) for slot in slots)
        for context, kind, around in pending:
            number = len(self._contexts)
            self._contexts.append(context)
            self._around.append(around)
            for word in around:
                self._posting[kind][word].append(number)
        self._total = sum(self._counts.values()) or 1
        self._known = frozenset(self._contexts)
        self._weights: dict[str, float] = {}
        self._sums = [self._sum(around) for around in self._around]

    @property
    def contexts(self) -> list[str]:
        """Every slot once, in order."""
        return list(dict.fromkeys(self._contexts))

    @property
    def known_words(self) -> frozenset[str]:
        """Every word of the originals that is no carrier."""
        return frozenset(key for key in self._counts if not key.startswith("~"))

    def read(self, samples: Iterable[str]) -> Reading:
        """Return what the samples show."""
        ones: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        for sample in samples:
            for context, variant in self._places(sample):
                seen[context] += 1
                ones[context] += variant
        contexts = tuple(seen)
        evidence = np.array([ones[context] / seen[context] for context in contexts], dtype=np.float64)
        return Reading(contexts, evidence, seen.total())

    def _places(self, sample: str) -> Iterator[tuple[str, int]]:
        _words, items = carriers(readable(sample))
        for index, item in enumerate(items):
            posting = self._posting.get(item.key) if item.form is not None else None
            if posting is None:
                continue
            exact = context_of(items, index)
            context = exact if exact in self._known else self._find(posting, _around(items, index))
            if context is not None:
                yield context, item.variant

    def _find(self, posting: dict[str, list[int]], around: frozenset[str]) -> str | None:
        votes: dict[int, float] = defaultdict(float)
        known = [(posting[word], self._weight(word)) for word in around if word in posting]
        for numbers, weight in known:
            if len(numbers) <= _COMMON:
                for number in numbers:
                    votes[number] += weight
        own = self._sum(around)
        best, second, found = 0.0, 0.0, None
        for number, weight in votes.items():
            if weight <= second or weight < _LEAST or weight < _SHARE * min(self._sums[number], own):
                continue
            context = self._contexts[number]
            if context == found:
                best = max(best, weight)
            elif weight > best:
                best, second, found = weight, best, context
            else:
                second = weight
        return found if best >= _MARGIN * second else None

    def _sum(self, around: frozenset[str]) -> float:
        return sum(map(self._weight, around))

    def _weight(self, word: str) -> float:
        """Return how rare a word is, in nats."""
        weight = self._weights.get(word)
        if weight is None:
            weight = self._weights[word] = math.log(self._total / (1 + self._counts[word[1:]]))
        return weight


def _around(items: Sequence[Item], index: int) -> frozenset[str]:
    """Return the items near one, each with its side."""
    before = (f"<{item.key}" for item in items[max(0, index - _AROUND) : index])
    after = (f">{item.key}" for item in items[index + 1 : index + 1 + _AROUND])
    return frozenset((*before, *after))
