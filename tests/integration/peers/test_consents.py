"""Consents between two platforms: asked for by a use or by hand, decided by the provider, equal on both."""

from __future__ import annotations

import grpc
import pytest

from memporium.memstore.v1 import consent_calls_pb2 as calls
from memporium.memstore.v1 import peer_calls_pb2, subscription_calls_pb2, subscription_pb2
from support.market import licence, refused
from support.peers import agreed, home, two_sides, until

REQUESTED, GRANTED, DENIED, WITHDRAWN = 1, 2, 3, 4


@pytest.fixture
async def sides(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south, terms=licence("READ", "INFER_WITH", duties=["OBTAIN_CONSENT"]))
        yield north, south, name


async def listed(side, parent, org):
    request = calls.ListConsentsRequest(parent=parent)
    return list((await side.market.stub(org).ListConsents(request)).consents)


async def ask(south, name, action="READ", **fields):
    request = calls.RequestConsentRequest(parent=name, action=f"LICENCE_ACTION_{action}", **fields)
    return (await south.market.stub("buyer").RequestConsent(request)).consent


async def decide(side, verb, name, org, **fields):
    request = getattr(calls, f"{verb}ConsentRequest")(name=name, **fields)
    return (await getattr(side.market.stub(org), f"{verb}Consent")(request)).consent


async def state_of(side, name, org):
    found = {each.name: each for each in await listed(side, name.partition("/consents/")[0], org)}
    return found[name].state if name in found else 0


async def comes_to(side, name, state, org="buyer"):
    async def check():
        return await state_of(side, name, org) == state

    await until(check)


async def test_a_use_asks_the_provider_on_the_other_platform_and_waits_for_the_answer(sides):
    north, south, name = sides
    for _ in range(2):
        with refused("LICENCE_NOT_PERMITTED") as error:
            await south.market.reserve(name, "a", purpose="support")
        assert error[0].metadata["term"] == "obtain_consent"
    mine = error[0].metadata["consent"]
    await comes_to(north, home(mine), REQUESTED, "seller")
    [theirs] = await listed(north, home(name), "seller")
    assert (theirs.purpose, theirs.requester.partition("/messages/")[0]) == ("support", "orgs/buyer.south")
    await decide(north, "Grant", theirs.name, "seller", reason="for the desk")
    await comes_to(south, mine, GRANTED)
    await south.market.use(name, "a", purpose="support")
    for other in ({"purpose": "ads"}, {"purpose": "support", "action": "INFER_WITH"}):
        with refused("LICENCE_NOT_PERMITTED"):
            await south.market.reserve(name, "b", **other)
    await decide(north, "Withdraw", theirs.name, "seller", reason="enough")
    await comes_to(south, mine, WITHDRAWN)
    with refused("LICENCE_NOT_PERMITTED") as error:
        await south.market.reserve(name, "c", purpose="support")
    assert "withdrawn: enough" in error[0].message


async def test_both_platforms_keep_the_same_signed_steps(sides):
    north, south, name = sides
    asked = await ask(south, name, purpose="orgs/strange", reason="orgs/also")
    assert (asked.state, asked.purpose) == (REQUESTED, "orgs/strange")
    assert await ask(south, name, purpose="orgs/strange") == asked
    taken = await decide(south, "Withdraw", asked.name, "buyer")
    assert taken.state == WITHDRAWN
    again = await ask(south, name, purpose="orgs/strange")
    await decide(north, "Deny", home(again.name), "seller", reason="no")
    await comes_to(south, asked.name, DENIED)
    [ours], [theirs] = await listed(south, name, "buyer"), await listed(north, home(name), "seller")
    assert [step.trigger for step in ours.history] == ["request", "withdraw", "request", "deny"]
    assert [step.statement for step in ours.history] == [step.statement for step in theirs.history]
    assert ours.reason == theirs.reason == "no"
    ledger = await south.market.stub("buyer").ListLedger(peer_calls_pb2.ListLedgerRequest(parent=name))
    assert [each.kind for each in ledger.entries].count("consent-step") == 3
    assert {each.state for each in ledger.entries} <= {"ACCEPTED", "SAID"}


async def test_each_side_has_its_own_steps(sides):
    north, south, name = sides
    asked = await ask(south, name)
    for verb in ("Grant", "Deny"):
        with refused("ILLEGAL_TRANSITION"):
            await decide(south, verb, asked.name, "buyer")
    with refused("ILLEGAL_TRANSITION"):
        await decide(north, "Withdraw", home(asked.name), "seller")
    with refused("PERMISSION_DENIED"):
        await ask(south, name.replace("seller.north", "other.north"))
    with refused("INVALID_FIELD"):
        await ask(south, name, purpose="x" * 201)
    await decide(north, "Grant", home(asked.name), "seller")
    await comes_to(south, asked.name, GRANTED)
    with refused("ILLEGAL_TRANSITION"):
        await decide(south, "Withdraw", asked.name, "buyer")


async def test_what_is_decided_is_told_to_who_subscribes_on_either_side(sides):
    north, south, name = sides
    names = {}
    for side, org in ((north, "seller"), (south, "buyer")):
        request = subscription_calls_pb2.CreateSubscriptionRequest(
            parent=f"orgs/{org}", subscription=subscription_pb2.Subscription(mode="MODE_PULL")
        )
        names[org] = (await side.market.stub(org).CreateSubscription(request)).subscription.name
    asked = await ask(south, name)
    await decide(north, "Grant", home(asked.name), "seller")

    async def told(side, org):
        request = subscription_calls_pb2.PullEventsRequest(name=names[org])
        return {event.kind for event in (await side.market.stub(org).PullEvents(request)).events}

    kinds = subscription_pb2.MarketEvent.Kind
    assert kinds.KIND_CONSENT_REQUESTED in await told(north, "seller")

    async def heard():
        return kinds.KIND_CONSENT_DECIDED in await told(south, "buyer")

    await until(heard)


async def test_a_consent_that_is_not_what_its_name_says_is_refused(sides):
    north, south, name = sides
    peering, outbox = south.parts.peering, south.parts.outbox
    peer = await peering.peer("north")
    asked = {"kind": "consent-step", "trigger": "request", "sequence": 0, "purpose": "", "reason": ""}
    for about, action in (("read-000000000000", "READ"), ("read-e3b0c44298fc", "EMBED"), ("x", "NOTHING")):
        entry = await outbox.say(peer, "buyer", about=f"{name}/consents/{about}", action=action, **asked)
        assert (entry.state.value, entry.reason.partition(":")[0]) == ("REFUSED", "INVALID_FIELD")
    assert not await listed(north, home(name), "seller")
    with pytest.raises(grpc.aio.AioRpcError):
        await decide(south, "Withdraw", f"{name}/consents/read-e3b0c44298fc", "buyer")
