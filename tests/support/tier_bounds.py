"""The most that any policy can expect to save which is not told the future: proven, not tried.

Where a use depends on those before it in a known way, what is held before it cannot depend on what is drawn. So a tier
that holds the memories S saves, of that use, the sum over S of chance times seconds in expectation: at most what fits
best into the budget when memories may be cut (a fractional knapsack), of memories that were used before. No policy can
expect more, with prefetching or without; for memories of equal size this is the bound of the independent reference
model (Aho, Denning and Ullman, Principles of optimal page replacement, JACM 1971).

Who has to learn which memory is popular cannot expect more than the same with the chances that follow by Bayes' rule
from the uses so far. These come from Markov chains over orders of popularity. They begin at the true order, which is
itself a draw from what the uses leave possible, so each state is exactly such a draw and no burn-in is needed; and the
mean of too few of them makes the bound looser, never wrong: a maximum is convex.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from memporium_platform.tiering.policies import Item
    from memporium_platform.tiering.simulation import Access

    Numbers = npt.NDArray[np.float64]
    Places = npt.NDArray[np.int64]

_CHAINS, _SWEEPS, _CLASS_SWEEPS = 16, 300, 12


@dataclass(frozen=True)
class Moment:
    """What is known before a use.

    Attributes:
        ranks: The true rank of each memory in the order of popularity.
        shares: The chance of each rank.
        counts: Uses by which the order shows, of each memory.
        classes: Memories that share a number were shuffled among themselves: a topic; of one alone, all together.
        inside: Ranks below it belong to whole classes; 0: there are no classes.
        known: Chances that do not depend on the order; None: those of the ranks.
    """

    ranks: Places
    shares: Numbers
    counts: Places
    classes: Places
    inside: int = 0
    known: Numbers | None = None


def zipf_moments(memories: Sequence[Item], trace: Sequence[Access], seed: int, *, every: int = 0) -> Iterator[Moment]:
    """Yield what is known before each use of `traces.zipf`, or of `traces.scans` where scans come every so many uses."""
    order = random.Random(seed).sample(list(memories), len(memories))
    place = {item.key: index for index, item in enumerate(memories)}
    ranks = np.empty(len(memories), dtype=np.int64)
    ranks[[place[item.key] for item in order]] = np.arange(len(memories))
    shares = _normal(1.0 / np.arange(1, len(memories) + 1) ** 0.9)
    counts, classes = np.zeros(len(memories), dtype=np.int64), np.zeros(len(memories), dtype=np.int64)
    scanned = len(memories) // 3
    unread = np.ones(len(memories))
    for index, access in enumerate(trace):
        # A scan comes before the first steady use of each round but the first.
        behind = index % (every + scanned) - every if every else -1
        if behind >= 0:
            unread = np.ones(len(memories)) if behind == 0 else unread
            yield Moment(ranks, shares, counts, classes, known=unread / unread.sum())
            unread[place[access.item.key]] = 0.0
        else:
            yield Moment(ranks, shares, counts, classes)
            counts[place[access.item.key]] += 1


def shifting_moments(
    memories: Sequence[Item], trace: Sequence[Access], seed: int, *, phase: int = 400, topics: int = 8
) -> Iterator[Moment]:
    """Yield what is known before each use of `traces.shifting`: it draws anew what that drew.

    Raises:
        ValueError: The trace is not of this seed.
    """
    chance = random.Random(seed)
    place = {item.key: index for index, item in enumerate(memories)}
    classes = np.array([int(next(iter(item.labels)).removeprefix("topic-")) for item in memories])
    ranks, counts = np.empty(len(memories), dtype=np.int64), np.zeros(len(memories), dtype=np.int64)
    for index, access in enumerate(trace):
        if index % phase == 0:
            wanted = set(chance.sample(range(topics), 2))
            inside = [item for item, own in zip(memories, classes, strict=True) if own in wanted]
            outside = [item for item, own in zip(memories, classes, strict=True) if own not in wanted]
            order = [*chance.sample(inside, len(inside)), *chance.sample(outside, len(outside))]
            weights = [1.0 / (rank + 1) ** 0.8 * (1.0 if rank < len(inside) else 0.2) for rank in range(len(order))]
            ranks[[place[item.key] for item in order]] = np.arange(len(order))
            counts[:] = 0
        chance.expovariate(1.0)
        if chance.choices(order, weights)[0].key != access.item.key:
            raise ValueError(f"use {index} is not of this seed")
        yield Moment(ranks, _normal(np.array(weights)), counts, classes, inside=len(inside))
        counts[place[access.item.key]] += 1


def most_expected(
    memories: Sequence[Item],
    trace: Sequence[Access],
    moments: Iterator[Moment],
    budgets: Sequence[int],
    *,
    learn_every: int = 10,
) -> dict[int, tuple[float, float]]:
    """Return by budget the most seconds that can be expected: told every chance, and told the law alone.

    Args:
        memories: All of them.
        trace: The uses.
        moments: What is known before each.
        budgets: Bytes.
        learn_every: The second is worked out before one use in so many, drawn at random, and stands for the others.
    """
    numbers = np.random.default_rng(len(trace))
    sizes = np.array([max(1, item.size_bytes) for item in memories], dtype=np.float64)
    saved = np.array([item.saved_s for item in memories])
    place = {item.key: index for index, item in enumerate(memories)}
    seen = np.zeros(len(memories))
    told, learnt = dict.fromkeys(budgets, 0.0), dict.fromkeys(budgets, 0.0)
    asked, weight = -1, 0
    for index, (moment, access) in enumerate(zip(moments, trace, strict=True)):
        chances = moment.shares[moment.ranks] if moment.known is None else moment.known
        if index % learn_every == 0:
            # The last stretch may be shorter than the others, and then stands for as many as it has.
            weight = min(learn_every, len(trace) - index)
            asked = index + int(numbers.integers(weight))
        guessed = None
        if index == asked:
            guessed = posterior(moment, numbers) if moment.known is None else chances
        for budget in budgets:
            fits = seen * (sizes <= budget)
            told[budget] += _knapsack(chances * saved * fits, sizes, budget)
            if guessed is not None:
                learnt[budget] += weight * _knapsack(guessed * saved * fits, sizes, budget)
        seen[place[access.item.key]] = 1.0
    return {budget: (told[budget], learnt[budget]) for budget in budgets}


def posterior(moment: Moment, numbers: np.random.Generator, *, chains: int = _CHAINS, sweeps: int = _SWEEPS) -> Numbers:
    """Return the mean chance of each memory over orders that are drawn from what the uses so far leave possible."""
    ranks, logs = np.tile(moment.ranks, (chains, 1)), np.log(moment.shares)
    total = np.zeros(len(moment.ranks))
    rows = np.arange(chains)[:, None]
    for sweep in range(sweeps):
        if moment.inside and sweep % _CLASS_SWEEPS == 0:
            _swap_classes(ranks, moment, logs, numbers)
        # By pairs that share nothing: each is accepted or not on its own.
        order = numbers.permutation(len(moment.ranks))
        if sweep % 2:
            # Neighbours in one chain's order change places more readily than any two.
            order = np.argsort(ranks[sweep // 2 % chains])[sweep // 2 % 3 :]
        half = len(order) // 2
        one, other = order[0 : 2 * half : 2], order[1 : 2 * half : 2]
        mine, theirs = ranks[:, one], ranks[:, other]
        gain = (moment.counts[one] - moment.counts[other]) * (logs[theirs] - logs[mine])
        taken = np.log(numbers.random(gain.shape)) < gain
        if moment.inside:
            taken &= (mine < moment.inside) == (theirs < moment.inside)
        ranks[rows, one], ranks[rows, other] = np.where(taken, theirs, mine), np.where(taken, mine, theirs)
        total += moment.shares[ranks].sum(axis=0)
    return np.asarray(total / (chains * sweeps))


def _swap_classes(ranks: Places, moment: Moment, logs: Numbers, numbers: np.random.Generator) -> None:
    """Propose in each chain that another class is among the popular ones, in the place of one of them."""
    for row in ranks:
        popular = np.unique(moment.classes[row < moment.inside])
        rare = np.setdiff1d(moment.classes, popular)
        one = np.flatnonzero(moment.classes == numbers.choice(popular))
        other = numbers.permutation(np.flatnonzero(moment.classes == numbers.choice(rare)))
        if len(one) == len(other):
            gain = float(((moment.counts[one] - moment.counts[other]) * (logs[row[other]] - logs[row[one]])).sum())
            if np.log(numbers.random()) < gain:
                row[one], row[other] = row[other].copy(), row[one].copy()


def _knapsack(values: Numbers, sizes: Numbers, budget: int) -> float:
    """Return the most value that fits, where things may be cut."""
    order = np.argsort(-values / sizes)
    filled = np.cumsum(sizes[order])
    whole = int(np.searchsorted(filled, budget, side="right"))
    found = float(values[order[:whole]].sum())
    if whole < len(order):
        before = filled[whole - 1] if whole else 0.0
        found += float(values[order[whole]] * (budget - before) / sizes[order[whole]])
    return found


def _normal(weights: Numbers) -> Numbers:
    return np.asarray(weights / weights.sum())
