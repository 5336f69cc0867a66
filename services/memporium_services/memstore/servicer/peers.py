"""What other platforms can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import listing_calls_pb2 as listing_pb
from memporium.memstore.v1 import listing_pb2
from memporium.memstore.v1 import peer_service_pb2 as pb
from memporium.memstore.v1.peer_service_pb2_grpc import PeerServiceServicer
from memporium_platform.call import Principal, PrincipalKind, current_call, in_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.names import check_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.peering.peering import say
from memporium_services.memstore.convert import listings as goods
from memporium_services.memstore.convert import peering as to
from memporium_services.memstore.domain.peering import speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_platform.call import Call
    from memporium_services.memstore.app.listings import Listings
    from memporium_services.memstore.app.offers import Offers
    from memporium_services.memstore.app.peering.accounts import Accounts
    from memporium_services.memstore.app.peering.feeding import Feeding
    from memporium_services.memstore.app.peering.goods import OwnGoods
    from memporium_services.memstore.app.peering.inbox import Inbox
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.app.releases import Releases
    from memporium_services.memstore.domain.peering.peers import Peer

_NONCE = range(16, 65)
# Offers and releases that one look at a listing shows.
_SHOWN = 100


class PeerServicer(PeerServiceServicer):
    """Serves `memporium.memstore.v1.PeerService`."""

    def __init__(
        self,
        peering: Peering,
        *,
        inbox: Inbox,
        feeding: Feeding,
        own_goods: OwnGoods,
        accounts: Accounts,
        listings: Listings,
        offers: Offers,
        releases: Releases,
    ) -> None:
        """Serve these concerns."""
        self._peering, self._inbox, self._feeding = peering, inbox, feeding
        self._goods, self._accounts = own_goods, accounts
        self._listings, self._offers, self._releases = listings, offers, releases

    async def Greet(self, request: pb.GreetRequest, context: Any) -> pb.GreetResponse:
        if len(request.nonce) not in _NONCE:
            raise invalid("nonce", "must be 16 to 64 bytes")
        fields = {"platform": self._peering.me, "nonce": request.nonce.hex(), "public_key": self._peering.public_key}
        payload = speech.written("greeting", time_us=to_us(self._peering.market.clock.now()), **fields)
        return pb.GreetResponse(greeting=to.said_out(say(self._peering.voice, speech.GREETING_TYPE, payload)))

    async def GetPeerOrganisation(
        self, request: pb.GetPeerOrganisationRequest, context: Any
    ) -> pb.GetPeerOrganisationResponse:
        peer = await self._peer()
        org = await self._feeding.known_org(peer, check_id(request.organisation, "organisation"))
        return pb.GetPeerOrganisationResponse(statement=to.said_out(await self._peering.statement(org)))

    async def QueryCatalogue(self, request: pb.QueryCatalogueRequest, context: Any) -> pb.QueryCatalogueResponse:
        peer = await self._peer()
        with in_call(_for_organisation(peer, request.organisation)):
            catalogue = await self._shown(request, f"{request.organisation}.{peer.id}")
        catalogue.platform = self._peering.me
        catalogue.time_us = to_us(self._peering.market.clock.now())
        said = say(self._peering.voice, speech.CATALOGUE_TYPE, catalogue.SerializeToString())
        return pb.QueryCatalogueResponse(catalogue=to.said_out(said))

    async def _shown(self, request: pb.QueryCatalogueRequest, org: str) -> pb.Catalogue:
        if request.offer:
            return pb.Catalogue(offers=[goods.offer_out(await self._offers.get(request.offer))])
        if request.release:
            return pb.Catalogue(releases=[goods.release_out(await self._releases.get(request.release))])
        if request.listing:
            listing = await self._listings.get(request.listing)
            offers = await self._offers.list_visible(request.listing, size=_SHOWN, token="")
            releases = await self._releases.list_visible(request.listing, size=_SHOWN, token="")
            return pb.Catalogue(
                listings=[_public(goods.listing_out(listing))],
                offers=[goods.offer_out(each) for each in offers.items],
                releases=[goods.release_out(each) for each in releases.items],
            )
        asked = listing_pb.SearchListingsRequest(
            query=request.query, any_tags=request.any_tags, provider=request.provider
        )
        query = goods.query_in(asked, org)
        page = await self._listings.search(query, size=request.page_size, token=request.page_token)
        shown = [_public(goods.listing_out(each)) for each in page.items]
        return pb.Catalogue(listings=shown, next_page_token=page.next_page_token)

    async def DeliverMessage(self, request: pb.DeliverMessageRequest, context: Any) -> pb.DeliverMessageResponse:
        peer = await self._peer()
        answer, record = await self._inbox.deliver(peer, to.said_in(request.message), to.said_in(request.statement))
        shown = to.said_out(record) if record is not None else None
        return pb.DeliverMessageResponse(answer=to.said_out(answer), record=shown)

    async def WatchRecords(
        self, request: pb.WatchRecordsRequest, context: Any
    ) -> AsyncIterator[pb.WatchRecordsResponse]:
        peer = await self._peer()
        async for number, record in self._feeding.records(peer.id, request.after):
            shown = to.said_out(record) if record is not None else None
            yield pb.WatchRecordsResponse(number=number, record=shown)

    async def RenewLease(self, request: pb.RenewLeaseRequest, context: Any) -> pb.RenewLeaseResponse:
        peer = await self._peer()
        newest = await self._peering.market.store.read(lambda tx: tx.peering.newest(peer.id))
        return pb.RenewLeaseResponse(newest=newest, life_ms=int(peer.lease_s * 1000))

    async def OpenRelease(self, request: pb.OpenReleaseRequest, context: Any) -> pb.OpenReleaseResponse:
        opened = await self._goods.open(await self._peer(), request.agreement, request.release)
        statement, release = to.said_out(opened.statement), goods.release_out(opened.release)
        return pb.OpenReleaseResponse(release=release, statement=statement, newest=opened.newest)

    async def ReadObject(self, request: pb.ReadObjectRequest, context: Any) -> AsyncIterator[pb.ReadObjectResponse]:
        wanted, statement = to.wanted_in(request), to.said_in(request.statement)
        async for size, data in self._goods.read(await self._peer(), wanted, statement):
            yield pb.ReadObjectResponse(size_bytes=size, data=data)

    async def ReadLedger(self, request: pb.ReadLedgerRequest, context: Any) -> pb.ReadLedgerResponse:
        shown = await self._accounts.show(await self._peer(), request.agreement, request.seen_size)
        return to.ledger_out(shown)

    async def _peer(self) -> Peer:
        return await self._peering.peer(current_call().principal.org.removeprefix("peer."))


def _for_organisation(peer: Peer, organisation: str) -> Call:
    """Return the call in progress as one of a peer's organisation: it sees what was offered to it, and no more."""
    org = check_id(organisation, "organisation")
    if not peer.admits(org):
        raise PlatformError(Reason.PERMISSION_DENIED, "the organisation may not trade here")
    call = current_call()
    principal = Principal(peer.name, f"{org}.{peer.id}", PrincipalKind.WORKLOAD)
    return to.as_principal(call, principal)


def _public(listing: listing_pb2.Listing) -> listing_pb2.Listing:
    """Return a listing without the names of others that may see it."""
    listing.audience.ClearField("organisations")
    return listing
