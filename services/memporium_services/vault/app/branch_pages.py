"""One page of a branch: read as it was, drafted under the branch's key, and written together with how far it is.

A page is written only of what the other vault still holds: what is forgotten there between the reading and the writing
is not copied, and what was copied before goes by the transaction that forgets.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from memporium.cube.v1 import cube_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.drafting import Origin, Wanted, draft_cubes
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.made import note_links
from memporium_services.vault.app.reading import load_payloads
from memporium_services.vault.app.writing import CREATED, demand_blobs, fresh_vault, keep_quota, note_licences
from memporium_services.vault.domain.lifecycle import Condition, State, searchable
from memporium_services.vault.domain.rows import ChangeRow, IndexTask
from memporium_services.vault.domain.selection import PRIVATE
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.pace import Pace
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import BranchRow, CubeRow, UnitRow, VaultRow
    from memporium_services.vault.ports import Store

_TENSORS = (cube_pb2.MEMORY_FORM_ACTIVATION, cube_pb2.MEMORY_FORM_PARAMETER)
# Cubes that are drafted before others get their turn.
_AT_ONCE = 16
# All cubes of a branch are of its first revision, however many pages they came in: there is no moment at which it held
# but some of them.
_FIRST_REVISION = 1


@dataclass(frozen=True, slots=True)
class Ends:
    """The vault that is copied, and the branch, each with its cipher; `reader` sees no others' private cubes."""

    source: VaultRow
    branch: VaultRow
    of_source: VaultCipher
    of_branch: VaultCipher
    reader: str


@dataclass(frozen=True, slots=True)
class PageWritten:
    """What a page left: the branch, how far it is, and what its index has to take in."""

    branch: VaultRow
    at: BranchRow
    revision: int = 0
    waiting: Waiting | None = None


async def draft_page(
    rt: Runtime, ends: Ends, page: Sequence[tuple[CubeRow, CubeRow]], origin: Origin, pace: Pace
) -> list[tuple[str, Draft]]:
    """Return the drafts of a page's cubes, as they were and as they are; each with the uid that it has there.

    Drafting is what takes the interpreter for itself: it is done some cubes at a time, with rests.
    """
    source = ends.source
    kept = [pair for pair in page if pair[0].form not in _TENSORS and pair[0].state != State.EXPIRED]
    if not kept:
        return []
    rows = [then for then, _ in kept]
    payloads = await load_payloads(rt, source, rows, ends.of_source)
    same = [then.cube_id for then, now in kept if _same_content(then, now, ends.of_source)]
    units = await rt.db.read(lambda conn: rt.store(conn).units_of(source.uid, same))
    vectors = await asyncio.to_thread(_vectors, units, ends.of_source)
    uids = {row.cube_id: row.uid for row in rows}
    drafts: list[Draft] = []
    for start in range(0, len(rows), _AT_ONCE):
        await pace.rest()
        wanted = await asyncio.to_thread(_copies, ends, rows[start : start + _AT_ONCE], payloads, vectors)
        drafts += await draft_cubes(rt, ends.branch, ends.of_branch, wanted, origin)
    await pace.rest()
    return [(uids[draft.row.cube_id], draft) for draft in drafts]


def write_page(
    rt: Runtime,
    store: Store,
    ends: Ends,
    at: BranchRow,
    drafts: Sequence[tuple[str, Draft]],
    *,
    after_id: str,
    looked_at: int,
) -> PageWritten:
    """Write a page within the transaction.

    Raises:
        PlatformError: CONFLICT, where another call goes on with the branch, or it was given up; QUOTA_EXCEEDED.
    """
    now_us = rt.now_us()
    moved = store.advance_branch(at, after_id=after_id, looked_at=looked_at, now_us=now_us)
    if moved is None:
        raise moved_on(ends.branch)
    branch = fresh_vault(store, ends.branch)
    present = store.uids_of(ends.source.uid, [draft.row.cube_id for _, draft in drafts])
    # One that was forgotten, and made anew under the same id, is another.
    new = [draft for uid, draft in drafts if present.get(draft.row.cube_id) == uid]
    if not new:
        return PageWritten(branch, moved)
    size_bytes = sum(draft.row.size_bytes for draft in new)
    keep_quota(rt, branch, cubes=len(new), size_bytes=size_bytes)
    demand_blobs(store, branch, [key for draft in new for key in draft.blob_keys])
    works = [unit for draft in new for unit in draft.units]
    dimensions = 0 if branch.dimensions else max(draft.dimensions for draft in new)
    indexed = {draft.row.cube_id for draft in new if searchable(Condition(State(draft.row.state)))}
    indexed &= {unit.row.cube_id for unit in works}
    delta = VaultDelta(
        cubes=len(new),
        bytes_used=size_bytes,
        units=len(works),
        context_units=sum(unit.row.has_context for unit in works),
        dimensions=dimensions,
    )
    revision = store.bump(branch, delta, indexed=bool(indexed))
    ids = _insert(store, branch, new, now_us=now_us)
    branch = replace(branch, revision=revision, dimensions=branch.dimensions or dimensions)
    if not indexed:
        return PageWritten(branch, moved)
    entries = [unit.entry(unit_id) for unit, unit_id in zip(works, ids, strict=True) if unit.row.cube_id in indexed]
    store.add_task(branch.uid, IndexTask(revision, tuple(entry.unit_id for entry in entries), ()))
    waiting = Waiting(branch.index_revision, entries, ())
    return PageWritten(replace(branch, index_revision=revision), moved, revision, waiting)


