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
# Actions that make something of the memory.
_DERIVING = frozenset(
    {
        terms_pb2.LICENCE_ACTION_MATERIALISE_KV,
        terms_pb2.LICENCE_ACTION_DERIVE_TEXT,
        terms_pb2.LICENCE_ACTION_DERIVE_LORA,
    }
)


class MemstoreGate:
    """The LicenceGate port over the memstore service's stub."""

    def __init__(self, channels: Channels) -> None:
        """Call through these channels, as whoever is calling the vault."""
        self._stub = channels.stub(MemstoreServiceStub)

    async def reserve(self, call: Call, asked: UseAsked, use_id: str) -> GrantedUse:
        """Return the permission."""
        own = f"orgs/{call.principal.org}" if call.principal.org else ""
        request = ReserveUseRequest(
            agreement=asked.agreement,
            action=asked.action,  # type: ignore[arg-type]
            form=asked.form,  # type: ignore[arg-type]
            units=_units(asked),
            purpose=call.purpose,
            region=call.region,
            use_id=use_id,
            organisation=own,
            further_forms=asked.further_forms,  # type: ignore[arg-type]
            units_follow=asked.units_follow,
            # What is taken out as a bundle goes to whoever takes it; whom a release will reach nobody knows yet.
            recipients=[own] if own and asked.action == terms_pb2.LICENCE_ACTION_EXPORT_BUNDLE else [],
            onward_terms_sha256=asked.onward_terms,
            onward_listing=asked.onward_listing,
        )
        with _as_ours():
            answer = await self._stub.ReserveUse(request)
        duties = tuple(
            terms_pb2.DutyKind.Name(duty.kind).removeprefix("DUTY_KIND_").lower().replace("_", "-")
            for duty in answer.duties
        )
        return GrantedUse(
            asked.agreement, use_id, answer.attribution, duties, answer.terms_sha256, counted=answer.counted
        )

    async def commit(self, use: GrantedUse, asked: UseAsked, *, running: bool = False) -> None:
        """Count the use; `running`: it goes on, and whoever makes it ends it."""
        request = CommitUseRequest(agreement=use.agreement, use_id=use.use_id, units=_units(asked), running=running)
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
                        reason=one.reason,
                    )


def _units(asked: UseAsked) -> terms_pb2.UseUnits:
    return terms_pb2.UseUnits(
        calls=1,
        memories=asked.memories,
        tokens=asked.tokens,
        bytes=asked.bytes_used,
        derivations=int(asked.action in _DERIVING),
    )


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise reason_of(error) from error
