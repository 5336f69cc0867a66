"""The two transactions of an import: staging what comes, hidden, and publishing all of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app import codec
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.kept_names import KeptNames
from memporium_services.vault.app.made import links_to, note_links
from memporium_services.vault.app.writing import (
    CREATED,
    FORGOTTEN,
    demand_blobs,
    fresh_vault,
    keep_quota,
    note_licences,
)
from memporium_services.vault.domain.lifecycle import Condition, State, searchable
from memporium_services.vault.domain.rows import ChangeRow, IndexTask, Removed
from memporium_services.vault.domain.selection import Selection
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.storage.index.vault_index import IndexEntry
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

_PAGE = 1000
# Units of an import whose index entries stay in memory until they are public: some 35 MB. Of a larger one they are read
# back, piece by piece, which costs a fifth more.
KEPT_UNITS = 16_384


@dataclass(slots=True)
class Import:
    """How far an import has come.

    Attributes:
        staged: Ids of hidden cubes.
        changed: Cubes that take the place, and the id, of others: written with the publication.
        names: Ids that cubes of the import asked for, and those that they have.
        kept: Ids of cubes that were there already, unchanged.
        resting: Ids of cubes that come archived or expired: they are stored, and not indexed.
        objects: Keys of objects that cubes of dead imports have left.
        entries: What is to be indexed, batch by batch, as long as it fits; the index reads the rest back.
    """

    import_id: str
    replaces: bool = False
    staged: set[str] = field(default_factory=set)
    changed: dict[str, Draft] = field(default_factory=dict)
    names: KeptNames = field(default_factory=KeptNames)
    kept: set[str] = field(default_factory=set)
    resting: set[str] = field(default_factory=set)
    objects: tuple[str, ...] = ()
    deduplicated: int = 0
    size_bytes: int = 0
    units: int = 0
    context_units: int = 0
    entries: tuple[tuple[IndexEntry, ...], ...] | None = ()

    def copy(self) -> Import:
        """Return a copy: a transaction may run twice, so it works on one of its own."""
        return replace(
            self,
            staged=set(self.staged),
            changed=dict(self.changed),
            names=self.names.copy(),
            kept=set(self.kept),
            resting=set(self.resting),
        )

    def note_entries(self, entries: Sequence[IndexEntry]) -> None:
        """Keep what is to be indexed, or let go of all of it where it becomes too much."""
        if self.entries is not None and self.units + len(entries) <= KEPT_UNITS:
            self.entries += (tuple(entries),)
        else:
            self.entries = None

    @property
    def cubes(self) -> int:
        """Cubes that are taken in."""
        return len(self.staged) + len(self.changed)


def stage(
    rt: Runtime, store: Store, vault: VaultRow, cipher: VaultCipher, drafts: Sequence[Draft], work: Import
) -> tuple[VaultRow, Import]:
    """Store drafts hidden; return the vault, whose length of vectors may be known now, and how far the import is.

    Raises:
        PlatformError: QUOTA_EXCEEDED, BLOB_MISSING.
    """
    vault, work = fresh_vault(store, vault), work.copy()
    known = store.by_dedup(vault.uid, [draft.row.dedup for draft in drafts])
    taken = store.cubes(vault.uid, [draft.row.cube_id for draft in drafts], hidden=True)
    new: list[Draft] = []
    overtaken: list[str] = []
    for draft in drafts:
        holder = taken.get(draft.row.cube_id)
        same = known.get(draft.row.dedup)
        if same is not None and (not work.replaces or same_words(vault, cipher, same, draft.cube)):
            work.kept.add(same.cube_id)
            work.names.folded(draft, same.cube_id)
            work.deduplicated += 1
        elif same is not None or (holder is not None and not holder.import_id):
            work.changed[draft.row.cube_id] = draft
        else:
            new.append(draft)
            # Hidden under the same id: left by an import that was cut off, or of one that loses to this one.
            overtaken += [draft.row.cube_id] if holder is not None else []
    work.size_bytes += sum(draft.row.size_bytes for draft in new)
    keep_quota(rt, vault, cubes=work.cubes + len(new), size_bytes=work.size_bytes)
    demand_blobs(store, vault, [key for draft in drafts for key in draft.blob_keys])
    if new:
        gone = _replace(store, vault, overtaken, new, work)
        work.objects += gone.object_keys
    dimensions = max((draft.dimensions for draft in drafts), default=0)
    return replace(vault, dimensions=vault.dimensions or dimensions), work


def _replace(store: Store, vault: VaultRow, leaving: Sequence[str], drafts: Sequence[Draft], work: Import) -> Removed:
    """Write drafts in the place of cubes, whose blobs stay where the drafts need them; return what went."""
    keys = {key for draft in drafts for key in draft.blob_keys}
    if leaving:
        # For as long as neither the old cubes nor the new ones refer to them.
        store.refer(vault.uid, work.import_id, sorted(keys))
    removed = store.remove_cubes(vault.uid, leaving)
    if drafts:
        insert_staged(store, vault, drafts, work)
    if leaving:
        store.remove_cubes(vault.uid, [work.import_id])
    return removed


def drop_hidden(store: Store, vault_uid: str, cube_ids: Sequence[str], import_id: str) -> None:
    """Remove what an import has staged; ids that another import has taken over, or published, are left."""
    rows = store.cubes(vault_uid, cube_ids, hidden=True)
    store.remove_cubes(vault_uid, [row.cube_id for row in rows.values() if row.import_id == import_id])


def insert_staged(store: Store, vault: VaultRow, drafts: Sequence[Draft], work: Import) -> None:
    """Write drafts to the tables; they carry the import's id, so nobody sees them."""
    store.insert_cubes(
        vault.uid,
        cubes=[draft.row for draft in drafts],
        versions=[draft.version for draft in drafts],
        payloads=[draft.payload for draft in drafts],
        terms=[term for draft in drafts for term in draft.terms],
    )
    note_licences(store, vault, [draft.cube for draft in drafts])
    note_links(store, vault, [(draft.row.cube_id, draft.cube) for draft in drafts])
    copies = [(draft.row.cube_id, draft.copied_from) for draft in drafts if draft.copied_from]
    store.link(vault.org, [link for cube_id, name in copies for link in links_to(vault, cube_id, [name])])
    for draft in drafts:
        store.refer(vault.uid, draft.row.cube_id, draft.blob_keys)
    works = [unit for draft in drafts for unit in draft.units]
    ids = store.insert_units(vault, [unit.row for unit in works])
    work.resting.update(draft.row.cube_id for draft in drafts if not _indexed(draft))
    entries = [
        unit.entry(unit_id) for unit, unit_id in zip(works, ids, strict=True) if unit.row.cube_id not in work.resting
    ]
    work.note_entries(entries)
    work.staged.update(draft.row.cube_id for draft in drafts)
    work.units += len(works)
    work.context_units += sum(unit.row.has_context for unit in works)


