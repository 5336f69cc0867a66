"""The port to the search index: one index a vault, so that no tenant starves or sees another.

The unit of retrieval is a fact or passage (a cube has many). The index is a cache of the relational store: it follows
the vault's revision and can be built anew at any time. Terms reach it already analysed (stemmed) and keyed: it holds
no readable text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One unit to index.

    Attributes:
        unit_id: Positive int64, unique in the vault for life.
        terms: Analysed terms of the unit itself, in order, with repeats.
        context_terms: Analysed terms of the unit and what stands around it; empty: none.
        vector: (d,) float32, unit length; None: not embedded.
    """

    unit_id: int
    terms: tuple[str, ...]
    context_terms: tuple[str, ...]
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Hits:
    """Best units first: ids (n,) int64 and scores (n,) float32, higher is better (cosine, or BM25 as positive)."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """What BM25 needs to know of a set of units.

    Attributes:
        units: How many of them have terms.
        terms: How many terms they have together.
        holding: How many of them have each of the terms that were asked for, in order.
    """

    units: int
    terms: int
    holding: tuple[int, ...]


class VaultIndex(Protocol):
    """The index of one vault. Methods block: call them on a worker thread. Safe to call from several threads."""

    @property
    def revision(self) -> int:
        """The vault revision that the index has reached; 0 where it is new."""
        ...

    def apply(self, *, upserts: Sequence[IndexEntry], deletes: Sequence[int], revision: int) -> None:
        """Take in changes; searchable when it returns, and idempotent."""
        ...

    def search_dense(self, query: NDArray[np.float32], *, k: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """Return the `k` nearest units by cosine among `allowed` (sorted ids; None: all)."""
        ...

    def search_terms(
        self,
        terms: Sequence[str],
        *,
        leg: str,
        k: int,
        allowed: NDArray[np.int64] | None = None,
        beside: TermStatistics | None = None,
    ) -> Hits:
        """Return the `k` best units by BM25 for any of `terms`; `leg` is `own` or `context`.

        `beside`, of different terms: units that are not in the index and yet count for how rare a term is.
        """
        ...

    def term_statistics(
        self, terms: Sequence[str], *, leg: str, allowed: NDArray[np.int64] | None = None
    ) -> TermStatistics:
        """Return what BM25 makes of the `allowed` units, for different `terms`."""
        ...

    def score_dense(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine of each of `ids`, NaN for those without a vector."""
        ...


class IndexStore(Protocol):
    """Opens and destroys indexes. `key` names a vault: its uid."""

    def open(self, key: str, *, dimensions: int) -> VaultIndex:
        """Return the vault's index, made where there is none."""
        ...

    def destroy(self, key: str) -> None:
        """Remove every trace of the vault's index."""
        ...

    def close(self) -> None:
        """Release what is open."""
        ...
