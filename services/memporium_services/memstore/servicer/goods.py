"""Listings, releases and offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import listing_calls_pb2 as listing_pb
from memporium.memstore.v1 import release_calls_pb2 as release_pb
from memporium_services.memstore.app.market import caller_org
from memporium_services.memstore.convert import listings as goods

if TYPE_CHECKING:
    from memporium_services.memstore.app.listings import Listings
    from memporium_services.memstore.app.offers import Offers
    from memporium_services.memstore.app.releases import Releases


class GoodsMethods:
    """Methods of the service."""

    _listings: Listings
    _releases: Releases
    _offers: Offers

    async def CreateListing(
        self, request: listing_pb.CreateListingRequest, context: Any
    ) -> listing_pb.CreateListingResponse:
        made = await self._listings.create(request.parent, request.listing_id, goods.listing_in(request.listing))
        return listing_pb.CreateListingResponse(listing=goods.listing_out(made))

    async def GetListing(self, request: listing_pb.GetListingRequest, context: Any) -> listing_pb.GetListingResponse:
        return listing_pb.GetListingResponse(listing=goods.listing_out(await self._listings.get(request.name)))

    async def ListListings(
        self, request: listing_pb.ListListingsRequest, context: Any
    ) -> listing_pb.ListListingsResponse:
        page = await self._listings.list_own(request.parent, size=request.page_size, token=request.page_token)
        shown = [goods.listing_out(each) for each in page.items]
        return listing_pb.ListListingsResponse(listings=shown, next_page_token=page.next_page_token)

    async def SearchListings(
        self, request: listing_pb.SearchListingsRequest, context: Any
    ) -> listing_pb.SearchListingsResponse:
        query = goods.query_in(request, caller_org())
        page = await self._listings.search(query, size=request.page_size, token=request.page_token)
        shown = [goods.listing_out(each) for each in page.items]
        return listing_pb.SearchListingsResponse(listings=shown, next_page_token=page.next_page_token)

    async def UpdateListing(
        self, request: listing_pb.UpdateListingRequest, context: Any
    ) -> listing_pb.UpdateListingResponse:
        change = goods.change_in(request.listing, request.update_mask)
        changed = await self._listings.update(request.listing.name, change, request.listing.etag)
        return listing_pb.UpdateListingResponse(listing=goods.listing_out(changed))

    async def SubmitListing(
        self, request: listing_pb.SubmitListingRequest, context: Any
    ) -> listing_pb.SubmitListingResponse:
        moved = await self._listings.move(request.name, "submit", reason=request.reason, etag=request.etag)
        return listing_pb.SubmitListingResponse(listing=goods.listing_out(moved))

    async def PublishListing(
        self, request: listing_pb.PublishListingRequest, context: Any
    ) -> listing_pb.PublishListingResponse:
        moved = await self._listings.move(request.name, "publish", reason=request.reason, etag=request.etag)
        return listing_pb.PublishListingResponse(listing=goods.listing_out(moved))

    async def SuspendListing(
        self, request: listing_pb.SuspendListingRequest, context: Any
    ) -> listing_pb.SuspendListingResponse:
        moved = await self._listings.move(request.name, "suspend", reason=request.reason, etag=request.etag)
        return listing_pb.SuspendListingResponse(listing=goods.listing_out(moved))

    async def ResumeListing(
        self, request: listing_pb.ResumeListingRequest, context: Any
    ) -> listing_pb.ResumeListingResponse:
        moved = await self._listings.move(request.name, "resume", reason=request.reason, etag=request.etag)
        return listing_pb.ResumeListingResponse(listing=goods.listing_out(moved))

    async def DeprecateListing(
        self, request: listing_pb.DeprecateListingRequest, context: Any
    ) -> listing_pb.DeprecateListingResponse:
        moved = await self._listings.move(request.name, "deprecate", reason=request.reason, etag=request.etag)
        return listing_pb.DeprecateListingResponse(listing=goods.listing_out(moved))

    async def RetireListing(
        self, request: listing_pb.RetireListingRequest, context: Any
    ) -> listing_pb.RetireListingResponse:
        moved = await self._listings.move(request.name, "retire", reason=request.reason, etag=request.etag)
        return listing_pb.RetireListingResponse(listing=goods.listing_out(moved))

    async def CreateRelease(
        self, request: release_pb.CreateReleaseRequest, context: Any
    ) -> release_pb.CreateReleaseResponse:
        made = await self._releases.create(request.parent, goods.release_in(request))
        return release_pb.CreateReleaseResponse(release=goods.release_out(made))

    async def GetRelease(self, request: release_pb.GetReleaseRequest, context: Any) -> release_pb.GetReleaseResponse:
        return release_pb.GetReleaseResponse(release=goods.release_out(await self._releases.get(request.name)))

    async def ListReleases(
        self, request: release_pb.ListReleasesRequest, context: Any
    ) -> release_pb.ListReleasesResponse:
        page = await self._releases.list_visible(request.parent, size=request.page_size, token=request.page_token)
        shown = [goods.release_out(each) for each in page.items]
        return release_pb.ListReleasesResponse(releases=shown, next_page_token=page.next_page_token)

    async def RevokeRelease(
        self, request: release_pb.RevokeReleaseRequest, context: Any
    ) -> release_pb.RevokeReleaseResponse:
        revoked = await self._releases.revoke(request.name, request.reason)
        return release_pb.RevokeReleaseResponse(release=goods.release_out(revoked))

    async def CreateOffer(self, request: release_pb.CreateOfferRequest, context: Any) -> release_pb.CreateOfferResponse:
        made = await self._offers.create(request.parent, request.offer_id, goods.offer_in(request.offer))
        return release_pb.CreateOfferResponse(offer=goods.offer_out(made))

    async def GetOffer(self, request: release_pb.GetOfferRequest, context: Any) -> release_pb.GetOfferResponse:
        return release_pb.GetOfferResponse(offer=goods.offer_out(await self._offers.get(request.name)))

    async def ListOffers(self, request: release_pb.ListOffersRequest, context: Any) -> release_pb.ListOffersResponse:
        page = await self._offers.list_visible(request.parent, size=request.page_size, token=request.page_token)
        shown = [goods.offer_out(each) for each in page.items]
        return release_pb.ListOffersResponse(offers=shown, next_page_token=page.next_page_token)

    async def WithdrawOffer(
        self, request: release_pb.WithdrawOfferRequest, context: Any
    ) -> release_pb.WithdrawOfferResponse:
        withdrawn = await self._offers.withdraw(request.name, request.reason)
        return release_pb.WithdrawOfferResponse(offer=goods.offer_out(withdrawn))