def moved_on(branch: VaultRow) -> PlatformError:
    """Return the refusal of a call that another one came before."""
    text = f"{branch.name} was gone on with, or given up, by another call"
    return PlatformError(Reason.CONFLICT, text, metadata={"resource": branch.name})


def _insert(store: Store, branch: VaultRow, drafts: Sequence[Draft], *, now_us: int) -> list[int]:
    store.insert_cubes(
        branch.uid,
        cubes=[replace(draft.row, revision=_FIRST_REVISION) for draft in drafts],
        versions=[replace(draft.version, revision=_FIRST_REVISION) for draft in drafts],
        payloads=[draft.payload for draft in drafts],
        terms=[term for draft in drafts for term in draft.terms],
    )
    note_licences(store, branch, [draft.cube for draft in drafts])
    note_links(store, branch, [(draft.row.cube_id, draft.cube) for draft in drafts])
    for draft in drafts:
        store.refer(branch.uid, draft.row.cube_id, draft.blob_keys)
    store.add_changes(branch.uid, [ChangeRow(_FIRST_REVISION, draft.row.cube_id, CREATED, now_us) for draft in drafts])
    return store.insert_units(branch, [unit.row for draft in drafts for unit in draft.units])


def _copies(
    ends: Ends,
    rows: Sequence[CubeRow],
    payloads: Mapping[str, bytes],
    vectors: Mapping[str, NDArray[np.float32]],
) -> list[Wanted]:
    """Return what is to be made of rows as they were; units that are still the same bring their vectors along."""
    found: list[Wanted] = []
    for row in rows:
        stored = payloads.get(row.cube_id, b"")
        cube = codec.cube_of(ends.source, row, ends.of_source, payload=stored)
        if ends.reader and cube.governance.access_scope == PRIVATE and row.owner != ends.reader:
            continue
        _set_free(cube, ends.source, ends.branch)
        drafts = content.units_of(cube)
        given = vectors.get(row.cube_id)
        found.append(
            Wanted(
                row.cube_id,
                cube,
                given if given is not None and len(given) == len(drafts) else None,
                owner=row.owner,
                create_us=row.create_us,
                state=row.state,
                units=drafts,
                stored=stored,
                simhash=row.simhash if given is not None else 0,
            )
        )
    return found


def _set_free(cube: Cube, source: VaultRow, branch: VaultRow) -> None:
    """Make a copy to try things with: the originals are frozen or held; copies go when the branch goes."""
    cube.governance.frozen = cube.governance.legal_hold = False
    parents = cube.behavioural.lineage.parents
    if parents:
        prefix = f"{source.name}/cubes/"
        parents[:] = [
            f"{branch.name}{name.removeprefix(source.name)}" if name.startswith(prefix) else name for name in parents
        ]


def _vectors(units: Sequence[UnitRow], cipher: VaultCipher) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of cubes all of whose units have one, in the units' order."""
    found: dict[str, list[NDArray[np.float32] | None]] = {}
    for unit in units:
        found.setdefault(unit.cube_id, []).append(codec.vector_in(unit, cipher))
    whole = {cube_id: [one for one in its if one is not None] for cube_id, its in found.items()}
    return {cube_id: np.stack(its) for cube_id, its in whole.items() if len(its) == len(found[cube_id])}


def _same_content(then: CubeRow, now: CubeRow, cipher: VaultCipher) -> bool:
    """Return whether the units of now are those of then: neither payload nor what is told beside it has changed."""
    if then.payload_version != now.payload_version:
        return False
    return then.version == now.version or (
        cipher.open(then.meta_sealed, "meta", then.uid, then.version)
        == cipher.open(now.meta_sealed, "meta", now.uid, now.version)
    )
