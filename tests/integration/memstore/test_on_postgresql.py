"""Consents, statements, amendments and hidden listings on PostgreSQL: the same statements as on the embedded engine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from google.protobuf.duration_pb2 import Duration

from memporium.memstore.v1 import consent_calls_pb2, entitlement_calls_pb2, listing_calls_pb2, seat_calls_pb2
from memporium.memstore.v1 import statement_calls_pb2 as calls
from support.market import PLAINTEXT, licence, refused, running_market
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures


@pytest.fixture
async def market(tmp_path, postgres_url):  # noqa: F811 - the fixture
    async with asynccontextmanager(running_market)(tmp_path, database_url=postgres_url) as running:
        yield running


async def test_the_whole_way(market):
    agreement = await market.agreement(licence("READ", calls=30, duties=["OBTAIN_CONSENT", "INFORM"]))
    with refused("LICENCE_NOT_PERMITTED"):
        await market.reserve(agreement.name, "a")
    seller, buyer = market.stub("seller"), market.stub("buyer")
    [asked] = (await seller.ListConsents(consent_calls_pb2.ListConsentsRequest(parent=agreement.name))).consents
    await seller.GrantConsent(consent_calls_pb2.GrantConsentRequest(name=asked.name))
    await asyncio.gather(*(market.use(agreement.name, f"a{number}") for number in range(20)))
    made = await asyncio.gather(
        *(stub.CreateStatement(calls.CreateStatementRequest(parent=agreement.name)) for stub in (seller, buyer) * 2)
    )
    assert sum(one.statement.uses for one in made) == 20
    assert sorted(one.statement.number for one in made) == [1, 2, 3, 4]
    bill = [one async for one in buyer.ExportBilling(calls.ExportBillingRequest(parent="orgs/buyer"))]
    assert bill[-1].statements == 4
    amended = calls.AmendAgreementRequest(name=agreement.name, terms=licence("READ", calls=5))
    talks = (await seller.AmendAgreement(amended)).negotiation
    for trigger, org in (("Accept", "buyer"), ("Agree", "seller"), ("Verify", "buyer"), ("Finalize", "seller")):
        talks = await market.step(talks, trigger, org=org)
    await market.use(agreement.name, "b")
    assert (await market.get(talks.agreement)).renews == agreement.name
    hidden = await market.listing("hidden", scope="PRIVATE")
    for name in (hidden.name, "orgs/seller/listings/absent"):
        with refused("PERMISSION_DENIED"):
            await market.stub("outsider").GetListing(listing_calls_pb2.GetListingRequest(name=name))


async def test_many_at_once_take_the_seats_that_there_are_and_pass_one_on_once(market):
    terms = licence("READ", calls=None, max_seats=2, seat_hold=Duration(seconds=1))
    agreement = await market.agreement(terms)

    async def used(who):
        request = entitlement_calls_pb2.ReserveUseRequest(
            agreement=agreement.name, action="LICENCE_ACTION_READ", form=PLAINTEXT, use_id=who
        )
        with market.on_behalf_of("buyer", who):
            return await market.internal().ReserveUse(request)

    taken = await asyncio.gather(*(used(f"agent-{number}") for number in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in taken) == 2
    listing = seat_calls_pb2.ListSeatsRequest(parent=agreement.name)
    [first, _] = (await market.stub("buyer").ListSeats(listing)).seats

    async def passed(number):
        successor = f"orgs/buyer/principals/next-{number}"
        request = seat_calls_pb2.ReleaseSeatRequest(
            parent=agreement.name, principal=first.principal, successor=successor, reason="test"
        )
        # The provider may at any time: nobody waits for the clock.
        return await market.stub("seller").ReleaseSeat(request)

    moved = await asyncio.gather(*(passed(number) for number in range(6)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in moved) == 1
    held = [one for one in (await market.stub("buyer").ListSeats(listing)).seats if not one.HasField("release_time")]
    assert len(held) == 2
