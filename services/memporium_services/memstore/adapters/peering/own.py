"""This platform's organisations, logs and bundles, as the trade with other platforms needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.governance.v1 import audit_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium_platform.call import acting_as, service_principal
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.memstore.ports.peering import OwnKeys, Proof, Proofs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.rpc.channels import Channels
    from memporium_services.memstore.ports.peering import ObjectOrder


class KeyringOrganisations:
    """Public keys from the platform's keyring."""

    def __init__(self, keys: Keyring) -> None:
        """Take the keyring."""
        self._keys = keys

    async def keys(self, org: str) -> OwnKeys:
        """Return an organisation's keys."""
        found = (
            await self._keys.org_signing_key(org),
            await self._keys.org_hpke_key(org),
            await self._keys.org_hybrid_key(org),
        )
        return OwnKeys(*(key.public_key().public_bytes_raw().hex() for key in found))


class GovernanceLogs:
    """Proofs from the governance service."""

    def __init__(self, channels: Channels) -> None:
        """Call over the memstore's channels."""
        self._stub = channels.stub(GovernanceServiceStub)

    async def prove(self, org: str, decision_ids: Sequence[str], *, seen_size: int) -> Proofs:
        """Return proofs for those records that are in an organisation's log."""
        request = audit_pb2.ProveRecordsRequest(parent=f"orgs/{org}", decision_ids=decision_ids, first_size=seen_size)
        try:
            with acting_as(service_principal("memstore")):
                response = await self._stub.ProveRecords(request)
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error
        records = {
            each.decision_id: Proof(each.record, each.salt, each.index, tuple(each.hashes)) for each in response.records
        }
        note, size = response.checkpoint.note, response.checkpoint.tree_size
        return Proofs(records, note, size, tuple(response.consistency))


class TransferBundles:
    """Objects of bundles from the transfer service."""

    def __init__(self, channels: Channels) -> None:
        """Call over the memstore's channels."""
        self._stub = channels.stub(TransferServiceStub)

    async def read(self, order: ObjectOrder) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the size of an object, then its bytes in pieces."""
        request = transfer_service_pb2.ReadForPeerRequest(
            bundle=order.bundle,
            object=order.wanted,
            offset=order.offset,
            agreement=order.agreement,
            listing=order.listing,
            terms_sha256=order.terms_sha256,
            recipient=order.recipient,
            recipient_key=order.recipient_key,
            recipient_hybrid_key=order.recipient_hybrid_key,
        )
        if order.end_time is not None:
            end = Timestamp()
            end.FromDatetime(order.end_time)
            request.end_time.CopyFrom(end)
        try:
            with acting_as(service_principal("memstore")):
                call = self._stub.ReadForPeer(request)
            async for response in call:
                yield response.size_bytes, response.data
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error
