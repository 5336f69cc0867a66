"""The port to the relational store: what may be read and written within one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from memporium_services.vault.ports.branch_store import BranchStore
from memporium_services.vault.ports.errand_store import ErrandStore
from memporium_services.vault.ports.leaving_store import LeavingStore
from memporium_services.vault.ports.link_store import LinkStore
from memporium_services.vault.ports.past_store import PastStore
from memporium_services.vault.ports.unit_store import UnitStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from memporium_services.vault.domain.rows import (
        Banded,
        ChangeRow,
        CubeRow,
        DescribedCube,
        EndedMount,
        EndedPack,
        Located,
        MountRow,
        PayloadRow,
        RelationRow,
        Removed,
        TermRow,
        UsedCube,
        VaultRow,
        VersionRow,
    )
    from memporium_services.vault.domain.selection import Selection


class VaultDelta(NamedTuple):
    """How a write changes a vault's counters."""

    cubes: int = 0
    bytes_used: int = 0
    units: int = 0
    context_units: int = 0
    dimensions: int = 0


class VaultStore(Protocol):
    """Vaults, mounts and receipts within a transaction."""

    def insert_vault(self, row: VaultRow) -> None:
        """Add a vault."""
        ...

    def vault(self, org: str, vault_id: str) -> VaultRow | None:
        """Return a vault by its ids."""
        ...

    def vault_by_uid(self, uid: str) -> VaultRow | None:
        """Return a vault by its uid."""
        ...

    def vaults(self, org: str, *, after: str, limit: int, filling: bool = False) -> list[VaultRow]:
        """Return an organisation's vaults by id; branches that are not whole yet only where `filling`."""
        ...

    def all_vaults(self, *, after_uid: str, limit: int, org: str = "") -> list[VaultRow]:
        """Return vaults by uid, of all organisations or of one."""
        ...

    def vaults_of_agreement(self, agreement: str) -> list[VaultRow]:
        """Return the vaults that hold a pack under the agreement."""
        ...

    def save_vault(self, row: VaultRow) -> None:
        """Write what `UpdateVault` may change, with the edition."""
        ...

    def delete_vault(self, uid: str) -> Removed:
        """Remove a vault with all it holds."""
        ...

    def bump(self, vault: VaultRow, delta: VaultDelta, *, indexed: bool) -> int:
        """Count one more revision and what it changed; return the revision."""
        ...

    def insert_mount(self, row: MountRow) -> None:
        """Add a mount."""
        ...

    def mounts(self, vault_uid: str) -> list[MountRow]:
        """Return a vault's mounts by id."""
        ...

    def delete_mount(self, vault_uid: str, mount_id: str) -> bool:
        """Remove a mount; return whether it was there."""
        ...

    def insert_receipt(self, org: str, receipt_id: str, body: bytes, create_us: int) -> None:
        """Keep a receipt."""
        ...

    def receipt(self, org: str, receipt_id: str) -> bytes | None:
        """Return a receipt."""
        ...


