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
_SAY_S = 5.0


class GrpcEntitlements:
    """Changes of agreements over memstore's stub."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._channels = channels
        self._revision = 0

    async def go_on(self, agreement: str, use_id: str) -> None:
        """Say that a use still goes on."""
        request = entitlement_calls_pb2.CommitUseRequest(agreement=agreement, use_id=use_id, running=True)
        await self._say("CommitUse", request)

    async def end(self, agreement: str, use_id: str) -> None:
        """Say that a use is over."""
        await self._say("ReleaseUse", entitlement_calls_pb2.ReleaseUseRequest(agreement=agreement, use_id=use_id))

    async def _say(self, method: str, request: object) -> None:
        # As the service, not as the user: the user's call may be over, and its deadline with it.
        with acting_as(service_principal("inference")):
            stub: MemstoreServiceAsyncStub = self._channels.stub(MemstoreServiceStub)
            try:
                await getattr(stub, method)(request, timeout=_SAY_S)
            except grpc.aio.AioRpcError as err:
                raise reason_of(err) from err

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
