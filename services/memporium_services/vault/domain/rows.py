"""What the store keeps: one dataclass a table. Bytes named `sealed` are encrypted under the vault's key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class VaultRow:
    """A vault; times in microseconds since 1970.

    Attributes:
        settings: What callers may set, as the bytes of a `Vault` message.
        edition: Counts changes of the vault itself.
        revision: Counts changes of its cubes.
        index_revision: The last revision that changed what is indexed.
        tasks_floor: Index tasks up to this revision are gone: an index that is older is built anew.
        changes_floor: Changes up to this revision are gone.
        next_unit: The next unit id.
        context_units: Units that have a context.
        filling: Whether it is a branch that is not whole yet, which nobody sees.
    """

    uid: str
    org: str
    vault_id: str
    kind: int
    read_only: bool
    agreement: str
    owner: str
    embedding_model: str
    settings: bytes
    create_us: int
    update_us: int
    dimensions: int = 0
    edition: int = 1
    revision: int = 0
    index_revision: int = 0
    tasks_floor: int = 0
    changes_floor: int = 0
    next_unit: int = 1
    cubes: int = 0
    bytes_used: int = 0
    units: int = 0
    context_units: int = 0
    filling: bool = False

    @property
    def name(self) -> str:
        """The resource name."""
        return f"orgs/{self.org}/vaults/{self.vault_id}"


@dataclass(frozen=True, slots=True)
class BranchRow:
    """How far a branch was copied.

    Attributes:
        vault_uid: The branch.
        source_uid: The vault that it is a branch of.
        asked: Digest of what was asked for.
        revision: What is copied: the other vault as of this revision, or, where that is given, of `moment_us`.
        after_id: The last cube that was looked at.
        done_cubes: Cubes that were looked at.
        total_cubes: Cubes that there were at the beginning.
        update_us: When it was last gone on with.
    """

    vault_uid: str
    source_uid: str
    asked: str
    revision: int
    moment_us: int | None
    update_us: int
    after_id: str = ""
    done_cubes: int = 0
    total_cubes: int = 0


@dataclass(frozen=True, slots=True)
class CubeRow:
    """A cube as it is now.

    Attributes:
        dedup: Keyed digest of content, form, licences and, where private, owner.
        import_id: Set while an import is not finished: nobody sees the cube.
        meta_sealed: The message without payload and without what stands in columns.
    """

    vault_uid: str
    cube_id: str
    uid: str
    version: int
    payload_version: int
    state: int
    form: int
    semantic_type: int
    origin: int
    scope: int
    owner: str
    priority: int
    dedup: str
    simhash: int
    create_us: int
    update_us: int
    size_bytes: int
    meta_sealed: bytes = b""
    revision: int = 0
    frozen: bool = False
    legal_hold: bool = False
    licensed: bool = False
    tier: int = 1
    event_us: int | None = None
    expire_us: int | None = None
    purge_us: int | None = None
    heat: float = 0.0
    last_use_us: int = 0
    uses: str = ""
    import_id: str = ""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """An immutable version; `note_sealed` holds the reason."""

    cube_id: str
    version: int
    parent: int
    payload_version: int
    author: str
    change: str
    create_us: int
    meta_sealed: bytes
    note_sealed: bytes = b""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """A payload: sealed here, or, archived, in the object store under `object_key`."""

    cube_id: str
    payload_version: int
    body_sealed: bytes
    object_key: str = ""


class Located(NamedTuple):
    """A vault with some of its cubes and their present payloads, by cube id; all of one snapshot."""

    vault: VaultRow
    cubes: dict[str, CubeRow]
    payloads: dict[str, PayloadRow]


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit: its text and vector in one sealed body."""

    cube_id: str
    ordinal: int
    role: str
    event_us: int | None
    has_context: bool
    body_sealed: bytes
    unit_id: int = 0


