"""Asks the memstore service about licences."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from memporium.memstore.v1 import terms_pb2
from memporium.memstore.v1.agreement_pb2 import Agreement
from memporium.memstore.v1.entitlement_calls_pb2 import (
    CommitUseRequest,
    ReleaseUseRequest,
    ReserveUseRequest,
    WatchEntitlementsRequest,
)
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.vault.ports import EntitlementChange, GrantedUse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from memporium_platform.call import Call
    from memporium_platform.rpc.channels import Channels
    from memporium_services.vault.ports import UseAsked

_IN_FORCE = frozenset({"ACTIVE", "RENEWED"})
_NOT_ENDED = frozenset({"ACTIVE", "SUSPENDED", "RENEWED"})


class MemstoreGate:
    """The LicenceGate port over the memstore service's stub."""

    def __init__(self, channels: Channels) -> None:
        """Call through these channels, as whoever is calling the vault."""
        self._stub = channels.stub(MemstoreServiceStub)

    async def reserve(self, call: Call, asked: UseAsked, use_id: str) -> GrantedUse:
        """Return the permission."""
        request = ReserveUseRequest(
            agreement=asked.agreement,
            action=asked.action,  # type: ignore[arg-type]
            form=asked.form,  # type: ignore[arg-type]
            units=_units(asked),
            purpose=call.purpose,
            region=call.region,
            use_id=use_id,
            organisation=f"orgs/{call.principal.org}" if call.principal.org else "",
        )
        with _as_ours():
            answer = await self._stub.ReserveUse(request)
        duties = tuple(
            terms_pb2.DutyKind.Name(duty.kind).removeprefix("DUTY_KIND_").lower().replace("_", "-")
            for duty in answer.duties
        )
        return GrantedUse(asked.agreement, use_id, answer.attribution, duties, answer.terms_sha256)

    async def commit(self, use: GrantedUse, asked: UseAsked) -> None:
        """Count the use."""
        request = CommitUseRequest(agreement=use.agreement, use_id=use.use_id, units=_units(asked))
        with _as_ours():
            await self._stub.CommitUse(request)

    async def release(self, use: GrantedUse) -> None:
        """Give the reservation back."""
        with _as_ours():
            await self._stub.ReleaseUse(ReleaseUseRequest(agreement=use.agreement, use_id=use.use_id))

    async def watch(self, after_revision: int) -> AsyncIterator[EntitlementChange]:
        """Yield every agreement's state, then changes, until the connection ends."""
        with _as_ours():
            async for message in self._stub.WatchEntitlements(WatchEntitlementsRequest(start_revision=after_revision)):
                for one in message.entitlements:
                    state = Agreement.State.Name(one.state).removeprefix("STATE_")
                    yield EntitlementChange(
                        agreement=one.agreement,
                        state=state,
                        revision=one.revision,
                        dead=state not in _IN_FORCE,
                        ended=state not in _NOT_ENDED,
                        erase=one.delete_on_expiry and state not in _NOT_ENDED,
                    )


def _units(asked: UseAsked) -> terms_pb2.UseUnits:
    return terms_pb2.UseUnits(calls=1, memories=asked.memories, tokens=asked.tokens, bytes=asked.bytes_used)


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise reason_of(error) from error
