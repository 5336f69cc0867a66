"""Writes a planned change of one cube in its transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.app.writing import UPDATED, demand_blobs, fresh_vault, keep_quota
from memporium_services.vault.domain.lifecycle import searchable
from memporium_services.vault.domain.rows import ChangeRow, IndexTask
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.storage.index.vault_index import IndexEntry
    from memporium_services.vault.app.columns import UnitWork
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.links import LinkRow
    from memporium_services.vault.domain.rows import CubeRow, PayloadRow, TermRow, VaultRow, VersionRow
    from memporium_services.vault.ports import Store


@dataclass(frozen=True, slots=True)
class Plan:
    """A change ready to be written."""

    old: CubeRow
    new: CubeRow
    version: VersionRow
    payload: PayloadRow | None
    moved: PayloadRow | None
    terms: tuple[TermRow, ...] | None
    units: tuple[UnitWork, ...] | None
    blob_keys: tuple[str, ...] | None
    drop_object: str = ""
    links: tuple[LinkRow, ...] = ()


class StaleError(Exception):
    """The cube has moved on since the plan was made."""


@dataclass(frozen=True, slots=True)
class _IndexWork:
    """What a change does to units and index."""

    upserts: Sequence[int] = ()
    deletes: Sequence[int] = ()
    units: int = 0
    context_units: int = 0
    # Fresh entries that wait in memory; None: what comes back into the index is read from the store.
    entries: tuple[IndexEntry, ...] | None = ()

    def waiting(self, vault: VaultRow) -> Waiting:
        """Return what the follower takes; a number that never fits the chain makes it read the store."""
        if self.entries is None:
            return Waiting(-1, (), ())
        return Waiting(vault.index_revision, self.entries, self.deletes)


def apply_plan(rt: Runtime, store: Store, vault: VaultRow, plan: Plan) -> tuple[CubeRow, int, Waiting | None]:
    """Write a plan within the transaction."""
    old, new = plan.old, plan.new
    vault = fresh_vault(store, vault)
    keep_quota(rt, vault, cubes=0, size_bytes=max(0, new.size_bytes - old.size_bytes))
    work = _apply_units(store, vault, plan)
    indexed = bool(work.upserts or work.deletes)
    delta = VaultDelta(bytes_used=new.size_bytes - old.size_bytes, units=work.units, context_units=work.context_units)
    if plan.units and not vault.dimensions and plan.units[0].vector is not None:
        delta = delta._replace(dimensions=len(plan.units[0].vector))
    revision = store.bump(vault, delta, indexed=indexed)
    new = replace(new, revision=revision)
    if not store.save_cube(new, expected_version=old.version):
        raise StaleError
    store.insert_version(vault.uid, replace(plan.version, revision=revision))
    _apply_content(store, vault, plan)
    store.add_changes(vault.uid, [ChangeRow(revision, old.cube_id, UPDATED, new.update_us)])
    if not indexed:
        return new, revision, None
    store.add_task(vault.uid, IndexTask(revision, tuple(work.upserts), tuple(work.deletes)))
    return new, revision, work.waiting(vault)


def _apply_units(store: Store, vault: VaultRow, plan: Plan) -> _IndexWork:
    """Write new units, and find out which leave the index and which come."""
    cube_ids = [plan.old.cube_id]
    was, now = (searchable(condition_of(row, 0)) for row in (plan.old, plan.new))
    if plan.units is None:
        if was and not now:
            return _IndexWork(deletes=store.unit_ids(vault.uid, cube_ids))
        if now and not was:
            return _IndexWork(upserts=store.unit_ids(vault.uid, cube_ids), entries=None)
        return _IndexWork()
    deletes, gone_contexts = store.delete_units(vault.uid, cube_ids)
    ids = store.insert_units(vault, [work.row for work in plan.units])
    return _IndexWork(
        upserts=ids if now else (),
        deletes=deletes,
        units=len(ids) - len(deletes),
        context_units=sum(work.row.has_context for work in plan.units) - gone_contexts,
        entries=tuple(work.entry(unit_id) for work, unit_id in zip(plan.units, ids, strict=True)) if now else (),
    )


def _apply_content(store: Store, vault: VaultRow, plan: Plan) -> None:
    """Write new payload, blobs and words."""
    if plan.payload is not None:
        store.insert_payload(vault.uid, plan.payload)
    if plan.moved is not None:
        store.move_payload(vault.uid, plan.moved)
    if plan.blob_keys:
        demand_blobs(store, vault, plan.blob_keys)
        store.refer(vault.uid, plan.old.cube_id, plan.blob_keys)
    if plan.terms is not None:
        store.replace_terms(vault.uid, plan.old.cube_id, plan.terms)
    if plan.links:
        # Older versions were made of what they name, too: those links stay.
        store.link(vault.org, plan.links)
