"""The best of many scores, the same ones every time: ties go to the smaller id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.storage.index.vault_index import Hits

if TYPE_CHECKING:
    from numpy.typing import NDArray


def no_hits() -> Hits:
    """Return an empty result."""
    return Hits(np.empty(0, np.int64), np.empty(0, np.float32))


def sorted_distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different ones of some numbers, sorted; `np.unique` hashes them, and takes 20 times as long."""
    if len(numbers) < 2:  # noqa: PLR2004 - one number is sorted, and different from all others
        return numbers.copy()
    ordered = np.sort(numbers)
    first = np.empty(len(ordered), np.bool_)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def top_k(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Hits:
    """Return the `k` best of (n,) ids and their (n,) scores."""
    if k <= 0 or not len(ids):
        return no_hits()
    if len(ids) > k:
        # Everything that ties with the k-th best stays in until the ids decide.
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = np.flatnonzero(scores >= least)
        ids, scores = ids[kept], scores[kept]
    order = np.lexsort((ids, -scores))[:k]
    return Hits(ids[order], scores[order])
