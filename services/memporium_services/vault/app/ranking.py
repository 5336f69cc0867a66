"""Ranks the units of one vault: which may be found, what the index says, one fused score."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.vault.domain.fusion import CONTEXT, DENSE, OWN, fit_weights, fuse
from memporium_services.vault.domain.text import terms_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from memporium_platform.storage.index.vault_index import VaultIndex
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.domain.selection import Selection

TAGS, FULL_TEXT, SEMANTIC, HYBRID = 1, 2, 3, 4
_MODE_LEGS = {FULL_TEXT: (OWN, CONTEXT), SEMANTIC: (DENSE,), HYBRID: (DENSE, OWN, CONTEXT)}
# Of one filter at one revision: 0.8 MB at 100,000 units.
_MAX_CACHED_FILTERS = 64


@dataclass(frozen=True, slots=True)
class Candidates:
    """Units of one vault with a score a leg.

    Attributes:
        vault: The vault.
        mount: Name of the mount; "" for the vault itself.
        unit_ids: (n,) int64.
        scores: (n,) float64 by leg; NaN or 0 where the leg has none.
        ranks: Rank from 1 by unit, by leg, among the leg's own candidates.
    """

    vault: VaultRow
    mount: str
    unit_ids: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float64]]
    ranks: Mapping[str, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One unit in the final order; `place` indexes its vault's candidates."""

    candidates: Candidates
    place: int
    score: float
    normalised: Mapping[str, float]

    @property
    def unit_id(self) -> int:
        """Its id."""
        return int(self.candidates.unit_ids[self.place])


class Ranking:
    """Searches the indexes."""

    def __init__(self, rt: Runtime, follower: IndexFollower) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower
        self._allowed: OrderedDict[tuple[object, ...], NDArray[np.int64]] = OrderedDict()

    async def candidates(
        self,
        vault: VaultRow,
        cipher: VaultCipher,
        *,
        mount: str,
        mode: int,
        query: str,
        vector: NDArray[np.float32] | None,
        selection: Selection,
        count: int,
    ) -> tuple[Candidates, int]:
        """Return the candidates of one vault, and the time in the index in microseconds."""
        empty = Candidates(vault, mount, np.zeros(0, np.int64), {}, {})
        if vault.units == 0 or vault.dimensions == 0:
            return empty, 0
        index = await self._follower.index(vault)
        allowed = await self._allowed_units(vault, cipher, selection)
        if allowed is not None and len(allowed) == 0:
            return empty, 0
        legs = list(_MODE_LEGS[mode])
        terms: list[str] = []
        for language in dict.fromkeys(("", *selection.languages)):
            terms += terms_of(query, language)
        keyed = list(dict.fromkeys(cipher.terms(terms)))
        if not keyed:
            legs = [leg for leg in legs if leg == DENSE]
        if vector is None or len(vector) != vault.dimensions:
            legs = [leg for leg in legs if leg != DENSE]
        if vault.context_units == 0:
            legs = [leg for leg in legs if leg != CONTEXT]
        started = time.perf_counter_ns()
        found = await asyncio.to_thread(_search, index, legs, keyed, vector, count, allowed)
        return Candidates(vault, mount, *found), (time.perf_counter_ns() - started) // 1000

    async def _allowed_units(
        self, vault: VaultRow, cipher: VaultCipher, selection: Selection
    ) -> NDArray[np.int64] | None:
        """Return the units that may be found, sorted; None: all that are indexed."""
        rt = self._rt
        if selection.unconditional:
            hidden = await rt.db.read(lambda conn: rt.store(conn).hides_something(vault.uid, selection))
            if not hidden:
                return None
        # A filter's answer holds for one revision, and until the next cube's life is over: one second is near enough
        # for what stays cached, and the hit itself is checked again.
        key = (vault.uid, vault.revision, selection.now_us // 1_000_000, selection.key())
        known = self._allowed.get(key)
        if known is None:
            known = await rt.db.read(lambda conn: rt.store(conn, cipher.token).allowed(vault.uid, selection))
            self._allowed[key] = known
            while len(self._allowed) > _MAX_CACHED_FILTERS:
                self._allowed.popitem(last=False)
        return known


def _search(
    index: VaultIndex,
    legs: list[str],
    terms: list[str],
    vector: NDArray[np.float32] | None,
    count: int,
    allowed: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]], dict[str, dict[int, int]]]:
    """Ask each leg for its best, and give every candidate a score in every leg."""
    hits = {}
    for leg in legs:
        if leg == DENSE and vector is not None:
            hits[leg] = index.search_dense(vector, k=count, allowed=allowed)
        else:
            hits[leg] = index.search_terms(terms, leg=leg, k=count, allowed=allowed)
    if not hits:
        return np.zeros(0, np.int64), {}, {}
    ids = np.unique(np.concatenate([found.ids for found in hits.values()]))
    scores: dict[str, NDArray[np.float64]] = {}
    ranks: dict[str, dict[int, int]] = {}
    for leg, found in hits.items():
        values = np.zeros(len(ids))
        values[np.searchsorted(ids, found.ids)] = found.scores
        ranks[leg] = {unit_id: rank for rank, unit_id in enumerate(found.ids.tolist(), 1)}
        scores[leg] = values
    if DENSE in hits and vector is not None and len(ids):
        # Candidates that only the text found need their cosine too, or they would fuse as if they meant nothing.
        scores[DENSE] = index.score_dense(vector, ids).astype(np.float64)
    return ids, scores, ranks


def rank(
    found: list[Candidates], given: Mapping[str, float] | None, limit: int
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
    best: list[Ranked] = []
    for score, place in zip(fused.scores[:limit].tolist(), fused.order[:limit].tolist(), strict=True):
        which = int(np.searchsorted(starts, place, side="right")) - 1
        normalised = {leg: float(values[place]) for leg, values in fused.normalised.items()}
        best.append(Ranked(found[which], place - int(starts[which]), score, normalised))
    return best, weights
