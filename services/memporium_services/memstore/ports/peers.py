"""What the marketplace needs from others: keys, the sealer, and the scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from memporium_services.memstore.domain.subscriptions import Delivery
    from memporium_services.memstore.domain.tracing import Tracing


class Signer(Protocol):
    """Signs for one organisation, or for the platform."""

    @property
    def key_id(self) -> str:
        """SHA-256 of the raw public key, hexadecimal."""
        ...

    @property
    def of_steps(self) -> Signer:
        """Who signs the steps: itself, or the platform where the organisation is another platform's."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature."""
        ...


class Signers(Protocol):
    """Keys by organisation."""

    async def of(self, org: str) -> Signer:
        """Return the signer of an organisation; "" is the platform."""
        ...


@dataclass(frozen=True, slots=True)
class SealOrder:
    """What to seal as which release."""

    org: str
    vault: str
    cubes: tuple[str, ...]
    any_tags: tuple[str, ...]
    listing: str
    version: str
    number: int
    terms_sha256: str
    mask_pii: bool
    request_id: str
    sample: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed."""

    bundle: str
    manifest_sha256: str
    cube_count: int
    sealed_bytes: int
    tracing: Tracing | None = None


class Sealer(Protocol):
    """Seals releases: the transfer service."""

    async def seal(self, order: SealOrder) -> Sealed:
        """Seal; the same request id seals once."""
        ...

    async def revoke(self, bundle: str, reason: str, request_id: str) -> None:
        """Take a bundle back."""
        ...


class DeliveryQueue(Protocol):
    """Takes deliveries over: the scheduler."""

    async def deliver(self, delivery: Delivery, listing: str) -> None:
        """Hand a delivery over on behalf of the subscription's owner; the same uid is taken once."""
        ...
