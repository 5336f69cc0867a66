"""Writes drafts in one transaction: duplicates found, quotas kept, cubes, units, index task, changes and audit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, already_exists
from memporium_services.vault.app import near as near_duplicates
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.made import note_links
from memporium_services.vault.app.retention import settings_of
from memporium_services.vault.domain.rows import ChangeRow, IndexTask
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

CREATED, UPDATED, FORGOTTEN = 1, 2, 3


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
    if settings_of(vault.settings).near_duplicates == near_duplicates.MERGE:
        drafts = _merged(store, vault, drafts, known)
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
    policy = settings_of(vault.settings).near_duplicates
    near = {} if policy == near_duplicates.IGNORE else near_duplicates.find_near(store, vault, cipher, fresh)
    outcome = insert_drafts(store, vault, near_duplicates.stood_for(fresh, near), now_us=now_us)
    near_duplicates.relate_near(rt, store, vault, near, now_us=now_us)
    rows = {written.row.dedup: written for written in outcome.written}
    written = []
    for draft in drafts:
        dedup, row = draft.row.dedup, known.get(draft.row.dedup) or rows[draft.row.dedup].row
        similar = tuple(other for other, _ in near.get(row.cube_id, ()))
        written.append(Written(row, dedup in known or draft is not new[dedup], similar))
    return WriteOutcome(outcome.vault, outcome.revision, tuple(written), outcome.waiting)


def _merged(store: Store, vault: VaultRow, drafts: Sequence[Draft], known: dict[str, CubeRow]) -> list[Draft]:
    """Let drafts that say what a cube or an earlier draft says already count as exact duplicates of it."""
    held = store.by_same(vault.uid, sorted({draft.same for draft in drafts if draft.same}))
    first: dict[str, str] = {}
    found = []
    for draft in drafts:
        if draft.same and draft.row.dedup not in known:
            if draft.same in held:
                known[draft.row.dedup] = held[draft.same]
            else:
                stands = first.setdefault(draft.same, draft.row.dedup)
                draft = replace(draft, row=replace(draft.row, dedup=stands))  # noqa: PLW2901 - as another one
        found.append(draft)
    return found


def note_licences(store: Store, vault: VaultRow, cubes: Iterable[Cube]) -> None:
    """Remember the agreements that cubes of an own vault came under: at the end of one they are looked for there."""
    agreements = {licence.agreement for cube in cubes for licence in cube.governance.licences}
    store.note_licensed(vault.uid, agreements - {vault.agreement})


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
    note_licences(store, vault, [draft.cube for draft in drafts])
    note_links(store, vault, [(draft.row.cube_id, draft.cube) for draft in drafts])
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