class FoundUnit(NamedTuple):
    """A unit that a search found, with what of its cube decides whether it may be shown."""

    unit_id: int
    cube_id: str
    ordinal: int
    uid: str
    version: int
    form: int
    scope: int
    owner: str
    expire_us: int | None
    frozen: bool


class DescribedCube(NamedTuple):
    """Of a cube what describes it, as search for many units shows it."""

    cube_id: str
    uid: str
    version: int
    create_us: int
    update_us: int
    meta_sealed: bytes


@dataclass(frozen=True, slots=True)
class TermRow:
    """A keyed word beside a cube."""

    cube_id: str
    kind: str
    token: str


class Banded(NamedTuple):
    """A cube that one band of its SimHash led to, with what decides whether it is looked at."""

    token: str
    cube_id: str
    simhash: int
    scope: int
    owner: str


class UsedCube(NamedTuple):
    """What of a cube changes by its use; a change of anything else makes a version."""

    cube_id: str
    version: int
    state: int
    frozen: bool
    heat: float
    last_use_us: int
    uses: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change, for watchers."""

    revision: int
    cube_id: str
    kind: int
    time_us: int


@dataclass(frozen=True, slots=True)
class IndexTask:
    """What a revision did to the index; ids in packed form."""

    revision: int
    upserts: tuple[int, ...]
    deletes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RelationRow:
    """A relation between two cubes."""

    relation_id: str
    source_id: str
    kind: int
    target_id: str
    weight: float
    note_sealed: bytes
    create_us: int
    creator: str


@dataclass(frozen=True, slots=True)
class MountRow:
    """A mount: the id of the mounted vault, which lies in the same organisation."""

    vault_uid: str
    mount_id: str
    target_uid: str
    create_us: int
    creator: str


@dataclass(frozen=True, slots=True)
class EndedPack:
    """A pack that was deleted since its agreement had ended.

    Attributes:
        org: Id of the organisation.
        vault_id: Id of the vault that it was.
        agreement: The agreement.
        state: Its last state.
        reason: Why it ended.
        receipt: Name of the receipt.
        end_us: When it was deleted.
    """

    org: str
    vault_id: str
    agreement: str
    state: str
    reason: str
    receipt: str
    end_us: int

    @property
    def name(self) -> str:
        """Name of the vault that it was."""
        return f"orgs/{self.org}/vaults/{self.vault_id}"


@dataclass(frozen=True, slots=True)
class EndedMount:
    """A mount of such a pack."""

    vault_uid: str
    mount_id: str
    pack: EndedPack
    create_us: int
    creator: str


@dataclass(frozen=True, slots=True)
class BlobRow:
    """A blob: its keyed name, its size, how many segments are stored, and whether it is whole."""

    blob_key: str
    size_bytes: int
    segments: int
    complete: bool
    update_us: int


@dataclass(frozen=True, slots=True)
class LeavingRow:
    """What is still to be deleted of what was removed.

    Attributes:
        leaving_id: Id of the receipt, and a number where there are several.
        whole: All that there is of the vault, its key too.
        objects: Names of objects.
        blobs: Names of blobs, each with the number of its segments.
    """

    leaving_id: str
    org: str
    vault_uid: str
    whole: bool
    objects: tuple[str, ...]
    blobs: tuple[tuple[str, int], ...]
    create_us: int


@dataclass(frozen=True, slots=True)
class Removed:
    """What forgetting took away: counts, the objects that are to be deleted, and what the receipt lists.

    Attributes:
        branches: Branches that are not whole yet, from which it went too: their indexes are behind.
        receipt_id: By which it was noted what is to be deleted; "": nothing is.
    """

    cube_ids: tuple[str, ...] = ()
    versions: int = 0
    unit_ids: tuple[int, ...] = ()
    bytes_freed: int = 0
    context_units: int = 0
    object_keys: tuple[str, ...] = ()
    blobs: tuple[BlobRow, ...] = ()
    content_digests: tuple[str, ...] = field(default=())
    branches: tuple[VaultRow, ...] = ()
    receipt_id: str = ""
