"""Finds near duplicates of new cubes in bounded time, and those that say nothing new.

Rules:
    1. Candidates share a band of the SimHash; of each band at most `_PER_BAND` are read, of those at a distance of at
       most `MAX_DISTANCE` the nearest `_COMPARED` have their vectors compared.
    2. A cube is linked to at most `MAX_LINKS` older ones. One that has so many is not found by its bands itself: the
       older ones stand for it. So however often the same is said, a band lists few of it.
    3. Whether a cube says nothing new is told by its canonical form, which one keyed word finds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.vault.app.codec import open_unit
from memporium_services.vault.domain.rows import RelationRow
from memporium_services.vault.domain.selection import BAND
from memporium_services.vault.domain.simhash import MAX_DISTANCE, distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import Banded, VaultRow
    from memporium_services.vault.ports import Store

    Near = dict[str, list[tuple[str, float]]]

NEAR_DUPLICATE = 4
# Numbers of memporium.vault.v1.NearDuplicatePolicy.
IGNORE, MERGE = 2, 3
# Cosine from which on two texts with like SimHashes count as nearly the same.
NEAR_COSINE = 0.9
MAX_LINKS = 4
_PER_BAND = 64
_COMPARED = 8
# Bands that one query asks for.
_BANDS_AT_ONCE = 64
_PRIVATE = 1


def find_near(store: Store, vault: VaultRow, cipher: VaultCipher, drafts: Sequence[Draft]) -> Near:
    """Return, by new cube, the ids of older ones with a like SimHash and a like meaning, with their cosines."""
    by_band = _banded(store, vault, sorted({token for draft in drafts for token in draft.band_tokens}))
    if not by_band:
        return {}
    like = {draft.row.cube_id: _like(draft, by_band) for draft in drafts}
    means = _means(store, vault, cipher, sorted({one.cube_id for some in like.values() for one in some}))
    found: Near = {}
    for draft in drafts:
        mean = _mean([work.vector for work in draft.units])
        for one in like[draft.row.cube_id]:
            cosine = _cosine(mean, means.get(one.cube_id))
            links = found.setdefault(draft.row.cube_id, [])
            if cosine >= NEAR_COSINE and len(links) < MAX_LINKS:
                links.append((one.cube_id, cosine))
    return {cube_id: links for cube_id, links in found.items() if links}


def stood_for(drafts: Sequence[Draft], near: Near) -> list[Draft]:
    """Return the drafts, without the bands of those that have older cubes enough to stand for them."""
    return [
        replace(draft, terms=tuple(term for term in draft.terms if term.kind != BAND))
        if len(near.get(draft.row.cube_id, ())) >= MAX_LINKS
        else draft
        for draft in drafts
    ]


def relate_near(rt: Runtime, store: Store, vault: VaultRow, near: Near, *, now_us: int) -> None:
    """Link new cubes to what they are nearly the same as."""
    rows = [
        RelationRow(rt.new_id(), cube_id, NEAR_DUPLICATE, other, cosine, b"", now_us, "services/vault")
        for cube_id, others in near.items()
        for other, cosine in others
    ]
    if rows:
        store.insert_relations(vault.uid, rows)


def _banded(store: Store, vault: VaultRow, tokens: Sequence[str]) -> dict[str, list[Banded]]:
    found: dict[str, list[Banded]] = {}
    for start in range(0, len(tokens), _BANDS_AT_ONCE):
        some = tokens[start : start + _BANDS_AT_ONCE]
        for row in store.by_band(vault.uid, some, limit=_PER_BAND * len(some)):
            found.setdefault(row.token, []).append(row)
    return found


def _like(draft: Draft, by_band: dict[str, list[Banded]]) -> list[Banded]:
    """Return the nearest that the new cube's owner may know of, nearest first."""
    found: dict[str, tuple[int, Banded]] = {}
    for token in draft.band_tokens:
        for row in by_band.get(token, ()):
            away = distance(row.simhash, draft.row.simhash)
            if away <= MAX_DISTANCE and (row.scope != _PRIVATE or row.owner == draft.row.owner):
                found[row.cube_id] = away, row
    return [row for _, row in sorted(found.values(), key=lambda one: (one[0], one[1].cube_id))[:_COMPARED]]


def _means(
    store: Store, vault: VaultRow, cipher: VaultCipher, cube_ids: Sequence[str]
) -> dict[str, NDArray[np.float32] | None]:
    vectors: dict[str, list[NDArray[np.float32] | None]] = {}
    if cube_ids:
        for row in store.units_of(vault.uid, cube_ids):
            vectors.setdefault(row.cube_id, []).append(open_unit(row, cipher).vector)
    return {cube_id: _mean(some) for cube_id, some in vectors.items()}


def _mean(vectors: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    known = [vector for vector in vectors if vector is not None]
    return np.mean(known, axis=0) if known else None


def _cosine(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> float:
    if a is None or b is None or len(a) != len(b):
        return 0.0
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0