def _indexed(draft: Draft) -> bool:
    return searchable(Condition(State(draft.row.state)))


@dataclass(frozen=True, slots=True)
class Published:
    """What the publication of an import did; `gone` counts cubes whose ids are no longer there."""

    removed: Removed
    revision: int
    waiting: Waiting | None
    cubes: int
    gone: int


def publish(store: Store, vault: VaultRow, cipher: VaultCipher, work: Import, *, now_us: int) -> Published:
    """Make an import visible in one transaction.

    Raises:
        PlatformError: CONFLICT, where another import or write has taken the ids of cubes meanwhile, or what cubes were
            made of has gone.
    """
    dimensions = vault.dimensions
    vault, work = fresh_vault(store, vault), work.copy()
    cubes = work.cubes
    leaving = _leaving(store, vault, work) if work.replaces else []
    changed = [draft for cube_id, draft in work.changed.items() if cube_id not in work.kept]
    _demand_free(store, vault, [draft.row.cube_id for draft in changed], leaving)
    removed = _replace(store, vault, [row.cube_id for row in leaving], changed, work)
    _name_parents(store, vault, cipher, work)
    if changed:
        work.size_bytes += sum(draft.row.size_bytes for draft in changed)
    gone = len([row for row in leaving if row.cube_id not in work.staged])
    delta = VaultDelta(
        cubes=len(work.staged) - len(leaving),
        bytes_used=work.size_bytes - removed.bytes_freed,
        units=work.units - len(removed.unit_ids),
        context_units=work.context_units - removed.context_units,
        dimensions=0 if vault.dimensions else dimensions,
    )
    upserts = store.unit_ids(vault.uid, sorted(work.staged - work.resting))
    indexed = bool(upserts or removed.unit_ids)
    if not work.staged and not leaving:
        return Published(removed, vault.revision, None, 0, 0)
    revision = store.bump(vault, delta, indexed=indexed)
    ids = store.publish_import(vault.uid, work.import_id, revision)
    if len(ids) != len(work.staged):
        raise _overtaken(vault)
    changes = [ChangeRow(revision, cube_id, CREATED, now_us) for cube_id in ids]
    changes += [
        ChangeRow(revision, row.cube_id, FORGOTTEN, now_us) for row in leaving if row.cube_id not in work.staged
    ]
    store.add_changes(vault.uid, changes)
    if not indexed:
        return Published(removed, revision, None, cubes, gone)
    store.add_task(vault.uid, IndexTask(revision, tuple(upserts), removed.unit_ids))
    if work.entries is None:
        return Published(removed, revision, Waiting(-1, (), ()), cubes, gone)
    entries = [entry for batch in work.entries for entry in batch]
    return Published(removed, revision, Waiting(vault.index_revision, entries, removed.unit_ids), cubes, gone)


