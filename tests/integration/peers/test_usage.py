"""Usage statements: what a consumer's platform says was used, held against what it said before."""

import grpc
import pytest

from memporium.memstore.v1 import entitlement_calls_pb2
from memporium_services.memstore.app.peering.inbox import answer_in
from memporium_services.memstore.domain.peering.peers import EntryState
from support.market import licence
from support.peers import leased, two_sides, until
from support.stated import line, state


@pytest.fixture
async def sides(tmp_path):
    # No statement is made by itself: these tests say what they like.
    async with two_sides(tmp_path, peer={"USAGE_S": "3600"}) as both:
        yield both


async def agreed(north, south, *, org="buyer", listing_id="pack"):
    listing = await north.market.listing(listing_id)
    offer = await north.market.offer(listing.name, terms=licence("READ", calls=5), auto_agree=True)
    talks = await south.market.request(offer.name.replace("orgs/seller/", "orgs/seller.north/"), org=org)
    name = (await south.market.step(talks, "Verify", org=org)).agreement

    async def there():
        try:
            return await south.market.get(name, org=org)
        except grpc.aio.AioRpcError:
            return None

    await until(there)
    await leased(south, "north")
    return name


async def total(north, agreement):
    name = agreement.replace("orgs/seller.north/", "orgs/seller/")
    request = entitlement_calls_pb2.ListUsageRequest(parent=name)
    return (await north.market.stub("seller").ListUsage(request)).total.calls


async def test_what_was_used_is_stated_once_and_booked_at_the_provider(sides):
    north, south = sides
    name = await agreed(north, south)
    await south.market.use(name, "one")
    await south.market.use(name, "two")
    stating = south.parts.background._stating
    assert await stating.state(name)
    assert not await stating.state(name)
    assert await total(north, name) == 2
    await south.market.use(name, "three")
    assert await stating.state(name)
    assert await total(north, name) == 3
    request = entitlement_calls_pb2.GetEntitlementRequest(name=name.replace("seller.north", "seller"))
    balance = (await north.market.stub("seller").GetEntitlement(request)).entitlement.balances[0]
    assert (balance.used, balance.remaining) == (3, 2)


@pytest.mark.parametrize(
    ("number", "lines", "previous", "reason"),
    [
        (1, [line(3)], "", "CONFLICT"),
        (3, [line(3)], "first", "CONFLICT"),
        (2, [line(3)], "another", "CONFLICT"),
        (2, [line(1)], "first", "INVALID_FIELD"),
        (2, [], "first", "INVALID_FIELD"),
        (2, [line(2), line(2)], "first", "INVALID_FIELD"),
        (2, [line(2, bytes=-1)], "first", "INVALID_FIELD"),
        (2, [line(6)], "first", "LICENCE_QUOTA_EXHAUSTED"),
        (2, [line(2), line(1, action="DERIVE_LORA")], "first", "LICENCE_NOT_PERMITTED"),
    ],
)
async def test_a_statement_that_contradicts_the_last_one_or_the_terms_is_refused_and_kept(
    sides, number, lines, previous, reason
):
    north, south = sides
    name = await agreed(north, south)
    outcome, _, first = await state(south, name, 1, line(2))
    assert outcome == "ACCEPTED"
    said = {"first": first, "another": "0" * 64}.get(previous, "")
    outcome, why, digest = await state(south, name, number, *lines, previous=said)
    assert (outcome, why) == ("REFUSED", reason)
    assert await total(north, name) == 2
    kept = await north.market.module.market.store.read(lambda tx: tx.peering.entry("south", digest))
    assert kept.state is EntryState.REFUSED
    assert answer_in(kept.answer)


async def test_another_organisation_of_the_peer_cannot_state_for_the_consumer(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south)
        outcome, reason, _ = await state(south, name, 1, line(1), org="mallory")
        assert (outcome, reason) == ("REFUSED", "PERMISSION_DENIED")
