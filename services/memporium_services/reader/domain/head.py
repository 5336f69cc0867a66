"""Orders the head of a ranking by the episode and session as a whole: an answer's words often lie spread over them.

Only the head: further down the list what counts is that different places are there, and a whole session's credit would
fill it with that session alone (measured: it costs recall at 20 and questions that need several places).
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

# Places of a ranking that are its head.
HEAD = 8


def held(words: Sequence[frozenset[str]], asked: Collection[str]) -> tuple[list[frozenset[str]], dict[str, float]]:
    """Return which of the asked stems each statement holds, and the rarity of those that any holds.

    Args:
        words: The stems of each.
        asked: The stems asked for.
    """
    wanted = frozenset(asked)
    found = [wanted & one for one in words]
    spread = Counter(chain.from_iterable(found))
    return found, {word: math.log(1 + len(words) / count) for word, count in sorted(spread.items())}


def covering(
    groups: Sequence[Hashable], found: Sequence[frozenset[str]], rarity: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return for each statement how much of the question its group holds: the share of the stems, by their rarity.

    Args:
        groups: The group of each statement, for instance its episode.
        found: The asked stems that each holds.
        rarity: Of each stem that any holds.
    """
    total = math.fsum(rarity.values())
    if not total:
        return np.zeros(len(groups))
    of_group: dict[Hashable, frozenset[str]] = {}
    for group, one in zip(groups, found, strict=True):
        of_group[group] = of_group.get(group, one) | one
    share = {group: math.fsum([rarity[word] for word in some]) / total for group, some in of_group.items()}
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
