"""The memstore service over gRPC, as far as it reaches other platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.memstore.v1 import peer_calls_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium_services.transfer.adapters.peers import peer_errors
from memporium_services.transfer.ports.peers import PeerRelease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_platform.rpc.channels import Channels


class GrpcPeerMarket:
    """Calls the memstore service with the rights of the call in progress."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._stub = channels.stub(MemstoreServiceStub)

    async def resolve(self, agreement: str, release: str) -> PeerRelease:
        """Return the release that an agreement covers; the newest where `release` is empty."""
        request = peer_calls_pb2.ResolvePeerReleaseRequest(agreement=agreement, release=release)
        with peer_errors():
            found = await self._stub.ResolvePeerRelease(request)
        return PeerRelease(
            agreement=agreement,
            release=found.release,
            version=found.version,
            number=found.number,
            bundle=found.bundle,
            signed_bundle=found.signed_bundle,
            signed_publisher=found.signed_publisher,
            signed_recipient=found.signed_recipient,
            signed_agreement=found.signed_agreement,
            signed_listing=found.signed_listing,
            publisher_keys=tuple(found.publisher_keys),
            newest=found.newest,
        )

    async def read(self, found: PeerRelease, name: str, *, offset: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield an object of a bundle from an offset on: its whole size first, then pieces."""
        request = peer_calls_pb2.ReadPeerObjectRequest(
            agreement=found.agreement, bundle=found.bundle, object=name, offset=offset
        )
        with peer_errors():
            async for response in self._stub.ReadPeerObject(request):
                yield response.size_bytes, response.data
