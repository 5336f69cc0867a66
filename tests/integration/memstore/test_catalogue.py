"""Listings, offers and releases over gRPC: states, audience, search, sealing."""

from __future__ import annotations

import pytest

from memporium.memstore.v1 import listing_calls_pb2, listing_pb2, release_calls_pb2
from memporium.transfer.v1 import tracing_pb2
from memporium_platform.errors import PlatformError, Reason
from support.market import licence, refused, request_id


async def _search(market, org="buyer", **fields):
    request = listing_calls_pb2.SearchListingsRequest(**fields)
    return await market.stub(org).SearchListings(request)


async def _names(market, org="buyer", **fields):
    return [each.name.rpartition("/")[2] for each in (await _search(market, org, **fields)).listings]


async def test_a_listing_goes_through_its_states_and_every_step_is_signed(market):
    stub, name = market.stub("seller"), "orgs/seller/listings/pack"
    listing = await market.listing()
    for verb, state in (
        ("Suspend", "SUSPENDED"),
        ("Resume", "PUBLISHED"),
        ("Deprecate", "DEPRECATED"),
        ("Retire", "RETIRED"),
    ):
        request = getattr(listing_calls_pb2, f"{verb}ListingRequest")(name=name, reason=verb)
        listing = (await getattr(stub, f"{verb}Listing")(request)).listing
        assert listing.State.Name(listing.state) == f"STATE_{state}"
    assert [step.trigger for step in listing.history] == [
        "create", "submit", "publish", "suspend", "resume", "deprecate", "retire",
    ]  # fmt: skip
    assert all(step.signature and step.actor == "orgs/seller/principals/owner" for step in listing.history)
    with refused("ILLEGAL_TRANSITION"):
        await stub.PublishListing(listing_calls_pb2.PublishListingRequest(name=name))
    change = listing_pb2.Listing(name=name, title="other")
    with refused("FAILED_PRECONDITION"):
        await stub.UpdateListing(listing_calls_pb2.UpdateListingRequest(listing=change))


async def test_the_catalogue_shows_what_the_caller_may_see(market):
    await market.listing("open")
    await market.listing("named", scope="ORGANISATIONS", organisations=["orgs/buyer"])
    await market.listing("secret", scope="PRIVATE")
    draft = listing_pb2.Listing(title="draft", audience=listing_pb2.Audience(scope="SCOPE_PUBLIC"))
    await market.stub("seller").CreateListing(
        listing_calls_pb2.CreateListingRequest(parent="orgs/seller", listing_id="draft", listing=draft)
    )
    assert sorted(await _names(market, "buyer")) == ["named", "open"]
    assert sorted(await _names(market, "outsider")) == ["open"]
    assert sorted(await _names(market, "seller")) == ["named", "open", "secret"]
    for org, hidden in (("outsider", "named"), ("buyer", "secret"), ("buyer", "draft"), ("buyer", "absent")):
        with refused("PERMISSION_DENIED"):
            await market.stub(org).GetListing(
                listing_calls_pb2.GetListingRequest(name=f"orgs/seller/listings/{hidden}")
            )
    own = await market.stub("seller").ListListings(listing_calls_pb2.ListListingsRequest(parent="orgs/seller"))
    assert len(own.listings) == 4
    with refused("PERMISSION_DENIED"):
        await market.stub("buyer").ListListings(listing_calls_pb2.ListListingsRequest(parent="orgs/seller"))
    shown = (await _search(market, "buyer")).listings[0]
    assert not shown.history


async def test_search_by_words_tags_and_provider(market):
    await market.listing("a", title="Cooking", description="Recipes with python snakes", tags=["food"])
    await market.listing("b", title="Python language", tags=["code", "reference"])
    await market.listing("c", title="Rust language", tags=["code", "python"])
    assert await _names(market, query="PYTHON") == ["b", "c", "a"]
    assert await _names(market, query="python language") == ["b", "c"]
    assert await _names(market, query="100%") == []
    assert sorted(await _names(market, any_tags=["code"])) == ["b", "c"]
    assert await _names(market, any_tags=["cod"]) == []
    assert await _names(market, provider="orgs/buyer") == []
    first = await _search(market, query="language", page_size=1)
    rest = await _search(market, query="language", page_size=1, page_token=first.next_page_token)
    assert {first.listings[0].name, rest.listings[0].name} == {"orgs/seller/listings/b", "orgs/seller/listings/c"}
    with refused("INVALID_PAGE_TOKEN"):
        await _search(market, query="other", page_token=first.next_page_token)


