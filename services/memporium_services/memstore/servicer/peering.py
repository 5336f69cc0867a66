"""Peers, accounts, and goods of other platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import listing_calls_pb2 as listing_pb
from memporium.memstore.v1 import peer_calls_pb2 as pb
from memporium.memstore.v1 import release_calls_pb2 as release_pb
from memporium.memstore.v1.peer_service_pb2 import Catalogue, QueryCatalogueRequest
from memporium_services.memstore.app.market import refuse
from memporium_services.memstore.app.peering.peering import peer_id_of
from memporium_services.memstore.convert import peering as to
from memporium_services.memstore.domain.peering import names
from memporium_services.memstore.servicer.goods import GoodsMethods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.peering.trade import Trade


class PeerMethods(GoodsMethods):
    """Methods of the service; what is of this platform goes on as before."""

    _trade: Trade

    async def CreatePeer(self, request: pb.CreatePeerRequest, context: Any) -> pb.CreatePeerResponse:
        state = await self._trade.registry.create(to.peer_in(request.peer_id, request.peer))
        return pb.CreatePeerResponse(peer=to.peer_out(state))

    async def GetPeer(self, request: pb.GetPeerRequest, context: Any) -> pb.GetPeerResponse:
        return pb.GetPeerResponse(peer=to.peer_out(await self._trade.registry.get(request.name)))

    async def ListPeers(self, request: pb.ListPeersRequest, context: Any) -> pb.ListPeersResponse:
        page = await self._trade.registry.list_all(size=request.page_size, token=request.page_token)
        shown = [to.peer_out(each) for each in page.items]
        return pb.ListPeersResponse(peers=shown, next_page_token=page.next_page_token)

    async def DeletePeer(self, request: pb.DeletePeerRequest, context: Any) -> pb.DeletePeerResponse:
        await self._trade.registry.delete(request.name)
        return pb.DeletePeerResponse()

    async def TestPeer(self, request: pb.TestPeerRequest, context: Any) -> pb.TestPeerResponse:
        found = await self._trade.registry.test(request.name)
        return pb.TestPeerResponse(
            ok=not found.problem, problem=found.problem, seconds=found.seconds, clock_ahead_s=found.clock_ahead_s
        )

    async def GetPlatformIdentity(
        self, request: pb.GetPlatformIdentityRequest, context: Any
    ) -> pb.GetPlatformIdentityResponse:
        shown = self._trade.identity()
        return pb.GetPlatformIdentityResponse(
            platform_id=shown.id, platform_key=shown.key, certificate=shown.certificate, address=shown.address
        )

    async def ListLedger(self, request: pb.ListLedgerRequest, context: Any) -> pb.ListLedgerResponse:
        found = await self._trade.accounts.ledger(request.parent)
        return pb.ListLedgerResponse(entries=[to.entry_out(each) for each in found])

    async def CompareAccounts(self, request: pb.CompareAccountsRequest, context: Any) -> pb.CompareAccountsResponse:
        compared = await self._trade.accounts.compare(request.name)
        return pb.CompareAccountsResponse(comparison=to.comparison_out(compared))

    async def ResolvePeerRelease(
        self, request: pb.ResolvePeerReleaseRequest, context: Any
    ) -> pb.ResolvePeerReleaseResponse:
        return to.resolved_out(await self._trade.peer_goods.resolve(request.agreement, request.release))

    async def ReadPeerObject(
        self, request: pb.ReadPeerObjectRequest, context: Any
    ) -> AsyncIterator[pb.ReadPeerObjectResponse]:
        async for size, data in self._trade.peer_goods.read(to.wanted_in(request)):
            yield pb.ReadPeerObjectResponse(size_bytes=size, data=data)

    async def SearchListings(
        self, request: listing_pb.SearchListingsRequest, context: Any
    ) -> listing_pb.SearchListingsResponse:
        if not request.peer:
            return await super().SearchListings(request, context)
        peer = peer_id_of(request.peer, "peer")
        asked = QueryCatalogueRequest(
            query=request.query,
            any_tags=request.any_tags,
            provider=self._trade.there(request.provider, peer),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        found = await self._asked(peer, asked, request.peer)
        return listing_pb.SearchListingsResponse(listings=found.listings, next_page_token=found.next_page_token)

    async def GetListing(self, request: listing_pb.GetListingRequest, context: Any) -> listing_pb.GetListingResponse:
        if not names.names_foreign(request.name):
            return await super().GetListing(request, context)
        found = await self._about(request.name, "listing", request.name)
        return listing_pb.GetListingResponse(listing=_first(found.listings, request.name))

    async def ListOffers(self, request: release_pb.ListOffersRequest, context: Any) -> release_pb.ListOffersResponse:
        if not names.names_foreign(request.parent):
            return await super().ListOffers(request, context)
        found = await self._about(request.parent, "listing", request.parent)
        return release_pb.ListOffersResponse(offers=found.offers)

    async def GetOffer(self, request: release_pb.GetOfferRequest, context: Any) -> release_pb.GetOfferResponse:
        if not names.names_foreign(request.name):
            return await super().GetOffer(request, context)
        found = await self._about(request.name, "offer", request.name)
        return release_pb.GetOfferResponse(offer=_first(found.offers, request.name))

    async def ListReleases(
        self, request: release_pb.ListReleasesRequest, context: Any
    ) -> release_pb.ListReleasesResponse:
        if not names.names_foreign(request.parent):
            return await super().ListReleases(request, context)
        found = await self._about(request.parent, "listing", request.parent)
        return release_pb.ListReleasesResponse(releases=found.releases)

    async def GetRelease(self, request: release_pb.GetReleaseRequest, context: Any) -> release_pb.GetReleaseResponse:
        if not names.names_foreign(request.name):
            return await super().GetRelease(request, context)
        found = await self._about(request.name, "release", request.name)
        return release_pb.GetReleaseResponse(release=_first(found.releases, request.name))

    async def _about(self, name: str, field: str, value: str) -> Catalogue:
        peer, asked = names.peer_of(names.org_in(name)), QueryCatalogueRequest()
        setattr(asked, field, self._trade.there(value, peer))
        return await self._asked(peer, asked, name)

    async def _asked(self, peer: str, asked: QueryCatalogueRequest, about: str) -> Catalogue:
        found = await self._trade.catalogues.ask(peer, asked, about=about)
        to.names_here(found, platform=self._trade.me, peer=peer)
        return found


def _first(found: Any, name: str) -> Any:
    return found[0] if found and found[0].name == name else refuse(name)
