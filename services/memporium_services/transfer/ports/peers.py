"""What transfers across platforms need from memstore, which knows the other platforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class PeerRelease:
    """A release of another platform: its names here, and as they were signed there.

    Attributes:
        agreement: The agreement, by the name here.
        release: The release.
        version: Its version.
        number: Its number.
        bundle: Its bundle.
        signed_bundle: The bundle, as signed.
        signed_publisher: `orgs/{org}` of the publisher, as signed.
        signed_recipient: `orgs/{org}` of the recipient, as signed.
        signed_agreement: The agreement, as signed.
        signed_listing: The listing, as signed.
        publisher_keys: The publisher's certified Ed25519 keys, raw.
        newest: The newest release that the agreement covers.
    """

    agreement: str
    release: str
    version: str
    number: int
    bundle: str
    signed_bundle: str
    signed_publisher: str
    signed_recipient: str
    signed_agreement: str
    signed_listing: str
    publisher_keys: tuple[bytes, ...]
    newest: bool


class PeerMarket(Protocol):
    """The memstore service, as far as it reaches other platforms."""

    async def resolve(self, agreement: str, release: str) -> PeerRelease:
        """Return the release that an agreement covers; the newest where `release` is empty."""
        ...

    def read(self, found: PeerRelease, name: str, *, offset: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield an object of a bundle from an offset on: its whole size first, then pieces."""
        ...
