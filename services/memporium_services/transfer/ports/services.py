"""What the transfer service needs from other services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from memporium.common.v1.digest_pb2 import Digest
    from memporium.vault.v1.cubes_pb2 import PortableCube, Relation
    from memporium.vault.v1.vault_pb2 import Vault


@dataclass(frozen=True, slots=True)
class Terms:
    """What transfer needs of an agreement.

    Attributes:
        name: `orgs/{provider}/agreements/{agreement}`.
        provider: `orgs/{org}`.
        consumer: `orgs/{org}`.
        listing: The listing.
        release: The only release that it covers; "": all.
        sha256: Digest of the terms, hexadecimal.
        attribution: Text to show; "": none.
        end_time: When it ends; None: never.
    """

    name: str
    provider: str
    consumer: str
    listing: str
    release: str
    sha256: str
    attribution: str
    end_time: datetime | None


@dataclass(frozen=True, slots=True)
class Release:
    """What transfer needs of a release."""

    name: str
    version: str
    bundle: str


@dataclass(frozen=True, slots=True)
class Target:
    """A vault to fill, and how.

    Attributes:
        name: `orgs/{org}/vaults/{vault}`.
        model: Model that made the vectors.
        terms: The licence that every cube gets; None: licences stay as they are.
        release: The release, for the licence.
        restore: True: ids, owners and times are kept, as in a restore.
        request_id: Makes a repeated import harmless.
    """

    name: str
    model: str
    terms: Terms | None
    release: str
    restore: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Filled:
    """What a vault took in.

    Attributes:
        cubes: How many.
        kept_as: Ids of an own dump's cubes, and those that the vault keeps them under, where they differ.
    """

    cubes: int
    kept_as: Mapping[str, str]


class Vaults(Protocol):
    """The vault service, called with the rights of the call in progress."""

    def export(
        self,
        vault: str,
        *,
        cubes: Sequence[str],
        tags: Sequence[str],
        redistribute: bool,
        onward: tuple[str, str] = ("", ""),
    ) -> AsyncIterator[Vault | list[PortableCube]]:
        """Yield the vault, then its cubes in batches; licences that forbid the use refuse the call.

        `onward` are the digest of the terms and the listing under which they are passed on.
        """
        ...

    def download(self, vault: str, blob: Digest, *, redistribute: bool) -> AsyncIterator[bytes]:
        """Yield a blob's bytes."""
        ...

    def relations(self, vault: str) -> AsyncIterator[Relation]:
        """Yield the relations of a vault's cubes."""
        ...

    async def find(self, vault: str) -> Vault | None:
        """Return a vault, or None where there is none (or it is hidden from the caller)."""
        ...

    async def create(self, name: str, model: Vault, *, request_id: str) -> None:
        """Make a vault like `model`."""
        ...

    async def missing(self, vault: str, blob: Digest) -> bool:
        """Return whether a vault lacks a blob."""
        ...

    async def upload(
        self, vault: str, blob: Digest, data: AsyncIterable[bytes | memoryview], *, request_id: str
    ) -> None:
        """Store a blob in a vault."""
        ...

    async def import_cubes(self, target: Target, batches: AsyncIterable[list[PortableCube]]) -> Filled:
        """Fill a vault, all at once at the end of `batches`."""
        ...

    async def relate(self, vault: str, relation: Relation, *, request_id: str) -> None:
        """Relate two cubes; a relation that is there already is no error."""
        ...

    async def mount(self, into: str, vault: str, *, request_id: str) -> str:
        """Mount a vault into another; return the mount's name. One that is there already is no error."""
        ...


class Market(Protocol):
    """The memstore service, called with the rights of the call in progress."""

    async def agreement(self, name: str, *, consumer: str) -> Terms:
        """Return an agreement of `consumer` that is in force.

        Raises:
            PlatformError: PERMISSION_DENIED for another's, LICENCE_* for one that is not in force.
        """
        ...

    async def release(self, terms: Terms, name: str) -> Release:
        """Return a release that an agreement covers; the newest one where `name` is empty."""
        ...

    async def export_permitted(self, terms: Terms, bundle: str) -> None:
        """Count the export of a bundle off the platform.

        Raises:
            PlatformError: LICENCE_*, where the terms do not permit it.
        """
        ...


class AgreementEndings(Protocol):
    """The memstore service's word on agreements that end before their time."""

    def watch(self) -> AsyncIterator[Sequence[str]]:
        """Yield those that have ended, all of them first, then each as it ends."""
        ...


class PiiScanner(Protocol):
    """The governance service's detector of personal data."""

    async def detect(self, texts: Sequence[str]) -> list[Finding]:
        """Return what was found."""
        ...

    async def redact(self, texts: Sequence[str]) -> tuple[list[str], list[Finding]]:
        """Return the texts with what was found masked, and what that was."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data: in which of the texts, of which kind, and whether it names a person by itself."""

    text_index: int
    entity: str
    direct: bool
