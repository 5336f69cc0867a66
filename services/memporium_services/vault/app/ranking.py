"""Ranks the units of one vault: which may be found, what the index says, one fused score. Runs on a reader's thread."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from memporium_platform.storage.index.ranking import sorted_distinct
from memporium_services.vault.domain.fusion import CONTEXT, DENSE, OWN, Fused, fit_weights, fuse
from memporium_services.vault.domain.text import terms_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_platform.storage.index.vault_index import Hits, IndexStore, VaultIndex
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import Store

TAGS, FULL_TEXT, SEMANTIC, HYBRID = 1, 2, 3, 4
_MODE_LEGS = {FULL_TEXT: (OWN, CONTEXT), SEMANTIC: (DENSE,), HYBRID: (DENSE, OWN, CONTEXT)}
# Of one filter at one revision: 0.8 MB at 100,000 units.
_MAX_CACHED_FILTERS = 64


@dataclass(frozen=True, slots=True)
class Question:
    """What to rank by, in one vault.

    Attributes:
        vector: Of the query, by the vault's model; None: no dense leg.
        count: Candidates that each leg brings.
    """

    mode: int
    query: str
    vector: NDArray[np.float32] | None
    selection: Selection
    count: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """Units of one vault with a score a leg.

    Attributes:
        vault: The vault.
        mount: Name of the mount; "" for the vault itself.
        unit_ids: (n,) int64.
        scores: (n,) float64 by leg; NaN or 0 where the leg has none.
        ranks: (n,) rank from 1 by leg among the leg's own candidates; 0: it is none of them.
        index_us: Time in the index, microseconds.
    """

    vault: VaultRow
    mount: str
    unit_ids: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float64]]
    ranks: Mapping[str, NDArray[np.int64]]
    index_us: int = 0


class Ranked(NamedTuple):
    """One unit in the final order; `place` indexes its vault's candidates, `joined` those of all vaults together."""

    candidates: Candidates
    place: int
    score: float
    fused: Fused
    joined: int
    unit_id: int

    @property
    def normalised(self) -> dict[str, float]:
        """Its scaled score by leg."""
        return {leg: float(values[self.joined]) for leg, values in self.fused.normalised.items()}