def _name_parents(store: Store, vault: VaultRow, cipher: VaultCipher, work: Import) -> None:
    held = sorted(work.names.parents(work.staged) & work.kept)
    if len(store.cubes(vault.uid, held)) != len(held):
        # Whoever forgot it could not see yet what was made of it.
        raise _overtaken(vault)
    work.names.put_right(store, vault, cipher, work.staged)


def _demand_free(store: Store, vault: VaultRow, ids: Sequence[str], leaving: Sequence[CubeRow]) -> None:
    there = store.cubes(vault.uid, ids, hidden=True)
    if not there.keys() <= {row.cube_id for row in leaving}:
        raise _overtaken(vault)


def _overtaken(vault: VaultRow) -> PlatformError:
    return PlatformError(
        Reason.CONFLICT, "the vault was changed by others during the import", metadata={"resource": vault.name}
    )


def _leaving(store: Store, vault: VaultRow, work: Import) -> list[CubeRow]:
    """Return the cubes that the new release does not have as they are.

    Raises:
        PlatformError: CONFLICT, where a cube that the release has as it is has gone meanwhile.
    """
    everything = Selection(states=(1, 2, 3, 4, 5))
    leaving: list[CubeRow] = []
    after: tuple[object, str] | None = None
    seen = 0
    while True:
        rows = store.select(vault.uid, everything, order="name", after=after, limit=_PAGE)
        gone = [row for row in rows if row.cube_id not in work.kept]
        leaving += gone
        seen += len(rows) - len(gone)
        if len(rows) < _PAGE:
            break
        after = (rows[-1].cube_id, rows[-1].cube_id)
    if seen != len(work.kept):
        # What was found to be there already has gone since: with the rest alone the release would not be whole.
        raise _overtaken(vault)
    return leaving


def same_words(vault: VaultRow, cipher: VaultCipher, row: CubeRow, cube: Cube) -> bool:
    """Return whether the cube that is there says of itself what the new one says."""
    old = codec.cube_of(vault, row, cipher).descriptive
    new = type(old)()
    new.CopyFrom(cube.descriptive)
    for told in (old, new):
        told.ClearField("create_time")
        told.ClearField("update_time")
    return old == new