async def test_a_listing_is_changed_field_by_field_and_by_etag(market):
    listing = await market.listing(tags=["x"], description="before")
    stub = market.stub("seller")
    change = listing_pb2.Listing(name=listing.name, title="New", etag=listing.etag)
    changed = (await stub.UpdateListing(listing_calls_pb2.UpdateListingRequest(listing=change))).listing
    assert (changed.title, changed.description, list(changed.tags)) == ("New", "before", ["x"])
    with refused("ETAG_MISMATCH"):
        await stub.UpdateListing(listing_calls_pb2.UpdateListingRequest(listing=change))
    cleared = listing_calls_pb2.UpdateListingRequest(listing=listing_pb2.Listing(name=listing.name))
    cleared.update_mask.paths.append("tags")
    assert not (await stub.UpdateListing(cleared)).listing.tags
    cleared.update_mask.paths[:] = ["state"]
    with refused("INVALID_FIELD"):
        await stub.UpdateListing(cleared)
    with refused("PERMISSION_DENIED"):
        await market.stub("buyer").UpdateListing(listing_calls_pb2.UpdateListingRequest(listing=change))


async def test_creating_twice_with_one_request_id_makes_one(market):
    request = listing_calls_pb2.CreateListingRequest(
        parent="orgs/seller", listing_id="twice", listing=listing_pb2.Listing(title="t"), request_id=request_id()
    )
    stub = market.stub("seller")
    first = await stub.CreateListing(request)
    assert await stub.CreateListing(request) == first
    request.listing.title = "other"
    with refused("REQUEST_ID_REUSED"):
        await stub.CreateListing(request)
    request.request_id = request_id()
    with refused("ALREADY_EXISTS"):
        await stub.CreateListing(request)


async def test_releases_are_sealed_numbered_and_immutable(market):
    listing = await market.listing(terms=licence())
    message = request_id()
    first = await market.release(listing.name, "1.0.0", request_id=message)
    assert (first.number, first.state) == (1, listing_pb2.Release.STATE_PUBLISHED)
    assert first.terms_sha256 == listing.terms_document.sha256
    assert await market.release(listing.name, "1.0.0", request_id=message) == first
    assert len(market.transfer.sealed) == 1
    order = next(iter(market.transfer.sealed.values()))
    assert (order.listing, order.number, order.terms_sha256) == (listing.name, 1, first.terms_sha256)
    for lower in ("1.0.0", "0.9.9", "1.0.0-rc.1"):
        with refused("INVALID_FIELD"):
            await market.release(listing.name, lower)
    second = await market.release(listing.name, "1.1.0")
    assert second.number == 2
    stub = market.stub("buyer")
    shown = await stub.ListReleases(release_calls_pb2.ListReleasesRequest(parent=listing.name))
    assert [each.version for each in shown.releases] == ["1.1.0", "1.0.0"]
    revoked = await market.stub("seller").RevokeRelease(
        release_calls_pb2.RevokeReleaseRequest(name=second.name, reason="wrong", request_id=request_id())
    )
    assert revoked.release.state == listing_pb2.Release.STATE_REVOKED
    assert market.transfer.revoked == [second.bundle]
    latest = await stub.GetListing(listing_calls_pb2.GetListingRequest(name=listing.name))
    assert latest.listing.latest_release == first.name


