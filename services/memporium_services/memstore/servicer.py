"""The gRPC face of the marketplace: convert, call, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import agreement_calls_pb2 as agreement_pb
from memporium.memstore.v1 import agreement_pb2
from memporium.memstore.v1 import entitlement_calls_pb2 as entitlement_pb
from memporium.memstore.v1 import listing_calls_pb2 as listing_pb
from memporium.memstore.v1 import negotiation_calls_pb2 as negotiation_pb
from memporium.memstore.v1 import release_calls_pb2 as release_pb
from memporium.memstore.v1 import subscription_calls_pb2 as subscription_pb
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceServicer
from memporium_services.memstore.app.market import caller_org
from memporium_services.memstore.convert import agreements as to
from memporium_services.memstore.convert import listings as goods
from memporium_services.memstore.convert import subscriptions as news
from memporium_services.memstore.convert.values import enum_in, time_in, units_in, units_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.agreements import Agreements
    from memporium_services.memstore.app.entitlements import Entitlements
    from memporium_services.memstore.app.listings import Listings
    from memporium_services.memstore.app.negotiations import Negotiations
    from memporium_services.memstore.app.offers import Offers
    from memporium_services.memstore.app.releases import Releases
    from memporium_services.memstore.app.subscriptions import Subscriptions
    from memporium_services.memstore.app.usage import UsageReports
    from memporium_services.memstore.app.watch import Watch


class MemstoreServicer(MemstoreServiceServicer):
    """Serves `memporium.memstore.v1.MemstoreService`."""

    def __init__(
        self,
        *,
        listings: Listings,
        releases: Releases,
        offers: Offers,
        negotiations: Negotiations,
        agreements: Agreements,
        entitlements: Entitlements,
        usage: UsageReports,
        subscriptions: Subscriptions,
        watch: Watch,
    ) -> None:
        """Serve these concerns."""
        self._listings, self._releases, self._offers = listings, releases, offers
        self._negotiations, self._agreements, self._entitlements = negotiations, agreements, entitlements
        self._usage, self._subscriptions, self._watch = usage, subscriptions, watch

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

    async def RequestNegotiation(
        self, request: negotiation_pb.RequestNegotiationRequest, context: Any
    ) -> negotiation_pb.RequestNegotiationResponse:
        proposal = to.proposal_in(request)
        talks = await self._negotiations.request(request.offer, proposal, renews=request.renews, reason=request.reason)
        return negotiation_pb.RequestNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def CounterOffer(
        self, request: negotiation_pb.CounterOfferRequest, context: Any
    ) -> negotiation_pb.CounterOfferResponse:
        proposal = to.proposal_in(request)
        talks = await self._negotiations.counter(request.name, request.sequence, proposal, reason=request.reason)
        return negotiation_pb.CounterOfferResponse(negotiation=to.negotiation_out(talks))

    async def AcceptNegotiation(
        self, request: negotiation_pb.AcceptNegotiationRequest, context: Any
    ) -> negotiation_pb.AcceptNegotiationResponse:
        talks = await self._negotiations.accept(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.AcceptNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def AgreeNegotiation(
        self, request: negotiation_pb.AgreeNegotiationRequest, context: Any
    ) -> negotiation_pb.AgreeNegotiationResponse:
        talks = await self._negotiations.agree(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.AgreeNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def VerifyNegotiation(
        self, request: negotiation_pb.VerifyNegotiationRequest, context: Any
    ) -> negotiation_pb.VerifyNegotiationResponse:
        talks = await self._negotiations.verify(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.VerifyNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def FinalizeNegotiation(
        self, request: negotiation_pb.FinalizeNegotiationRequest, context: Any
    ) -> negotiation_pb.FinalizeNegotiationResponse:
        talks = await self._negotiations.finalize(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.FinalizeNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def TerminateNegotiation(
        self, request: negotiation_pb.TerminateNegotiationRequest, context: Any
    ) -> negotiation_pb.TerminateNegotiationResponse:
        talks = await self._negotiations.terminate(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.TerminateNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def GetNegotiation(
        self, request: negotiation_pb.GetNegotiationRequest, context: Any
    ) -> negotiation_pb.GetNegotiationResponse:
        talks = await self._negotiations.get(request.name)
        return negotiation_pb.GetNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def ListNegotiations(
        self, request: negotiation_pb.ListNegotiationsRequest, context: Any
    ) -> negotiation_pb.ListNegotiationsResponse:
        page = await self._negotiations.list_of(
            request.parent, listing=request.listing, size=request.page_size, token=request.page_token
        )
        shown = [to.negotiation_out(each) for each in page.items]
        return negotiation_pb.ListNegotiationsResponse(negotiations=shown, next_page_token=page.next_page_token)

    async def GetAgreement(
        self, request: agreement_pb.GetAgreementRequest, context: Any
    ) -> agreement_pb.GetAgreementResponse:
        found = await self._agreements.get(request.name)
        return agreement_pb.GetAgreementResponse(agreement=to.agreement_out(found))

    async def ListAgreements(
        self, request: agreement_pb.ListAgreementsRequest, context: Any
    ) -> agreement_pb.ListAgreementsResponse:
        state = enum_in(request.state, agreement_pb2.Agreement.State, "STATE_", default="", field="state")
        page = await self._agreements.list_of(
            request.parent, listing=request.listing, state=state, size=request.page_size, token=request.page_token
        )
        shown = [to.agreement_out(each) for each in page.items]
        return agreement_pb.ListAgreementsResponse(agreements=shown, next_page_token=page.next_page_token)

    async def SuspendAgreement(
        self, request: agreement_pb.SuspendAgreementRequest, context: Any
    ) -> agreement_pb.SuspendAgreementResponse:
        moved = await self._agreements.move(request.name, "suspend", reason=request.reason)
        return agreement_pb.SuspendAgreementResponse(agreement=to.agreement_out(moved))

    async def ResumeAgreement(
        self, request: agreement_pb.ResumeAgreementRequest, context: Any
    ) -> agreement_pb.ResumeAgreementResponse:
        moved = await self._agreements.move(request.name, "resume", reason=request.reason)
        return agreement_pb.ResumeAgreementResponse(agreement=to.agreement_out(moved))

    async def RevokeAgreement(
        self, request: agreement_pb.RevokeAgreementRequest, context: Any
    ) -> agreement_pb.RevokeAgreementResponse:
        trigger = "breach" if request.breach else "revoke"
        moved = await self._agreements.move(request.name, trigger, reason=request.reason)
        return agreement_pb.RevokeAgreementResponse(agreement=to.agreement_out(moved))

    async def CancelAgreement(
        self, request: agreement_pb.CancelAgreementRequest, context: Any
    ) -> agreement_pb.CancelAgreementResponse:
        moved = await self._agreements.move(request.name, "cancel", reason=request.reason)
        return agreement_pb.CancelAgreementResponse(agreement=to.agreement_out(moved))

    async def ReserveUse(
        self, request: entitlement_pb.ReserveUseRequest, context: Any
    ) -> entitlement_pb.ReserveUseResponse:
        return to.granted_out(await self._entitlements.reserve(to.use_in(request)))

    async def CommitUse(
        self, request: entitlement_pb.CommitUseRequest, context: Any
    ) -> entitlement_pb.CommitUseResponse:
        units = units_in(request.units) if request.HasField("units") else None
        made = await self._entitlements.commit(request.agreement, request.use_id, units)
        return entitlement_pb.CommitUseResponse(reservation=to.reservation_out(made))

    async def ReleaseUse(
        self, request: entitlement_pb.ReleaseUseRequest, context: Any
    ) -> entitlement_pb.ReleaseUseResponse:
        given = await self._entitlements.release(request.agreement, request.use_id)
        return entitlement_pb.ReleaseUseResponse(reservation=to.reservation_out(given))

    async def ListUsage(
        self, request: entitlement_pb.ListUsageRequest, context: Any
    ) -> entitlement_pb.ListUsageResponse:
        start_us, end_us = time_in(request, "start_time"), time_in(request, "end_time")
        page = await self._usage.list_of(
            request.parent, start_us=start_us, end_us=end_us, size=request.page_size, token=request.page_token
        )
        shown = [to.usage_out(each) for each in page.items]
        total = units_out(page.total)
        return entitlement_pb.ListUsageResponse(usage=shown, next_page_token=page.next_page_token, total=total)

    async def GetEntitlement(
        self, request: entitlement_pb.GetEntitlementRequest, context: Any
    ) -> entitlement_pb.GetEntitlementResponse:
        found = await self._usage.entitlement(request.name)
        return entitlement_pb.GetEntitlementResponse(entitlement=to.entitlement_out(found))

    async def CreateSubscription(
        self, request: subscription_pb.CreateSubscriptionRequest, context: Any
    ) -> subscription_pb.CreateSubscriptionResponse:
        made = await self._subscriptions.create(request.parent, **news.subscription_in(request.subscription))
        return subscription_pb.CreateSubscriptionResponse(subscription=news.subscription_out(made))

    async def GetSubscription(
        self, request: subscription_pb.GetSubscriptionRequest, context: Any
    ) -> subscription_pb.GetSubscriptionResponse:
        found = await self._subscriptions.get(request.name)
        return subscription_pb.GetSubscriptionResponse(subscription=news.subscription_out(found))

    async def ListSubscriptions(
        self, request: subscription_pb.ListSubscriptionsRequest, context: Any
    ) -> subscription_pb.ListSubscriptionsResponse:
        page = await self._subscriptions.list_of(request.parent, size=request.page_size, token=request.page_token)
        shown = [news.subscription_out(each) for each in page.items]
        return subscription_pb.ListSubscriptionsResponse(subscriptions=shown, next_page_token=page.next_page_token)

    async def DeleteSubscription(
        self, request: subscription_pb.DeleteSubscriptionRequest, context: Any
    ) -> subscription_pb.DeleteSubscriptionResponse:
        await self._subscriptions.delete(request.name)
        return subscription_pb.DeleteSubscriptionResponse()

    async def PullEvents(
        self, request: subscription_pb.PullEventsRequest, context: Any
    ) -> subscription_pb.PullEventsResponse:
        found, more = await self._subscriptions.pull(request.name, request.max_events)
        return subscription_pb.PullEventsResponse(events=[news.event_out(each) for each in found], more=more)

    async def AckEvents(
        self, request: subscription_pb.AckEventsRequest, context: Any
    ) -> subscription_pb.AckEventsResponse:
        moved = await self._subscriptions.acknowledge(request.name, request.cursor)
        return subscription_pb.AckEventsResponse(subscription=news.subscription_out(moved))

    async def StreamEvents(
        self, request: subscription_pb.StreamEventsRequest, context: Any
    ) -> AsyncIterator[subscription_pb.StreamEventsResponse]:
        async for found, seen in self._subscriptions.stream(request.name):
            for event in found:
                yield subscription_pb.StreamEventsResponse(event=news.event_out(event), cursor=event[0].cursor)
            if not found:
                yield subscription_pb.StreamEventsResponse(cursor=seen)

    async def WatchEntitlements(
        self, request: entitlement_pb.WatchEntitlementsRequest, context: Any
    ) -> AsyncIterator[entitlement_pb.WatchEntitlementsResponse]:
        async for changes in self._watch.changes(request.start_revision):
            yield to.changes_out(changes)