class Ranking:
    """Searches the indexes. Safe to use from several threads."""

    def __init__(self, indexes: IndexStore) -> None:
        """Search these indexes."""
        self._indexes = indexes
        self._allowed: OrderedDict[tuple[object, ...], NDArray[np.int64]] = OrderedDict()
        self._lock = threading.Lock()

    def candidates(
        self, store: Store, vault: VaultRow, cipher: VaultCipher, *, mount: str, asked: Question
    ) -> Candidates | None:
        """Return the candidates of one vault; None: its index is behind and must be repaired first.

        Args:
            store: A snapshot that has seen every write that was acknowledged.
            vault: As that snapshot has it.
            cipher: Its cipher.
            mount: Name of the mount; "": the vault itself.
            asked: The question.
        """
        empty = Candidates(vault, mount, np.zeros(0, np.int64), {}, {})
        if vault.units == 0 or vault.dimensions == 0:
            return empty
        index = self.index_of(vault)
        if index is None:
            return None
        allowed = self.allowed(store, vault, asked.selection)
        if allowed is not None and len(allowed) == 0:
            return empty
        legs, terms = legs_of(vault, cipher, asked)
        started = time.perf_counter_ns()
        found = search_legs(index, legs, terms, asked.vector, asked.count, allowed)
        return Candidates(vault, mount, *found, index_us=(time.perf_counter_ns() - started) // 1000)

    def index_of(self, vault: VaultRow) -> VaultIndex | None:
        """Return a vault's index; None: it is behind and must be repaired first."""
        index = self._indexes.open(vault.uid, dimensions=vault.dimensions)
        return None if index.revision < vault.index_revision else index

    def allowed(self, store: Store, vault: VaultRow, selection: Selection) -> NDArray[np.int64] | None:
        """Return the units that may be found, sorted; None: all that are indexed."""
        if selection.unconditional and not store.hides_something(vault.uid, selection):
            return None
        # A filter's answer holds for one revision, and until the next cube's life is over: one second is near enough
        # for what stays cached, and the hit itself is checked again.
        key = (vault.uid, vault.revision, selection.now_us // 1_000_000, selection.key())
        with self._lock:
            known = self._allowed.get(key)
        if known is None:
            known = store.allowed(vault.uid, selection)
            with self._lock:
                self._allowed[key] = known
                while len(self._allowed) > _MAX_CACHED_FILTERS:
                    self._allowed.popitem(last=False)
        return known


def legs_of(vault: VaultRow, cipher: VaultCipher, asked: Question) -> tuple[list[str], list[str]]:
    """Return the legs that the vault and the question have, and the keyed terms to ask for."""
    words: dict[str, None] = {}
    for language in dict.fromkeys(("", *asked.selection.languages)):
        words.update(dict.fromkeys(terms_of(asked.query, language)))
    terms = list(dict.fromkeys(cipher.terms(list(words))))
    has = {
        DENSE: asked.vector is not None and len(asked.vector) == vault.dimensions,
        OWN: bool(terms),
        CONTEXT: bool(terms) and vault.context_units > 0,
    }
    return [leg for leg in _MODE_LEGS[asked.mode] if has[leg]], terms


def search_legs(
    index: VaultIndex,
    legs: Sequence[str],
    terms: Sequence[str],
    vector: NDArray[np.float32] | None,
    count: int,
    allowed: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]], dict[str, NDArray[np.int64]]]:
    """Ask each leg for its best, and give every candidate a score in every leg.

    Returns:
        Sorted ids (n,), scores (n,) by leg, ranks by leg.
    """
    hits = {}
    for leg in legs:
        if leg == DENSE and vector is not None:
            hits[leg] = index.search_dense(vector, k=count, allowed=allowed)
        else:
            hits[leg] = index.search_terms(terms, leg=leg, k=count, allowed=allowed)
    ids, scores, ranks = aligned(hits)
    if DENSE in hits and vector is not None and len(ids):
        # Candidates that only the text found need their cosine too, or they would fuse as if they meant nothing.
        scores[DENSE] = index.score_dense(vector, ids).astype(np.float64)
    return ids, scores, ranks


def aligned(
    hits: Mapping[str, Hits],
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]], dict[str, NDArray[np.int64]]]:
    """Lay what each leg found side by side, with a score of nothing where it did not find a candidate.

    Returns:
        Sorted ids (n,), scores (n,) by leg, ranks by leg.
    """
    if not hits:
        return np.zeros(0, np.int64), {}, {}
    ids = sorted_distinct(np.concatenate([found.ids for found in hits.values()]))
    scores: dict[str, NDArray[np.float64]] = {}
    ranks: dict[str, NDArray[np.int64]] = {}
    for leg, found in hits.items():
        places = np.searchsorted(ids, found.ids)
        values = scores[leg] = np.zeros(len(ids))
        values[places] = found.scores
        ranked = ranks[leg] = np.zeros(len(ids), np.int64)
        ranked[places] = np.arange(1, len(places) + 1)
    return ids, scores, ranks


def rank(
    found: Sequence[Candidates], given: Mapping[str, float] | None, limit: int
) -> tuple[list[Ranked], dict[str, float]]:
    """Fuse the candidates of all vaults together; return the best, and the weights that were used.

    Args:
        found: Candidates by vault.
        given: Weights of request or vault; None: fitted to the legs that there are.
        limit: How many.
    """
    legs = sorted({leg for one in found for leg in one.scores})
    weights = fit_weights(given, legs)
    sizes = [len(one.unit_ids) for one in found]
    if not legs or not sum(sizes):
        return [], weights
    joined = {
        leg: np.concatenate(
            [one.scores.get(leg, np.full(size, np.nan)) for one, size in zip(found, sizes, strict=True)]
        )
        for leg in legs
    }
    fused = fuse(joined, weights)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    best = fused.order[:limit]
    which = np.searchsorted(starts, best, side="right") - 1
    unit_ids = np.concatenate([one.unit_ids for one in found])[best]
    of_best = (which, best - starts[which], fused.scores[:limit], best, unit_ids)
    sources, places, scores, joined_at, ids = [column.tolist() for column in of_best]
    rows = zip(map(found.__getitem__, sources), places, scores, repeat(fused), joined_at, ids)
    return list(map(Ranked._make, rows)), weights
