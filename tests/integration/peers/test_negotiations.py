"""Negotiations and agreements between two platforms over mutual TLS."""

import pytest

from memporium.memstore.v1 import listing_calls_pb2, release_calls_pb2
from support.market import licence, refused
from support.peers import leased, two_sides, until


@pytest.fixture
async def sides(tmp_path):
    async with two_sides(tmp_path) as both:
        yield both


async def offered(north, **fields):
    listing = await north.market.listing("pack")
    return await north.market.offer(listing.name, terms=licence(calls=5), **fields)


def there(name: str) -> str:
    """What south calls something of north."""
    return name.replace("orgs/seller/", "orgs/seller.north/")


async def test_the_catalogue_of_a_peer_can_be_searched(sides):
    north, south = sides
    offer = await offered(north)
    found = await south.market.stub("buyer").SearchListings(
        listing_calls_pb2.SearchListingsRequest(query="pack", peer="peers/north")
    )
    assert [each.name for each in found.listings] == ["orgs/seller.north/listings/pack"]
    offers = await south.market.stub("buyer").ListOffers(
        release_calls_pb2.ListOffersRequest(parent=found.listings[0].name)
    )
    assert [each.name for each in offers.offers] == [there(offer.name)]


async def test_an_offer_that_agrees_by_itself_becomes_an_agreement_on_both_platforms(sides):
    north, south = sides
    offer = await offered(north, auto_agree=True)
    talks = await south.market.request(there(offer.name))
    assert talks.provider == "orgs/seller.north"
    assert talks.consumer == "orgs/buyer"
    closed = await south.market.step(talks, "Verify", org="buyer")
    ours = await until(lambda: _found(south, closed.agreement, "buyer"))
    theirs = await north.market.get(ours.name.replace("seller.north", "seller"))
    assert theirs.consumer == "orgs/buyer.south"
    assert (ours.terms_document, ours.document.payload) == (theirs.terms_document, theirs.document.payload)
    assert [each.signature for each in ours.document.signatures] == [
        each.signature for each in theirs.document.signatures
    ]
    assert [step.statement for step in ours.history] == [step.statement for step in theirs.history]


async def _found(side, name, org):
    try:
        return await side.market.get(name, org=org)
    except Exception:
        return None


async def test_a_use_takes_from_the_quota_at_the_consumers_platform(sides):
    north, south = sides
    offer = await offered(north, auto_agree=True)
    closed = await south.market.step(await south.market.request(there(offer.name)), "Verify", org="buyer")
    await until(lambda: _found(south, closed.agreement, "buyer"))
    await leased(south, "north")
    for number in range(5):
        await south.market.use(closed.agreement, f"use-{number}")
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await south.market.reserve(closed.agreement, "one-too-many")
