"""Uses that wait for the provider's consent."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.memstore.v1 import consent_calls_pb2 as calls
from memporium.memstore.v1 import consent_pb2, subscription_calls_pb2
from support.market import licence, refused, request_id

REQUESTED, GRANTED, DENIED, WITHDRAWN = 1, 2, 3, 4


@pytest.fixture
async def agreement(market):
    return await market.agreement(licence("READ", "INFER_WITH", duties=["OBTAIN_CONSENT"]))


async def listed(market, agreement, org="seller", **fields):
    request = calls.ListConsentsRequest(parent=agreement.name, **fields)
    return list((await market.stub(org).ListConsents(request)).consents)


async def grant(market, name, *, org="seller", **fields):
    return (await market.stub(org).GrantConsent(calls.GrantConsentRequest(name=name, **fields))).consent


async def deny(market, name, *, org="seller", **fields):
    return (await market.stub(org).DenyConsent(calls.DenyConsentRequest(name=name, **fields))).consent


async def withdraw(market, name, *, org="seller", **fields):
    return (await market.stub(org).WithdrawConsent(calls.WithdrawConsentRequest(name=name, **fields))).consent


async def ask(market, agreement, action="READ", *, org="buyer", **fields):
    request = calls.RequestConsentRequest(parent=agreement.name, action=f"LICENCE_ACTION_{action}", **fields)
    return (await market.stub(org).RequestConsent(request)).consent


async def test_a_use_waits_for_consent_which_it_asks_for_by_itself(market, agreement):
    for _ in range(2):
        with refused("LICENCE_NOT_PERMITTED") as error:
            await market.reserve(agreement.name, "a", purpose="support")
        assert error[0].metadata["term"] == "obtain_consent"
    [asked] = await listed(market, agreement)
    assert asked.name == error[0].metadata["consent"]
    assert (asked.state, asked.purpose, asked.requester) == (REQUESTED, "support", "orgs/buyer/principals/owner")
    assert "has not answered" in error[0].message
    given = await grant(market, asked.name, reason="for the desk")
    assert given.state == GRANTED
    await market.use(agreement.name, "a", purpose="support")
    for other in ({"purpose": "ads"}, {"purpose": "support", "action": "INFER_WITH"}):
        with refused("LICENCE_NOT_PERMITTED"):
            await market.reserve(agreement.name, "b", **other)
    assert len(await listed(market, agreement)) == 3
    assert [one.purpose for one in await listed(market, agreement, state=GRANTED)] == ["support"]


async def test_a_consent_that_is_refused_expires_or_is_taken_back_stops_the_next_use(market, agreement, clock):
    asked = await ask(market, agreement, reason="we would like to")
    assert (await deny(market, asked.name, reason="not you")).state == DENIED
    with refused("LICENCE_NOT_PERMITTED") as error:
        await market.reserve(agreement.name, "a")
    assert "denied: not you" in error[0].message
    clock.advance(seconds=60)
    until = Timestamp()
    until.FromDatetime(clock.now())
    until.seconds += 3600
    await grant(market, asked.name, expire_time=until)
    await market.use(agreement.name, "a")
    clock.advance(seconds=3601)
    with refused("LICENCE_NOT_PERMITTED") as error:
        await market.reserve(agreement.name, "b")
    assert "expired" in error[0].message
    assert (await ask(market, agreement)).state == REQUESTED
    await grant(market, asked.name)
    await market.use(agreement.name, "b")
    await withdraw(market, asked.name, reason="enough")
    with refused("LICENCE_NOT_PERMITTED"):
        await market.reserve(agreement.name, "c")


async def test_each_side_has_its_own_steps_and_each_is_signed(market, agreement):
    asked = await ask(market, agreement)
    for step, org in ((grant, "buyer"), (deny, "buyer"), (withdraw, "seller")):
        with refused("ILLEGAL_TRANSITION"):
            await step(market, asked.name, org=org)
    for step in (grant, deny, withdraw):
        with refused("PERMISSION_DENIED"):
            await step(market, asked.name, org="outsider")
    with refused("PERMISSION_DENIED"):
        await listed(market, agreement, "outsider")
    for org in ("seller", "outsider"):
        with refused("PERMISSION_DENIED"):
            await ask(market, agreement, org=org)
    assert (await withdraw(market, asked.name, org="buyer")).state == WITHDRAWN
    again = await ask(market, agreement)
    done = await grant(market, asked.name)
    assert [one.trigger for one in done.history] == ["request", "withdraw", "request", "grant"]
    assert [one.organisation for one in done.history] == ["orgs/buyer"] * 3 + ["orgs/seller"]
    assert all(one.signature for one in done.history)
    assert again.name == asked.name
    with refused("PERMISSION_DENIED"):
        await grant(market, asked.name.replace("/consents/", "/other/"))
    with refused("INVALID_FIELD"):
        await ask(market, agreement, purpose="x" * 201)


async def test_asking_twice_makes_one_and_terms_without_the_duty_need_none(market, agreement):
    key = request_id()
    first = await ask(market, agreement, purpose="x", request_id=key)
    assert await ask(market, agreement, purpose="x", request_id=key) == first
    assert await ask(market, agreement, purpose="x") == first
    free = await market.agreement(licence(), "free")
    with refused("FAILED_PRECONDITION"):
        await ask(market, free)
    await market.use(free.name, "a")


async def test_the_provider_is_told_of_the_question_and_the_consumer_of_the_answer(market, agreement):
    names = {}
    for org in ("seller", "buyer", "outsider"):
        request = subscription_calls_pb2.CreateSubscriptionRequest(parent=f"orgs/{org}", subscription={"mode": 1})
        names[org] = (await market.stub(org).CreateSubscription(request)).subscription.name
    with refused("LICENCE_NOT_PERMITTED"):
        await market.reserve(agreement.name, "a", purpose="support")
    [asked] = await listed(market, agreement)
    await grant(market, asked.name)
    told = {}
    for org, name in names.items():
        pulled = await market.stub(org).PullEvents(subscription_calls_pb2.PullEventsRequest(name=name))
        told[org] = [one.text for one in pulled.events]
    assert told == {
        "seller": ["orgs/buyer: read for support"],
        "buyer": ["read for support: granted"],
        "outsider": [],
    }
    assert consent_pb2.Consent.State.Name(asked.state) == "STATE_REQUESTED"
