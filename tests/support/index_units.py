"""Units with made-up vectors for tests of the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.storage.index.vault_index import IndexEntry

if TYPE_CHECKING:
    from numpy.typing import NDArray

D = 32


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return (count, D) float32, rows of unit length."""
    rows = np.random.default_rng(seed).standard_normal((count, D)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def index_entry(unit_id: int, terms: str, vector: NDArray[np.float32] | None) -> IndexEntry:
    """Return a unit with words, the same in both legs."""
    words = tuple(terms.split())
    return IndexEntry(unit_id, words, words, vector)
