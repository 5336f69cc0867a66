"""Negotiations and agreements between two platforms over mutual TLS."""

import grpc
import pytest

from memporium.memstore.v1 import (
    agreement_pb2,
    listing_calls_pb2,
    negotiation_calls_pb2,
    release_calls_pb2,
    statement_calls_pb2,
)
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


@pytest.mark.parametrize("who", ["provider", "consumer"])
async def test_an_amendment_that_either_side_proposes_takes_the_agreements_place_on_both(sides, who):
    north, south = sides
    offer = await offered(north, auto_agree=True)
    closed = await south.market.step(await south.market.request(there(offer.name)), "Verify", org="buyer")
    old = await until(lambda: _found(south, closed.agreement, "buyer"))
    here = old.name.replace("seller.north", "seller")
    terms = licence(calls=9)
    if who == "provider":
        stub, name = north.market.stub("seller"), here
    else:
        stub, name = south.market.stub("buyer"), old.name
    made = (await stub.AmendAgreement(statement_calls_pb2.AmendAgreementRequest(name=name, terms=terms))).negotiation
    at_north = made.name.replace("seller.north", "seller")
    at_south = at_north.replace("orgs/seller/", "orgs/seller.north/")
    talks = await until(lambda: _talks(south, at_south, "buyer"))
    if who == "provider":
        await south.market.step(talks, "Accept", org="buyer")
    await north.market.step(await _talks(north, at_north, "seller"), "Agree", org="seller")
    await until(lambda: _in_state(south, at_south, "AGREED"))
    await south.market.step(await _talks(south, at_south, "buyer"), "Verify", org="buyer")
    await north.market.step(await _talks(north, at_north, "seller"), "Finalize", org="seller")
    await until(lambda: _in_state(south, at_south, "FINALIZED"))

    async def renewed():
        return (await south.market.get(old.name, org="buyer")).renewed_by

    new = await until(renewed)
    assert new == (await north.market.get(here)).renewed_by.replace("orgs/seller/", "orgs/seller.north/")


async def _talks(side, name, org):
    try:
        request = negotiation_calls_pb2.GetNegotiationRequest(name=name)
        return (await side.market.stub(org).GetNegotiation(request)).negotiation
    except grpc.aio.AioRpcError:
        return None


async def _in_state(side, name, state):
    talks = await _talks(side, name, "buyer")
    return talks and agreement_pb2.Negotiation.State.Name(talks.state) == f"STATE_{state}"
