"""Writes drafts in one transaction: duplicates found, quotas kept, cubes, units, index task, changes and audit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.errors import PlatformError, Reason, already_exists
from memporium_services.vault.app.codec import open_unit
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.retention import settings_of
from memporium_services.vault.domain.rows import ChangeRow, IndexTask, RelationRow
from memporium_services.vault.domain.simhash import MAX_DISTANCE, distance
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

CREATED, UPDATED, FORGOTTEN = 1, 2, 3
NEAR_DUPLICATE = 4
IGNORE_NEAR = 2
# Cosine from which on two texts with like SimHashes count as nearly the same.
NEAR_COSINE = 0.9
_MAX_NEAR = 16


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one draft: the row as stored, and what it was found to be like."""

    row: CubeRow
    deduplicated: bool = False
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What a write did; `waiting` is for the index, None: nothing to index."""

    vault: VaultRow
    revision: int
    written: tuple[Written, ...] = ()
    waiting: Waiting | None = None
    extra: object = field(default=None)


def fresh_vault(store: Store, vault: VaultRow) -> VaultRow:
    """Return the vault as this transaction sees it.

    Raises:
        PlatformError: CONFLICT, where it was deleted meanwhile.
    """
    fresh = store.vault_by_uid(vault.uid)
    if fresh is None:
        raise PlatformError(Reason.CONFLICT, f"{vault.name} was deleted", metadata={"resource": vault.name})
    return fresh


def keep_quota(rt: Runtime, vault: VaultRow, *, cubes: int, size_bytes: int) -> None:
    """Refuse what is beyond the vault's quota.

    Raises:
        PlatformError: QUOTA_EXCEEDED.
    """
    quota = settings_of(vault.settings).quota
    limits = (
        ("cubes", vault.cubes + cubes, quota.max_cubes or rt.settings.max_cubes),
        ("bytes", vault.bytes_used + size_bytes, quota.max_bytes or rt.settings.max_bytes),
    )
    for name, wanted, limit in limits:
        if wanted > limit:
            raise PlatformError(
                Reason.QUOTA_EXCEEDED,
                f"{vault.name} may hold {limit} {name}",
                metadata={"quota": f"vault.{name}", "limit": str(limit)},
            )


def write_drafts(
    rt: Runtime, store: Store, vault: VaultRow, cipher: VaultCipher, drafts: Sequence[Draft], *, now_us: int
) -> WriteOutcome:
    """Store drafts, all or none, within the transaction; exact duplicates are returned instead.

    Raises:
        PlatformError: ALREADY_EXISTS, QUOTA_EXCEEDED, BLOB_MISSING, MODEL_MISMATCH.
    """
    vault = fresh_vault(store, vault)
    known = store.by_dedup(vault.uid, [draft.row.dedup for draft in drafts])
    taken = store.cubes(vault.uid, [draft.row.cube_id for draft in drafts], hidden=True)
    new: dict[str, Draft] = {}
    for draft in drafts:
        row = draft.row
        if row.dedup in known or row.dedup in new:
            continue
        if row.cube_id in taken or any(other.row.cube_id == row.cube_id for other in new.values()):
            raise already_exists(f"{vault.name}/cubes/{row.cube_id}")
        new[row.dedup] = draft
    if not new:
        return WriteOutcome(vault, vault.revision, tuple(Written(known[d.row.dedup], True) for d in drafts))
    fresh = list(new.values())
    keep_quota(rt, vault, cubes=len(fresh), size_bytes=sum(draft.row.size_bytes for draft in fresh))
    demand_blobs(store, vault, [key for draft in fresh for key in draft.blob_keys])
    near = {} if settings_of(vault.settings).near_duplicates == IGNORE_NEAR else _near(store, vault, cipher, fresh)
    outcome = insert_drafts(store, vault, fresh, now_us=now_us)
    _relate_near(rt, store, vault, near, now_us=now_us)
    rows = {written.row.dedup: written for written in outcome.written}
    written = []
    for draft in drafts:
        dedup, row = draft.row.dedup, known.get(draft.row.dedup) or rows[draft.row.dedup].row
        similar = tuple(other.cube_id for other, _ in near.get(row.cube_id, ()))
        written.append(Written(row, dedup in known or draft is not new[dedup], similar))
    return WriteOutcome(outcome.vault, outcome.revision, tuple(written), outcome.waiting)


def insert_drafts(store: Store, vault: VaultRow, drafts: Sequence[Draft], *, now_us: int) -> WriteOutcome:
    """Store drafts that are known to be new, as one revision."""
    works = [work for draft in drafts for work in draft.units]
    dimensions = max((draft.dimensions for draft in drafts), default=0)
    if vault.dimensions and dimensions not in {0, vault.dimensions}:
        raise PlatformError(
            Reason.MODEL_MISMATCH,
            f"vectors of {vault.name} have length {vault.dimensions}",
            metadata={"expected": str(vault.dimensions), "actual": str(dimensions)},
        )
    delta = VaultDelta(
        cubes=len(drafts),
        bytes_used=sum(draft.row.size_bytes for draft in drafts),
        units=len(works),
        context_units=sum(work.row.has_context for work in works),
        dimensions=dimensions,
    )
    revision = store.bump(vault, delta, indexed=bool(works))
    rows = [replace(draft.row, revision=revision) for draft in drafts]
    store.insert_cubes(
        vault.uid,
        cubes=rows,
        versions=[replace(draft.version, revision=revision) for draft in drafts],
        payloads=[draft.payload for draft in drafts],
        terms=[term for draft in drafts for term in draft.terms],
    )
    for draft in drafts:
        store.refer(vault.uid, draft.row.cube_id, draft.blob_keys)
    waiting = None
    if works:
        ids = store.insert_units(vault, [work.row for work in works])
        store.add_task(vault.uid, IndexTask(revision, tuple(ids), ()))
        entries = [work.entry(unit_id) for work, unit_id in zip(works, ids, strict=True)]
        waiting = Waiting(vault.index_revision, entries, ())
    store.add_changes(vault.uid, [ChangeRow(revision, row.cube_id, CREATED, now_us) for row in rows])
    vault = replace(vault, revision=revision, dimensions=vault.dimensions or dimensions)
    return WriteOutcome(vault, revision, tuple(Written(row) for row in rows), waiting)


def demand_blobs(store: Store, vault: VaultRow, keys: Sequence[str]) -> None:
    """Refuse cubes whose blobs are not there.

    Raises:
        PlatformError: BLOB_MISSING.
    """
    if not keys:
        return
    there = store.blobs(vault.uid, keys)
    if any(key not in there or not there[key].complete for key in keys):
        raise PlatformError(Reason.BLOB_MISSING, "a blob of the cube was not uploaded to the vault")


def _near(
    store: Store, vault: VaultRow, cipher: VaultCipher, drafts: Sequence[Draft]
) -> dict[str, list[tuple[CubeRow, float]]]:
    """Return, by new cube, older ones with a like SimHash and a like meaning."""
    tokens = sorted({token for draft in drafts for token in draft.band_tokens})
    if not tokens:
        return {}
    older = store.by_band(vault.uid, tokens, limit=_MAX_NEAR * len(drafts))
    found: dict[str, list[tuple[CubeRow, float]]] = {}
    means: dict[str, NDArray[np.float32] | None] = {}
    for draft in drafts:
        like = [row for row in older if draft.row.simhash and distance(row.simhash, draft.row.simhash) <= MAX_DISTANCE]
        for row in like[:_MAX_NEAR]:
            if row.cube_id not in means:
                stored = [open_unit(unit, cipher).vector for unit in store.units_of(vault.uid, [row.cube_id])]
                means[row.cube_id] = _mean(stored)
            cosine = _cosine(_mean([work.vector for work in draft.units]), means[row.cube_id])
            if cosine >= NEAR_COSINE and _may_know(draft, row):
                found.setdefault(draft.row.cube_id, []).append((row, cosine))
    return found


def _may_know(draft: Draft, row: CubeRow) -> bool:
    """Return whether the new cube's owner sees the older one."""
    return row.scope != 1 or row.owner == draft.row.owner


def _mean(vectors: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    known = [vector for vector in vectors if vector is not None]
    return np.mean(known, axis=0) if known else None


def _cosine(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> float:
    if a is None or b is None or len(a) != len(b):
        return 0.0
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0


def _relate_near(
    rt: Runtime, store: Store, vault: VaultRow, near: dict[str, list[tuple[CubeRow, float]]], *, now_us: int
) -> None:
    rows = [
        RelationRow(rt.new_id(), cube_id, NEAR_DUPLICATE, other.cube_id, cosine, b"", now_us, "services/vault")
        for cube_id, others in near.items()
        for other, cosine in others
    ]
    if rows:
        store.insert_relations(vault.uid, rows)