async def test_a_listing_says_how_a_leaked_copy_of_its_newest_release_is_traced(market):
    listing = await market.listing(terms=licence())
    buyer = market.stub("buyer")
    named = listing_calls_pb2.GetListingRequest(name=listing.name)
    assert not (await buyer.GetListing(named)).listing.HasField("tracing")
    market.transfer.tracing = small = tracing_pb2.Tracing(
        promise=tracing_pb2.TRACE_PROMISE_CANARIES, slots=70, words=2400, canaries=1, statement="By 1 canaries only."
    )
    assert (await market.release(listing.name, "1.0.0")).tracing == small
    market.transfer.tracing = tracing_pb2.Tracing(promise=tracing_pb2.TRACE_PROMISE_ONE_LEAKER, slots=600)
    second = await market.release(listing.name, "1.1.0")
    assert (await buyer.GetListing(named)).listing.tracing == second.tracing
    await market.stub("seller").RevokeRelease(
        release_calls_pb2.RevokeReleaseRequest(name=second.name, reason="wrong", request_id=request_id())
    )
    assert (await buyer.GetListing(named)).listing.tracing == small


async def test_a_release_that_cannot_be_sealed_is_not_to_be_had(market):
    listing = await market.listing()
    market.transfer.refusal = PlatformError(Reason.PII_UNMASKED, "personal data", metadata={"entities": "EMAIL"})
    with refused("PII_UNMASKED") as error:
        await market.release(listing.name, "1.0.0")
    assert error[0].metadata["entities"] == "EMAIL"
    market.transfer.refusal = None
    shown = await market.stub("buyer").ListReleases(release_calls_pb2.ListReleasesRequest(parent=listing.name))
    assert not shown.releases
    own = await market.stub("seller").ListReleases(release_calls_pb2.ListReleasesRequest(parent=listing.name))
    assert own.releases[0].state == listing_pb2.Release.STATE_FAILED
    with refused("PERMISSION_DENIED"):
        await market.stub("buyer").GetRelease(release_calls_pb2.GetReleaseRequest(name=own.releases[0].name))
    assert (await market.release(listing.name, "1.0.0")).number == 2


async def test_a_release_that_was_cut_off_goes_on_with_its_request_id(market):
    listing = await market.listing()
    message = request_id()
    market.transfer.refusal = PlatformError(Reason.OVERLOADED, "later")
    with refused("OVERLOADED"):
        await market.release(listing.name, "1.0.0", request_id=message)
    market.transfer.refusal = None
    release = await market.release(listing.name, "1.0.0", request_id=message)
    assert (release.number, release.state) == (1, listing_pb2.Release.STATE_PUBLISHED)


async def test_offers_have_an_audience_and_can_be_withdrawn(market):
    listing = await market.listing()
    for org in ("buyer", "outsider"):
        audience = listing_pb2.Audience(scope="SCOPE_ORGANISATIONS", organisations=[f"orgs/{org}"])
        await market.offer(listing.name, f"for-{org}", audience=audience)
    offers = await market.stub("buyer").ListOffers(release_calls_pb2.ListOffersRequest(parent=listing.name))
    assert [each.name.rpartition("/")[2] for each in offers.offers] == ["for-buyer"]
    own = await market.stub("seller").ListOffers(release_calls_pb2.ListOffersRequest(parent=listing.name))
    assert len(own.offers) == 2
    with refused("PERMISSION_DENIED"):
        await market.request(f"{listing.name}/offers/for-outsider")
    with refused("PERMISSION_DENIED"):
        await market.request(f"{listing.name}/offers/absent")
    with refused("INVALID_FIELD"):
        await market.request(offers.offers[0].name, org="seller")
    await market.stub("seller").WithdrawOffer(release_calls_pb2.WithdrawOfferRequest(name=offers.offers[0].name))
    with refused("PERMISSION_DENIED"):
        await market.request(offers.offers[0].name)


@pytest.mark.parametrize("verb", ["Suspend", "Deprecate"])
async def test_no_new_agreements_on_a_listing_that_left_the_catalogue(market, verb):
    agreement = await market.agreement()
    request = getattr(listing_calls_pb2, f"{verb}ListingRequest")(name=agreement.listing)
    await getattr(market.stub("seller"), f"{verb}Listing")(request)
    with refused("FAILED_PRECONDITION" if verb == "Deprecate" else "PERMISSION_DENIED"):
        await market.request(agreement.offer)
    # Who has an agreement goes on seeing and using it.
    listing = await market.stub("buyer").GetListing(listing_calls_pb2.GetListingRequest(name=agreement.listing))
    assert listing.listing.name == agreement.listing
    await market.use(agreement.name, "x")
