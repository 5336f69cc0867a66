"""Hands out the stored objects of bundles as they are, where the terms let them leave the platform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import Part, RootChain
from memporium_platform.bundle import dsse
from memporium_platform.errors import invalid, not_found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.transfer.app.admission import Admission, Admitted
    from memporium_services.transfer.app.catalogue import Catalogue
    from memporium_services.transfer.app.deliveries import Deliveries
    from memporium_services.transfer.app.granting import Granting
    from memporium_services.transfer.app.publications import Publications
    from memporium_services.transfer.app.signers import SigningKeys
    from memporium_services.transfer.ports.services import Market
    from memporium_services.transfer.ports.store import BundleStore

_DIGEST = re.compile(r"[0-9a-f]{64}")
# Bytes of one message.
_PIECE = 1 << 20


class Downloads:
    """Reads objects for their own organisation, and for others by agreement."""

    def __init__(
        self,
        admission: Admission,
        catalogue: Catalogue,
        *,
        store: BundleStore,
        publications: Publications,
        granting: Granting,
        deliveries: Deliveries,
        signing: SigningKeys,
        market: Market,
        grant_life_s: int,
    ) -> None:
        """Wire the parts."""
        self._admission, self._catalogue, self._store = admission, catalogue, store
        self._publications, self._granting, self._market = publications, granting, market
        self._deliveries, self._signing, self._grant_life_s = deliveries, signing, grant_life_s

    async def read(
        self, org: str, bundle: str, *, agreement: str, wanted: str, offset: int
    ) -> tuple[int, AsyncIterator[bytes]]:
        """Return the size of an object and its bytes from `offset` on.

        Raises:
            PlatformError: PERMISSION_DENIED, LICENCE_* where the terms keep it on the platform, NOT_FOUND.
        """
        if offset < 0:
            raise invalid("offset", "must not be negative")
        admitted = await self._admission.of_bundle(org, bundle, agreement=agreement)
        if admitted.terms is not None:
            await self._market.export_permitted(admitted.terms, bundle)
        if _DIGEST.fullmatch(wanted):
            _, segments = await self._catalogue.get(bundle)
            if wanted not in segments:
                return await self._of_part(admitted, wanted, offset=offset)
            size = await self._store.size(admitted.bundle, wanted)
            return size, self._store.read(admitted.bundle, wanted, offset=offset)
        data = await self._document(admitted, wanted)
        return len(data), _pieces(data[offset:])

    async def _document(self, admitted: Admitted, wanted: str) -> bytes:
        if wanted == "manifest":
            return await self._store.manifest(admitted.bundle)
        if wanted == "grant":
            if admitted.terms is None:
                return await self._store.own_grant(admitted.bundle)
            delivered = await self._deliveries.of(admitted.bundle, admitted.terms)
            life_s = self._grant_life_s
            return await self._granting.for_recipient(
                admitted.bundle, admitted.terms, life_s=life_s, delivered=delivered
            )
        if wanted == "part":
            return await self._part(admitted)
        if wanted == "root":
            roots = await self._signing.roots(admitted.bundle.org)
            return RootChain(roots=[root.envelope for root in roots]).SerializeToString()
        if wanted in {"snapshot", "timestamp"}:
            published = await self._publications.current(admitted.bundle.org)
            return published.snapshot if wanted == "snapshot" else published.signed_time
        known = "manifest, part, grant, root, snapshot, timestamp"
        raise invalid("object", f"must be {known} or the SHA-256 of a segment")

    async def _part(self, admitted: Admitted) -> bytes:
        bundle = admitted.bundle
        if not bundle.part_cube_count:
            raise not_found(f"{bundle.name}/part")
        if admitted.terms is None:
            return await self._store.source_part(bundle)
        delivered = await self._deliveries.of(bundle, admitted.terms)
        return delivered.envelope if delivered else b""

    async def _of_part(self, admitted: Admitted, wanted: str, *, offset: int) -> tuple[int, AsyncIterator[bytes]]:
        """Return a segment of the recipient's own part."""
        bundle, terms = admitted.bundle, admitted.terms
        if terms is not None and bundle.part_cube_count:
            part = Part.FromString(dsse.parse(await self._part(admitted)).payload)
            if any(segment.sha256.hex() == wanted for segment in part.segments):
                data = await self._store.part_segment(bundle, terms.name, wanted)
                return len(data), _pieces(data[offset:])
        raise not_found(f"{bundle.name}/{wanted}")


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
