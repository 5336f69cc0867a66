"""What the transfer service needs from whoever marks copies, so that a leaked one names its recipient.

Cubes that a marker's `Choice` wants are kept out of what all recipients share. They lie in the bundle's source part,
which the publisher alone can open. At the first delivery under an agreement they are read from there, marked, and
sealed into a part of that recipient's own, under a key of its own; later deliveries hand out the same part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.vault.v1.cubes_pb2 import PortableCube


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One recipient's copy of one bundle.

    Attributes:
        bundle: `orgs/{org}/bundles/{bundle}`.
        line: The listing.
        manifest_sha256: Digest of the manifest, hexadecimal.
        agreement: `orgs/{provider}/agreements/{agreement}`.
        recipient: `orgs/{org}`.
    """

    bundle: str
    line: str
    manifest_sha256: str
    agreement: str
    recipient: str


class Marks(Protocol):
    """The marks of one copy."""

    @property
    def commitment(self) -> bytes:
        """SHA-256 that commits to the marks' key (32 bytes); b"" where the copy is not marked."""
        ...

    def cubes(self, cubes: Sequence[PortableCube]) -> Sequence[PortableCube]:
        """Return cubes marked, under the names they have; none is left out."""
        ...

    def file(self, cube: PortableCube, data: bytes) -> bytes:
        """Return the tensor file of a cube, marked; the cube's digest is changed by the caller."""
        ...

    def more(self) -> Sequence[PortableCube]:
        """Return cubes that this copy alone has (canaries), named like those of the vault that was sealed."""
        ...


class Choice(Protocol):
    """Chooses the cubes of one release that recipients get marked."""

    @property
    def slots(self) -> int:
        """Places in the chosen texts that carry a mark, each counted once."""
        ...

    @property
    def words(self) -> int:
        """Words in the chosen texts."""
        ...

    def wants(self, cube: PortableCube) -> bool:
        """Return whether recipients get this cube in a part of their own."""
        ...


class Marker(Protocol):
    """Marks copies."""

    def choice(self) -> Choice:
        """Return what chooses the cubes of one release."""
        ...

    async def marks(self, copy: Copy) -> Marks:
        """Return the marks of a copy, always the same; their commitment is in the audit log when this returns."""
        ...


class NoMarks:
    """The copy as it is."""

    commitment = b""

    def cubes(self, cubes: Sequence[PortableCube]) -> Sequence[PortableCube]:
        """Return the cubes."""
        return cubes

    def file(self, cube: PortableCube, data: bytes) -> bytes:  # noqa: ARG002 - the port's
        """Return the file."""
        return data

    def more(self) -> Sequence[PortableCube]:
        """Return nothing."""
        return ()


class NoChoice:
    """Chooses nothing."""

    slots = words = 0

    def wants(self, cube: PortableCube) -> bool:  # noqa: ARG002 - the port's
        """Return False."""
        return False


class NoMarker:
    """Marks nothing: bundles have no parts."""

    def choice(self) -> Choice:
        """Return what chooses nothing."""
        return NoChoice()

    async def marks(self, copy: Copy) -> Marks:  # noqa: ARG002 - the port's
        """Return marks that change nothing."""
        return NoMarks()
