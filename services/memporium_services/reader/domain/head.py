"""Orders the head of a ranking by the episode and session as a whole: an answer's words often lie spread over them.

Only the head: further down the list what counts is that different places are there, and a whole session's credit would
fill it with that session alone (measured: it costs recall at 20 and questions that need several places). So there each
further statement of an episode stands back a little instead.
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
# Of those, the ones whose order the evidence of the whole session decides, and that no other one takes the place of.
FIRST = 5
# Best statements of a session that are its evidence; more would favour long sessions.
_EVIDENCE = 5
# Statements of an episode before one that count against it; a long episode is not to be pushed out of sight.
_MOST_BEFORE = 4


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
        known = of_group.get(group)
        of_group[group] = one if known is None else known | one
    # Few stems are asked for, so many groups hold the same of them. Exact sums: sets have no order.
    share = {some: math.fsum([rarity[word] for word in some]) / total for some in set(of_group.values())}
    return np.array([share[of_group[group]] for group in groups])


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


def evidence(groups: Sequence[Hashable], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each statement what its group has to say: the sum of its five best scores, scaled to 0..1.

    Args:
        groups: The group of each statement, for instance its session.
        scores: (n,) scores.
    """
    sums: dict[Hashable, float] = {}
    counts: dict[Hashable, int] = {}
    values = scores.tolist()
    for index in np.argsort(-scores, kind="stable").tolist():
        group = groups[index]
        if counts.setdefault(group, 0) < _EVIDENCE:
            counts[group] += 1
            sums[group] = sums.get(group, 0.0) + values[index]
    found = np.array([sums[group] for group in groups])
    span = np.ptp(found) if len(found) else 0.0
    return (found - found.min()) / span if span else np.zeros(len(found))


def reordered(scores: NDArray[np.float64], bonus: NDArray[np.float64], *, first: int = FIRST) -> NDArray[np.float64]:
    """Return the scores with the bonus of those that are best without it: they change places among themselves alone.

    Args:
        scores: (n,) scores.
        bonus: (n,) what is added, not negative.
        first: How many get it.
    """
    best = np.argsort(-scores, kind="stable")[:first]
    found = scores.copy()
    found[best] += bonus[best]
    return found


def spread(
    groups: Sequence[Hashable], scores: NDArray[np.float64], step: float, *, first: int = FIRST
) -> NDArray[np.float64]:
    """Return the scores, less `step` for each better statement of the same group, four at most; the first stay as is.

    Args:
        groups: The group of each statement, for instance its episode.
        scores: (n,) scores.
        step: What each better one costs.
        first: How many of the best lose nothing.
    """
    before: dict[Hashable, int] = {}
    found = scores.tolist()
    for place, index in enumerate(np.argsort(-scores, kind="stable").tolist()):
        count = before.get(groups[index], 0)
        before[groups[index]] = count + 1
        if place >= first:
            found[index] -= step * min(count, _MOST_BEFORE)
    return np.array(found, dtype=np.float64)
