"""Orders the head of a ranking by the episode and session as a whole: an answer's words often lie spread over them.

Only the head: further down the list what counts is that different places are there, and a whole session's credit would
fill it with that session alone (measured: it costs recall at 20 and questions that need several places).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

    from numpy.typing import NDArray

# Places of a ranking that are its head.
HEAD = 8


def covering(
    groups: Sequence[Hashable], words: Sequence[frozenset[str]], asked: Collection[str]
) -> NDArray[np.float64]:
    """Return for each statement how much of the question its group holds: the share of the stems, by their rarity.

    Args:
        groups: The group of each statement, for instance its episode.
        words: The stems of each.
        asked: The stems asked for.
    """
    wanted = frozenset(asked)
    holding = [not wanted.isdisjoint(one) for one in words]
    spread = Counter(word for one, holds in zip(words, holding, strict=True) if holds for word in one if word in wanted)
    rarity = {word: math.log(1 + len(words) / count) for word, count in spread.items()}
    total = sum(rarity.values())
    if not total:
        return np.zeros(len(groups))
    held: dict[Hashable, set[str]] = {}
    for group, one, holds in zip(groups, words, holding, strict=True):
        found = held.setdefault(group, set())
        if holds:
            found.update([word for word in one if word in rarity])
    share = {group: sum(rarity[word] for word in found) / total for group, found in held.items()}
    return np.array([share[group] for group in groups])


def lifted(scores: NDArray[np.float64], bonus: NDArray[np.float64], *, head: int = HEAD) -> NDArray[np.float64]:
    """Return the scores with the bonus of those that are best with it, so that they alone change places.

    Args:
        scores: (n,) scores.
        bonus: (n,) what is added, not negative.
        head: How many get it.
    """
    with_bonus = scores + bonus
    best = np.argsort(-with_bonus, kind="stable")[:head]
    found = scores.copy()
    found[best] = with_bonus[best]
    return found
