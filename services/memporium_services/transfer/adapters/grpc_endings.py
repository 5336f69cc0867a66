"""Agreements that end, from memstore's stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.memstore.v1 import entitlement_calls_pb2
from memporium.memstore.v1.agreement_pb2 import Agreement
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium_platform.call import acting_as, service_principal
from memporium_services.transfer.adapters.peers import peer_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from memporium_platform.rpc.channels import Channels

# One that expired is over by the dates in its grants; one that was renewed or suspended goes on.
_ENDED = {
    Agreement.State.STATE_REVOKED,
    Agreement.State.STATE_BREACHED,
    Agreement.State.STATE_CANCELLED,
}


class GrpcEndings:
    """Tells which agreements have ended."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._channels = channels

    async def watch(self) -> AsyncIterator[Sequence[str]]:
        """Yield the agreements that have ended, all of them first, then each as it ends."""
        # As the service: no user is there.
        with acting_as(service_principal("transfer")):
            stub = self._channels.stub(MemstoreServiceStub)
            stream = stub.WatchEntitlements(entitlement_calls_pb2.WatchEntitlementsRequest())
        with peer_errors():
            async for answer in stream:
                yield [item.agreement for item in answer.entitlements if item.state in _ENDED]
