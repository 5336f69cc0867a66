"""BM25 over inverted lists held as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.storage.index.ranking import sorted_distinct
from memporium_platform.storage.index.vault_index import TermStatistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    # Slots, frequencies, and how often the query has the term; slots, and what each adds to a score.
    List = tuple[NDArray[np.int64], NDArray[np.float32], int]
    Impacts = tuple[NDArray[np.int64], NDArray[np.float32]]

# Robertson's usual values; a term's tenth occurrence adds little, and length counts for three quarters.
K1 = 1.2
B = 0.75
# Where the lists name fewer than one in so many slots, only those are looked at; else all, which is faster a slot.
_SPARSE = 16
# Of a long list so many at a time: what is computed on the way stays in the processor's cache, a quarter of the time.
_PIECE = 16_384


def bm25(
    lists: Sequence[List],
    *,
    lengths: NDArray[np.float32],
    sizes: tuple[int, int],
    allowed: NDArray[np.int64] | None,
    beside: TermStatistics | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Score every slot that has one of the terms.

    Statistics are of the allowed slots alone, so a score tells nothing about units that the filter hides.

    Args:
        lists: For each term its slots, its frequency in each, and how often the query has it.
        lengths: (n,) number of terms by slot, 0 where there is no unit.
        sizes: How many slots have terms, and how many terms they have together.
        allowed: Slots that may be found; None: all.
        beside: Further units that the statistics are of, too; None: none.

    Returns:
        (m,) slots in ascending order and (m,) scores above 0.
    """
    documents, total = sizes
    if allowed is not None:
        visible = lengths[allowed]
        documents, total = int(np.count_nonzero(visible)), int(visible.sum(dtype=np.float64))
        lists = _allowed(lists, allowed, len(lengths))
    further = beside.holding if beside is not None else (0,) * len(lists)
    held = [(*one, len(one[0]) + more) for one, more in zip(lists, further, strict=True) if len(one[0])]
    if not documents or not held:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    if beside is not None:
        documents, total = documents + beside.units, total + beside.terms
    sizes = documents, total
    return summed([(one[0], impacts_of(one[:3], lengths, sizes, one[3])) for one in held], len(lengths))


def impacts_of(found: List, lengths: NDArray[np.float32], sizes: tuple[int, int], holding: int) -> NDArray[np.float32]:
    """Return what each posting of a term adds to its slot's score.

    Args:
        found: The term's list.
        lengths: (n,) number of terms by slot.
        sizes: How many units have terms, and how many terms they have together.
        holding: How many units have the term.
    """
    slots, frequencies, weight = found
    documents, total = sizes
    impacts = np.empty(len(slots), np.float32)
    if not documents:
        return impacts
    average = total / documents
    rarity = np.log1p((documents - holding + 0.5) / (holding + 0.5))
    factor = np.float32(weight * rarity * (K1 + 1))
    for start in range(0, len(slots), _PIECE):
        some, counts = slots[start : start + _PIECE], frequencies[start : start + _PIECE]
        norms = (K1 * B / average) * lengths[some] + np.float32(K1 * (1 - B))
        impacts[start : start + _PIECE] = factor * counts / (counts + norms)
    return impacts


def summed(lists: Sequence[Impacts], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the slots that the lists name, in ascending order, and the sum of what they add to each.

    Args:
        lists: Of each term.
        count: How many slots there are.
    """
    lists = [one for one in lists if len(one[0])]
    if not lists:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    named = _named([slots for slots, _ in lists], count)
    scores = np.zeros(count if named is None else len(named), np.float32)
    for slots, impacts in lists:
        for start in range(0, len(slots), _PIECE):
            some = slots[start : start + _PIECE]
            places = some if named is None else np.searchsorted(named, some)
            scores[places] += impacts[start : start + _PIECE]
    found = np.flatnonzero(scores > 0)
    return found if named is None else named[found], scores[found]


def statistics(
    lists: Sequence[List], *, lengths: NDArray[np.float32], sizes: tuple[int, int], allowed: NDArray[np.int64] | None
) -> TermStatistics:
    """Return what `bm25` would compute with, for the same arguments."""
    documents, total = sizes
    if allowed is not None:
        visible = lengths[allowed]
        documents, total = int(np.count_nonzero(visible)), int(visible.sum(dtype=np.float64))
        lists = _allowed(lists, allowed, len(lengths))
    return TermStatistics(documents, total, tuple(len(slots) for slots, _, _ in lists))


def _named(lists: Sequence[NDArray[np.int64]], count: int) -> NDArray[np.int64] | None:
    """Return the slots that are in the lists, sorted; None where they are so many that all may be looked at."""
    if sum(map(len, lists)) * _SPARSE > count:
        return None
    return sorted_distinct(np.concatenate(lists))


def _allowed(lists: Sequence[List], allowed: NDArray[np.int64], count: int) -> list[List]:
    """Return the lists without slots that may not be found."""
    may = np.zeros(count, np.bool_)
    may[allowed] = True
    found = []
    for slots, frequencies, weight in lists:
        kept = may[slots]
        found.append((slots[kept], frequencies[kept], weight))
    return found
