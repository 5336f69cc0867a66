"""The memstore service as the port `Entitlements`: the state of every agreement, followed by its internal stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from memporium.memstore.v1 import agreement_pb2, entitlement_calls_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium_platform.call import acting_as, service_principal
from memporium_platform.rpc.errors_client import reason_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceAsyncStub
    from memporium_platform.rpc.channels import Channels

_PREFIX = "STATE_"


class GrpcEntitlements:
    """Changes of agreements over memstore's stub."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._channels = channels
        self._revision = 0

    async def watch(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Yield changes of agreements as (name, state), from where the last watch ended."""
        request = entitlement_calls_pb2.WatchEntitlementsRequest(start_revision=self._revision)
        with acting_as(service_principal("inference")):
            stub: MemstoreServiceAsyncStub = self._channels.stub(MemstoreServiceStub)
            stream = stub.WatchEntitlements(request)
        try:
            async for answer in stream:
                yield [
                    (item.agreement, agreement_pb2.Agreement.State.Name(item.state).removeprefix(_PREFIX))
                    for item in answer.entitlements
                ]
                self._revision = max(self._revision, answer.revision)
        except grpc.aio.AioRpcError as err:
            # The next watch takes the full state again: what a lost stream left out is then seen.
            self._revision = 0
            raise reason_of(err) from err
