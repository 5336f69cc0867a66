"""The gRPC face of the transfer service: convert, call, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceServicer
from memporium_platform.paging import PageTokens, page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.transfer import convert
from memporium_services.transfer.servicer_tracing import TracingServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.transfer.app.catalogue import Catalogue
    from memporium_services.transfer.app.leaks import Leaks
    from memporium_services.transfer.app.peer_downloads import PeerDownloads
    from memporium_services.transfer.app.rotation import Rotation
    from memporium_services.transfer.app.transfers import Transfers


class TransferServicer(TracingServicer, TransferServiceServicer):
    """Serves `memporium.transfer.v1.TransferService`."""

    def __init__(
        self,
        transfers: Transfers,
        catalogue: Catalogue,
        downloads: PeerDownloads,
        rotation: Rotation,
        leaks: Leaks,
        page_tokens: PageTokens,
    ) -> None:
        """Serve transfers and bundles."""
        self._transfers, self._catalogue, self._downloads, self._tokens = transfers, catalogue, downloads, page_tokens
        self._rotation, self._leaks = rotation, leaks

    async def SealRelease(self, request: pb.SealReleaseRequest, context: Any) -> pb.SealReleaseResponse:
        plan, selection = convert.plan_in(request), convert.selection_in(request.selection)
        sealed = await self._transfers.seal_release(plan, selection, convert.profile_in(request.pii_profile))
        return pb.SealReleaseResponse(bundle=convert.bundle_out(sealed.bundle), findings=sealed.findings)

    async def RevokeBundle(self, request: pb.RevokeBundleRequest, context: Any) -> pb.RevokeBundleResponse:
        bundle = await self._catalogue.revoke(request.name, reason=request.reason)
        return pb.RevokeBundleResponse(bundle=convert.bundle_out(bundle))

    async def PullBundle(self, request: pb.PullBundleRequest, context: Any) -> AsyncIterator[pb.PullBundleResponse]:
        async for event in self._transfers.pull(
            convert.org_in(request.parent),
            agreement=request.agreement,
            release=request.release,
            vault_id=request.vault_id,
            mount_into=request.mount_into,
        ):
            yield convert.event_out(pb.PullBundleResponse, event)

    async def VerifyBundle(
        self,
        request: pb.VerifyBundleRequest,
        context: Any,
    ) -> AsyncIterator[pb.VerifyBundleResponse]:
        org = convert.org_in(request.parent)
        async for event in self._transfers.verify(
            org, bundle=request.bundle, agreement=request.agreement, release=request.release
        ):
            yield convert.event_out(pb.VerifyBundleResponse, event)

    async def DumpVault(self, request: pb.DumpVaultRequest, context: Any) -> AsyncIterator[pb.DumpVaultResponse]:
        async for event in self._transfers.dump(request.vault, request.bundle_id):
            yield convert.dump_out(event)

    async def LoadBundle(self, request: pb.LoadBundleRequest, context: Any) -> AsyncIterator[pb.LoadBundleResponse]:
        org = convert.org_in(request.parent)
        async for event in self._transfers.load(org, request.bundle, request.vault_id):
            yield convert.event_out(pb.LoadBundleResponse, event)

    async def GetBundle(self, request: pb.GetBundleRequest, context: Any) -> pb.GetBundleResponse:
        bundle, segments = await self._catalogue.get(request.name)
        return pb.GetBundleResponse(bundle=convert.bundle_out(bundle, segments))

    async def ListBundles(self, request: pb.ListBundlesRequest, context: Any) -> pb.ListBundlesResponse:
        org, scope = convert.org_in(request.parent), f"transfer.bundles:{request.parent}:{request.line}"
        cursor, limit = self._tokens.open(scope, request.page_token), page_size(request.page_size)
        before = (int(cursor["time_us"]), str(cursor["id"])) if cursor else None
        found = await self._catalogue.page(org, line=request.line, before=before, limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        more = self._tokens.seal(scope, {"time_us": to_us(last.create_time), "id": last.bundle_id}) if last else ""
        return pb.ListBundlesResponse(bundles=map(convert.bundle_out, found[:limit]), next_page_token=more)

    async def RotateSigningKey(self, request: pb.RotateSigningKeyRequest, context: Any) -> pb.RotateSigningKeyResponse:
        rotated = await self._rotation.rotate(convert.org_in(request.parent), number=request.number)
        return convert.rotated_out(rotated)

    async def DeleteBundle(self, request: pb.DeleteBundleRequest, context: Any) -> pb.DeleteBundleResponse:
        objects, freed = await self._catalogue.delete(request.name)
        return pb.DeleteBundleResponse(removed_objects=objects, removed_bytes=freed)

    async def DownloadBundleObject(
        self,
        request: pb.DownloadBundleObjectRequest,
        context: Any,
    ) -> AsyncIterator[pb.DownloadBundleObjectResponse]:
        org, named = convert.org_in(request.parent), {"agreement": request.agreement, "wanted": request.object}
        size, data = await self._downloads.read(org, request.bundle, offset=request.offset, **named)
        yield pb.DownloadBundleObjectResponse(size_bytes=size)
        async for piece in data:
            yield pb.DownloadBundleObjectResponse(data=piece)

    async def ReadForPeer(self, request: pb.ReadForPeerRequest, context: Any) -> AsyncIterator[pb.ReadForPeerResponse]:
        size, data = await self._downloads.read_for_peer(convert.peer_order_in(request))
        yield pb.ReadForPeerResponse(size_bytes=size)
        async for piece in data:
            yield pb.ReadForPeerResponse(data=piece)
