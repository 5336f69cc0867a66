"""BM25 over inverted lists held as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Robertson's usual values; a term's tenth occurrence adds little, and length counts for three quarters.
K1 = 1.2
B = 0.75


def bm25(
    lists: Iterable[tuple[NDArray[np.int64], NDArray[np.float32], int]],
    *,
    lengths: NDArray[np.float32],
    allowed: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Score every slot that has one of the terms.

    Statistics are of the allowed slots alone, so a score tells nothing about units that the filter hides.

    Args:
        lists: For each term its slots, its frequency in each, and how often the query has it.
        lengths: (n,) number of terms by slot, 0 where there is no unit.
        allowed: Slots that may be found; None: all.

    Returns:
        (m,) slots in ascending order and (m,) scores above 0.
    """
    visible = lengths if allowed is None else lengths[allowed]
    documents = int(np.count_nonzero(visible))
    if not documents:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    average = float(visible.sum(dtype=np.float64)) / documents
    # By slot, what a frequency is compared with; one division by the average for all terms.
    norms = (K1 * B / average) * lengths + np.float32(K1 * (1 - B))
    may: NDArray[np.bool_] | None = None
    if allowed is not None:
        may = np.zeros(len(lengths), np.bool_)
        may[allowed] = True
    scores = np.zeros(len(lengths), np.float32)
    for slots, frequencies, weight in lists:
        if may is not None:
            kept = may[slots]
            slots, frequencies = slots[kept], frequencies[kept]  # noqa: PLW2901 - the filtered list takes its place
        if len(slots):
            rarity = np.log1p((documents - len(slots) + 0.5) / (len(slots) + 0.5))
            factor = np.float32(weight * rarity * (K1 + 1))
            scores[slots] += factor * frequencies / (frequencies + norms[slots])
    found = np.flatnonzero(scores)
    return found, scores[found]
