"""The memstore service over gRPC."""

from __future__ import annotations

from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING

from memporium.memstore.v1 import agreement_calls_pb2, entitlement_calls_pb2, listing_calls_pb2, release_calls_pb2
from memporium.memstore.v1.agreement_pb2 import Agreement
from memporium.memstore.v1.listing_pb2 import Release as ReleaseMessage
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.memstore.v1.terms_pb2 import LicenceAction
from memporium_platform.errors import PlatformError, Reason, denied
from memporium_services.transfer.adapters.peers import peer_errors
from memporium_services.transfer.ports.services import Release, Terms

if TYPE_CHECKING:
    from memporium_platform.rpc.channels import Channels

_State = Agreement.State
_ENDED = {
    _State.STATE_SUSPENDED: Reason.LICENCE_SUSPENDED,
    _State.STATE_EXPIRED: Reason.LICENCE_EXPIRED,
}


class GrpcMarket:
    """Calls the memstore service with the rights of the call in progress."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._stub = channels.stub(MemstoreServiceStub)

    async def agreement(self, name: str, *, consumer: str) -> Terms:
        """Return an agreement of `consumer` that is in force."""
        with peer_errors():
            response = await self._stub.GetAgreement(agreement_calls_pb2.GetAgreementRequest(name=name))
        agreement = response.agreement
        if agreement.consumer != consumer:
            raise denied("transfer.bundles.pull", name)
        if agreement.state != _State.STATE_ACTIVE:
            state = _State.Name(agreement.state).removeprefix("STATE_")
            raise PlatformError(
                _ENDED.get(agreement.state, Reason.LICENCE_REVOKED),
                f"{name} is {state}, not in force",
                metadata={"agreement": name, "state": state},
            )
        return Terms(
            name=agreement.name,
            provider=agreement.provider,
            consumer=agreement.consumer,
            listing=agreement.listing,
            release=agreement.release,
            sha256=agreement.terms_document.sha256,
            attribution=agreement.attribution,
            end_time=agreement.expire_time.ToDatetime(tzinfo=UTC) if agreement.HasField("expire_time") else None,
        )

    async def release(self, terms: Terms, name: str) -> Release:
        """Return a release that an agreement covers; the newest one where `name` is empty."""
        covered = name or terms.release
        with peer_errors():
            if not covered:
                response = await self._stub.GetListing(listing_calls_pb2.GetListingRequest(name=terms.listing))
                covered = response.listing.latest_release
            if not covered:
                raise _unavailable(terms.listing, "without a release")
            if not covered.startswith(f"{terms.listing}/releases/") or terms.release not in {"", covered}:
                raise denied("transfer.bundles.pull", covered)
            release = (await self._stub.GetRelease(release_calls_pb2.GetReleaseRequest(name=covered))).release
        if release.state != ReleaseMessage.State.STATE_PUBLISHED:
            raise _unavailable(covered, ReleaseMessage.State.Name(release.state).removeprefix("STATE_"))
        return Release(name=release.name, version=release.version, bundle=release.bundle)

    async def export_permitted(self, terms: Terms, bundle: str) -> None:
        """Count the export of a bundle off the platform."""
        # One use for each bundle, however many of its objects are asked for and however often.
        use_id = "export-" + sha256(f"{terms.name}\n{bundle}".encode()).hexdigest()[:48]
        reserve = entitlement_calls_pb2.ReserveUseRequest(
            agreement=terms.name,
            action=LicenceAction.LICENCE_ACTION_EXPORT_BUNDLE,
            use_id=use_id,
            organisation=terms.consumer,
            recipients=[terms.consumer],
            off_platform=True,
        )
        with peer_errors():
            await self._stub.ReserveUse(reserve)
            await self._stub.CommitUse(entitlement_calls_pb2.CommitUseRequest(agreement=terms.name, use_id=use_id))


def _unavailable(resource: str, state: str) -> PlatformError:
    return PlatformError(
        Reason.FAILED_PRECONDITION, f"{resource} is {state}", metadata={"resource": resource, "state": state}
    )
