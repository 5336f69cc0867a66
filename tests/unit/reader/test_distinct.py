"""Near-equal statements are told by whole matrices; this is the rule in words."""

from __future__ import annotations

import random
from collections import Counter
from itertools import chain

from memporium_services.reader.domain.budget import distinct


def _by_the_rule(order: list[int], words: list[frozenset[str]]) -> list[int]:
    kept: list[int] = []
    late: list[int] = []
    for index in order:
        alike = [
            len(words[index] & words[other]) >= 0.9 * len(words[index] | words[other])
            for other in kept
            if words[index] and words[other]
        ]
        (late if any(alike) else kept).append(index)
    return kept + late


def test_the_order_is_that_of_the_rule():
    numbers = random.Random(7)
    for _ in range(300):
        known = [f"w{number}" for number in range(numbers.choice([3, 12, 400]))]
        words = [
            frozenset(numbers.choices(known, k=numbers.randint(0, numbers.choice([3, 12, 40]))))
            for _ in range(numbers.randint(0, 40))
        ]
        for place in range(len(words)):
            if numbers.random() < 0.5:
                like = sorted(numbers.choice(words))
                words[place] = frozenset(like[: max(0, len(like) - numbers.randint(0, 1))])
        order = list(range(len(words)))
        numbers.shuffle(order)
        expected = _by_the_rule(order, words)
        assert distinct(order, words.__getitem__) == expected
        assert distinct(order, words.__getitem__, Counter(chain.from_iterable(words))) == expected
