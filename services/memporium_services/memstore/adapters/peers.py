"""The transfer and scheduler services behind the marketplace's ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from memporium.scheduler.v1 import job_pb2, scheduler_service_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.transfer.v1 import tracing_pb2, transfer_pb2, transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.names import org_of
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.memstore.domain.tracing import Tracing
from memporium_services.memstore.ports import Sealed

if TYPE_CHECKING:
    from memporium_platform.rpc.channels import Channels
    from memporium_services.memstore.domain.subscriptions import Delivery
    from memporium_services.memstore.ports import SealOrder

# Seconds that sealing may take where the call in progress has no earlier deadline.
_SEAL_TIMEOUT_S = 3600.0


class TransferSealer:
    """Seals releases by the transfer service, on behalf of the caller."""

    def __init__(self, channels: Channels) -> None:
        """Call over the memstore's channels."""
        self._stub = channels.stub(TransferServiceStub)

    async def seal(self, order: SealOrder) -> Sealed:
        """Seal; the same request id seals once."""
        request = transfer_service_pb2.SealReleaseRequest(
            parent=f"orgs/{order.org}",
            vault=order.vault,
            selection=transfer_pb2.CubeSelection(cubes=order.cubes, tags=order.any_tags),
            listing=order.listing,
            version=order.version,
            number=order.number,
            terms_sha256=order.terms_sha256,
            pii_profile=(transfer_pb2.PII_PROFILE_REDACT if order.mask_pii else transfer_pb2.PII_PROFILE_REFUSE),
            request_id=order.request_id,
            sample=order.sample,
        )
        try:
            bundle = (await self._stub.SealRelease(request, timeout=_SEAL_TIMEOUT_S)).bundle
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error
        found = bundle.tracing if bundle.HasField("tracing") else None
        tracing = found and Tracing(
            tracing_pb2.TracePromise.Name(found.promise).removeprefix("TRACE_PROMISE_"),
            found.slots,
            found.words,
            found.canaries,
            found.statement,
        )
        return Sealed(bundle.name, bundle.manifest_sha256, bundle.cube_count, bundle.sealed_bytes, tracing)

    async def revoke(self, bundle: str, reason: str, request_id: str) -> None:
        """Take a bundle back."""
        request = transfer_service_pb2.RevokeBundleRequest(name=bundle, reason=reason, request_id=request_id)
        try:
            await self._stub.RevokeBundle(request)
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error


class SchedulerQueue:
    """Deliveries as jobs of the scheduler, on behalf of the subscription's owner."""

    def __init__(self, channels: Channels) -> None:
        """Call over the memstore's channels."""
        self._stub = channels.stub(SchedulerServiceStub)

    async def deliver(self, delivery: Delivery, listing: str) -> None:
        """Hand a delivery over; the same uid is taken once."""
        job = job_pb2.DeliverRelease(
            agreement=delivery.agreement, listing=listing, release=delivery.release, vault_id=delivery.vault
        )
        request = scheduler_service_pb2.CreateJobRequest(
            parent=f"orgs/{delivery.org}",
            spec=job_pb2.JobSpec(deliver_release=job),
            request_id=delivery.uid,
        )
        owner = Principal(delivery.owner, org_of(delivery.owner), PrincipalKind.USER)
        try:
            with acting_as(owner):
                await self._stub.CreateJob(request)
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error
