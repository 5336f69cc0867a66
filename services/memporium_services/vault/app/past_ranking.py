"""Ranks what a vault held at an earlier moment: the index's part and what was made anew, as if one index held both.

Each lexical leg counts both parts for how rare a term is and how long units are, and vectors are compared one by one:
the scores are those that an index of then would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from memporium_platform.storage.index.bm25 import bm25, statistics
from memporium_platform.storage.index.ranking import top_k
from memporium_services.vault.app.ranking import aligned
from memporium_services.vault.domain.fusion import DENSE, OWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memporium_platform.storage.index.bm25 import List
    from memporium_platform.storage.index.vault_index import Hits, TermStatistics, VaultIndex
    from memporium_services.vault.app.past_cubes import PastCube, PastUnit

    Scored = tuple[NDArray[np.int64], dict[str, NDArray[np.float64]], dict[str, NDArray[np.int64]]]


class TermLists(NamedTuple):
    """Units by place that have each of some terms, and the (n,) lengths of all."""

    lists: list[List]
    lengths: NDArray[np.float32]

    @property
    def sizes(self) -> tuple[int, int]:
        """How many have terms, and how many terms they have together."""
        return int(np.count_nonzero(self.lengths)), int(self.lengths.sum(dtype=np.float64))

    @property
    def statistics(self) -> TermStatistics:
        """What BM25 makes of them."""
        return statistics(self.lists, lengths=self.lengths, sizes=self.sizes, allowed=None)


@dataclass(frozen=True, slots=True)
class PastUnits:
    """Units of then that may be found; the unit at place `i` of `n` has the id `i - n`, which no unit of now has."""

    units: tuple[PastUnit, ...]
    cubes: tuple[PastCube, ...]

    @property
    def has_context(self) -> bool:
        """Whether any of them has a context."""
        return any(unit.context for unit in self.units)

    def at(self, unit_id: int) -> tuple[PastCube, PastUnit]:
        """Return a unit with its cube by its id."""
        return self.cubes[unit_id], self.units[unit_id]

    def ids(self) -> NDArray[np.int64]:
        """Return the (n,) ids, by place."""
        return np.arange(-len(self.units), 0, dtype=np.int64)

    def cosines(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (n,) cosine of each unit, NaN for those without a vector."""
        scores = np.full(len(self.units), np.nan, np.float32)
        vectors = [(place, unit.work.vector) for place, unit in enumerate(self.units)]
        known = [(place, vector) for place, vector in vectors if vector is not None]
        if known:
            scores[[place for place, _ in known]] = np.stack([vector for _, vector in known]) @ query
        return scores

    def lists(self, terms: Sequence[str], leg: str) -> TermLists:
        """Return where the terms stand, as BM25 takes it."""
        counted = [unit.own if leg == OWN else unit.context for unit in self.units]
        lists: list[List] = []
        for term in terms:
            places = [place for place, one in enumerate(counted) if term in one]
            frequencies = np.array([counted[place][term] for place in places], np.float32)
            lists.append((np.array(places, np.int64), frequencies, 1))
        return TermLists(lists, np.array([one.total() for one in counted], np.float32))

    def by_terms(self, lists: TermLists, *, k: int, beside: TermStatistics) -> Hits:
        """Return the best by BM25, `beside` what the index holds."""
        places, scores = bm25(lists.lists, lengths=lists.lengths, sizes=lists.sizes, allowed=None, beside=beside)
        return top_k(self.ids()[places], scores, k)

    def by_meaning(self, query: NDArray[np.float32], *, k: int) -> Hits:
        """Return the nearest."""
        scores = self.cosines(query)
        known = np.flatnonzero(~np.isnan(scores))
        return top_k(self.ids()[known], scores[known], k)


def search_then(
    index: VaultIndex,
    past: PastUnits,
    legs: Sequence[str],
    terms: Sequence[str],
    vector: NDArray[np.float32] | None,
    *,
    count: int,
    allowed: NDArray[np.int64],
) -> Scored:
    """Ask each leg of both parts for its best, and give every candidate a score in every leg.

    Args:
        index: Of now.
        past: What it does not hold as it was.
        legs: The legs.
        terms: Different keyed terms.
        vector: Of the query.
        count: Candidates that each leg brings.
        allowed: Units of the index that were the same then.

    Returns:
        Sorted ids (n,), scores (n,) by leg, ranks by leg.
    """
    hits: dict[str, Hits] = {}
    for leg in legs:
        if leg == DENSE and vector is not None:
            here = index.search_dense(vector, k=count, allowed=allowed)
            there = past.by_meaning(vector, k=count)
        else:
            lists = past.lists(terms, leg)
            here = index.search_terms(terms, leg=leg, k=count, allowed=allowed, beside=lists.statistics)
            of_here = index.term_statistics(terms, leg=leg, allowed=allowed)
            there = past.by_terms(lists, k=count, beside=of_here)
        hits[leg] = top_k(np.concatenate([here.ids, there.ids]), np.concatenate([here.scores, there.scores]), count)
    ids, scores, ranks = aligned(hits)
    if DENSE in hits and vector is not None and len(ids):
        scores[DENSE] = _cosines(index, past, vector, ids)
    return ids, scores, ranks


def _cosines(
    index: VaultIndex, past: PastUnits, vector: NDArray[np.float32], ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    found = np.full(len(ids), np.nan)
    then = ids < 0
    if then.any():
        found[then] = past.cosines(vector)[ids[then]]
    if not then.all():
        found[~then] = index.score_dense(vector, ids[~then])
    return found
