"""Objects of bundles here, for organisations of other platforms; memstore has checked their agreements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from memporium_platform.bundle.recipients import HybridPublicKey
from memporium_platform.errors import denied, invalid
from memporium_services.transfer.app.admission import Admitted
from memporium_services.transfer.app.downloads import Downloads, _pieces
from memporium_services.transfer.domain.bundles import BundleState, listing_of
from memporium_services.transfer.ports.services import Terms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from memporium_platform.bundle.recipients import PublicKey

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PeerOrder:
    """What is asked for, for whom, and under which agreement; the recipient by the name here."""

    bundle: str
    wanted: str
    offset: int
    agreement: str
    listing: str
    terms_sha256: str
    recipient: str
    recipient_key: bytes
    recipient_hybrid_key: bytes
    end_time: datetime | None


class PeerDownloads(Downloads):
    """Reads objects as they are stored."""

    async def read_for_peer(self, order: PeerOrder) -> tuple[int, AsyncIterator[bytes]]:
        """Return the size of an object and its bytes from the offset on; a grant is made for the recipient's key."""
        if order.offset < 0:
            raise invalid("offset", "must not be negative")
        bundle = await self._catalogue.complete(order.bundle)
        if listing_of(bundle.line) != order.listing or bundle.state is not BundleState.SEALED:
            raise denied("transfer.bundles.peer", order.bundle)
        terms = Terms(
            name=order.agreement,
            provider=f"orgs/{bundle.org}",
            consumer=order.recipient,
            listing=order.listing,
            release="",
            sha256=order.terms_sha256,
            attribution="",
            end_time=order.end_time,
        )
        admitted = Admitted(bundle, terms)
        if _DIGEST.fullmatch(order.wanted):
            _, segments = await self._catalogue.get(order.bundle)
            if order.wanted not in segments:
                return await self._of_part(admitted, order.wanted, offset=order.offset)
            size = await self._store.size(bundle, order.wanted)
            return size, self._store.read(bundle, order.wanted, offset=order.offset)
        if order.wanted == "grant":
            data = await self._granting.for_recipient(
                bundle,
                terms,
                life_s=self._grant_life_s,
                delivered=await self._deliveries.of(bundle, terms),
                keys=_keys(order),
            )
        else:
            data = await self._document(admitted, order.wanted)
        return len(data), _pieces(data[order.offset :])


def _keys(order: PeerOrder) -> list[PublicKey]:
    """Return the keys that the recipient has published."""
    keys: list[PublicKey] = [X25519PublicKey.from_public_bytes(order.recipient_key)]
    if order.recipient_hybrid_key:
        try:
            keys.append(HybridPublicKey.from_bytes(order.recipient_hybrid_key))
        except ValueError as error:
            raise invalid("recipient_hybrid_key", "is no ML-KEM-768 key with X25519") from error
    return keys