class CubeStore(Protocol):
    """Cubes with versions, payloads, words, relations and changes within a transaction."""

    def insert_cubes(
        self,
        vault_uid: str,
        *,
        cubes: Sequence[CubeRow],
        versions: Sequence[VersionRow],
        payloads: Sequence[PayloadRow],
        terms: Sequence[TermRow],
    ) -> None:
        """Add new cubes with their first versions."""
        ...

    def described_cubes(self, vault_uid: str, cube_ids: Sequence[str]) -> list[DescribedCube]:
        """Return what describes cubes, by id as far as they are there, in no order."""
        ...

    def cubes(self, vault_uid: str, cube_ids: Sequence[str], *, hidden: bool = False) -> dict[str, CubeRow]:
        """Return cubes by id; those of unfinished imports only where `hidden`."""
        ...

    def locate(self, org: str, vault_id: str, cube_ids: Sequence[str]) -> Located | None:
        """Return a vault by its ids, with some of its cubes and their present payloads; None: no such vault."""
        ...

    def by_dedup(self, vault_uid: str, tokens: Sequence[str]) -> dict[str, CubeRow]:
        """Return cubes that are not EXPIRED by their keyed digest."""
        ...

    def by_same(self, vault_uid: str, tokens: Sequence[str]) -> dict[str, CubeRow]:
        """Return live cubes by the keyed word of their canonical form, for each the first made."""
        ...

    def by_band(self, vault_uid: str, tokens: Sequence[str], *, limit: int) -> list[Banded]:
        """Return live cubes that share a band of their SimHash with one of `tokens`, at most `limit` in all."""
        ...

    def select(
        self, vault_uid: str, selection: Selection, *, order: str, after: tuple[object, str] | None, limit: int
    ) -> list[CubeRow]:
        """Return the cubes that a selection admits, after a place (value of the order's column, id)."""
        ...

    def select_held(self, vault_uid: str) -> list[CubeRow]:
        """Return the cubes that are frozen or under legal hold."""
        ...

    def save_cube(self, row: CubeRow, *, expected_version: int) -> bool:
        """Write a cube if it is still at the version that the change was computed from; return whether it was."""
        ...

    def replace_terms(self, vault_uid: str, cube_id: str, terms: Sequence[TermRow]) -> None:
        """Put a cube's words in the place of its old ones."""
        ...

    def insert_version(self, vault_uid: str, row: VersionRow) -> None:
        """Add a version."""
        ...

    def versions(self, vault_uid: str, cube_id: str, *, below: int, limit: int) -> list[VersionRow]:
        """Return versions below a number, newest first; 0: from the newest."""
        ...

    def version(self, vault_uid: str, cube_id: str, version: int) -> VersionRow | None:
        """Return one version."""
        ...

    def version_at(self, vault_uid: str, cube_id: str, moment_us: int) -> VersionRow | None:
        """Return the newest version that was made at or before a time."""
        ...

    def version_of_revision(self, vault_uid: str, cube_id: str, revision: int) -> VersionRow | None:
        """Return the newest version that was made at or before a revision of the vault."""
        ...

    def cubes_as_of(
        self, vault_uid: str, *, revision: int, moment_us: int | None, reader: str, after: str, limit: int
    ) -> list[tuple[CubeRow, VersionRow]]:
        """Return cubes by id, each with its newest version up to a revision, or up to a time where that is given."""
        ...

    def changes_up_to(self, vault_uid: str, upto: Sequence[tuple[str, int]]) -> dict[str, list[str]]:
        """Return what made each cube's versions, in order, up to a version of it."""
        ...

    def insert_payload(self, vault_uid: str, row: PayloadRow) -> None:
        """Add a payload."""
        ...

    def payloads(self, vault_uid: str, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], PayloadRow]:
        """Return payloads by cube and payload version."""
        ...

    def move_payload(self, vault_uid: str, row: PayloadRow) -> None:
        """Write where a payload lies now."""
        ...

    def used_cubes(self, vault_uid: str, cube_ids: Sequence[str]) -> list[UsedCube]:
        """Return how cubes were used, as far as they are there."""
        ...

    def record_uses(self, vault_uid: str, rows: Sequence[UsedCube]) -> None:
        """Write how cubes were used; makes no version and no revision."""
        ...

    def add_changes(self, vault_uid: str, changes: Sequence[ChangeRow]) -> None:
        """Note changes for watchers."""
        ...

    def changes(self, vault_uid: str, *, from_revision: int, limit: int) -> list[ChangeRow]:
        """Return changes from a revision on, in order."""
        ...

    def compact_changes(self, vault_uid: str, *, through: int) -> None:
        """Remove changes up to a revision."""
        ...

    def tag_counts(self, vault_uid: str, *, reader: str) -> list[tuple[str, int, str]]:
        """Return each tag's keyed form, how many cubes carry it, and one of them."""
        ...

    def insert_relations(self, vault_uid: str, rows: Sequence[RelationRow]) -> None:
        """Add relations."""
        ...

    def relation(self, vault_uid: str, relation_id: str) -> RelationRow | None:
        """Return a relation."""
        ...

    def delete_relation(self, vault_uid: str, relation_id: str) -> None:
        """Remove a relation."""
        ...

    def relations(
        self, vault_uid: str, *, cube_id: str, kinds: Sequence[int], after: str, limit: int
    ) -> list[RelationRow]:
        """Return relations by id, of one cube or of all."""
        ...

    def relations_among(self, vault_uid: str, cube_ids: Sequence[str], kinds: Sequence[int]) -> list[RelationRow]:
        """Return all relations of these kinds that begin or end at any of the cubes."""
        ...

    def remove_cubes(self, vault_uid: str, cube_ids: Sequence[str]) -> Removed:
        """Remove cubes with all that is kept of them, and blobs that no other cube needs."""
        ...

    def publish_import(self, vault_uid: str, import_id: str, revision: int) -> list[str]:
        """Make the cubes of an import visible; return their ids."""
        ...

    def restate(self, vault_uid: str, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Put other sealed metadata into versions that nobody has seen: (cube, version, metadata)."""
        ...

    def unfinished_imports(self, before_us: int) -> list[tuple[str, list[str]]]:
        """Return the cubes of imports that have not been finished since a time, by vault."""
        ...

    def due(self, vault_uid: str, *, now_us: int, purge: bool, limit: int) -> list[CubeRow]:
        """Return cubes whose life is over, or, with `purge`, whose grace period is."""
        ...

    def idle(self, vault_uid: str, *, before_us: int, after: str, limit: int) -> list[CubeRow]:
        """Return live cubes that were last used before a time, by id."""
        ...


class LicenceStates(Protocol):
    """What is known of agreements, within a transaction."""

    def save_agreement(self, agreement: str, state: str, revision: int) -> None:
        """Keep an agreement's state; "" where it is in force."""
        ...

    def dead_agreements(self) -> dict[str, str]:
        """Return the agreements that are not in force, with their states."""
        ...

    def agreements_revision(self) -> int:
        """Return the newest revision of any agreement that was seen."""
        ...

    def note_licensed(self, vault_uid: str, agreements: Iterable[str]) -> None:
        """Remember that a vault holds cubes under these agreements."""
        ...

    def licensed_vaults(self, agreement: str) -> list[str]:
        """Return the uids of vaults that may hold cubes under the agreement."""
        ...

    def forget_licensed(self, vault_uid: str, agreement: str) -> None:
        """A vault holds no cube under the agreement any more."""
        ...

    def end_pack(self, pack: EndedPack, uid: str) -> None:
        """Remember a pack that is deleted, and its mounts; before the vault itself is."""
        ...

    def ended_pack(self, org: str, vault_id: str) -> EndedPack | None:
        """Return the pack that was deleted under this name, or None."""
        ...

    def ended_mounts(self, org: str, vault_uid: str) -> list[EndedMount]:
        """Return the mounts of a vault whose packs were deleted, by id."""
        ...

    def delete_ended_mount(self, vault_uid: str, mount_id: str) -> bool:
        """Remove such a mount; return whether it was there."""
        ...

    def clear_ended_pack(self, org: str, vault_id: str) -> None:
        """A vault of that name is there again: what was mounted before is not known any more."""
        ...


class Store(
    VaultStore,
    CubeStore,
    PastStore,
    UnitStore,
    LicenceStates,
    BranchStore,
    LeavingStore,
    LinkStore,
    ErrandStore,
    Protocol,
):
    """Everything, bound to one connection; `tokens` gives the keyed form of words for selections."""

    @property
    def conn(self) -> Connection:
        """The transaction's connection, for the kernel's tables."""
        ...


class OpenStore(Protocol):
    """Binds the store to a connection."""

    def __call__(self, conn: Connection, tokens: Callable[[str, str], str] | None = None) -> Store:
        """Return the store on `conn`; `tokens` gives the keyed form of words, for selections."""
        ...
