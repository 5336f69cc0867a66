"""Agreements that are amended: proposed by either side, signed by both, and what came under the old one follows."""

from __future__ import annotations

import asyncio

from memporium.memstore.v1 import agreement_pb2, entitlement_calls_pb2
from memporium.memstore.v1 import statement_calls_pb2 as calls
from support.market import licence, refused

STATE = agreement_pb2.Negotiation
OLD = licence("READ", calls=None)


async def amend(market, agreement, org, **fields):
    request = calls.AmendAgreementRequest(name=agreement.name, reason="new needs", **fields)
    return (await market.stub(org).AmendAgreement(request)).negotiation


async def settle(market, talks):
    """Bring a proposal of the provider to its end."""
    for trigger, org in (("Accept", "buyer"), ("Agree", "seller"), ("Verify", "buyer"), ("Finalize", "seller")):
        talks = await market.step(talks, trigger, org=org)
    return await market.get(talks.agreement)


async def test_the_provider_proposes_and_the_consumer_accepts(market):
    old = await market.agreement(OLD)
    talks = await amend(market, old, "seller", terms=licence("RETRIEVE", calls=None))
    assert (talks.state, talks.renews) == (STATE.STATE_OFFERED, old.name)
    await market.use(old.name, "a")
    new = await settle(market, talks)
    assert new.renews == old.name
    assert len(new.document.signatures) == 2
    gone = await market.get(old.name)
    assert (gone.state, gone.renewed_by) == (agreement_pb2.Agreement.STATE_RENEWED, new.name)
    # What came under the old one is used under the new one's terms from then on.
    await market.use(old.name, "b", action="RETRIEVE")
    with refused("LICENCE_NOT_PERMITTED"):
        await market.reserve(old.name, "c")
    with refused("FAILED_PRECONDITION"):
        await amend(market, old, "seller", terms=licence())


async def test_the_consumer_proposes_the_provider_counters_and_either_may_end_it(market):
    old = await market.agreement(OLD)
    talks = await amend(market, old, "buyer", terms=licence("READ", "DERIVE_LORA"))
    assert talks.state == STATE.STATE_REQUESTED
    talks = await market.step(talks, "Counter", org="seller", terms=licence("READ", calls=9))
    new = await settle(market, talks)
    assert new.terms_document.terms.permissions[0].constraints.quotas[0].limit == 9
    talks = await amend(market, new, "buyer", terms=licence("READ"))
    await market.step(talks, "Terminate", org="seller")
    assert (await market.get(new.name)).state == agreement_pb2.Agreement.STATE_ACTIVE


async def test_only_parties_propose_and_only_something_new(market):
    old = await market.agreement(OLD)
    with refused("PERMISSION_DENIED"):
        await amend(market, old, "outsider", terms=licence())
    for nothing in ({}, {"terms": old.terms_document.terms}):
        with refused("INVALID_FIELD"):
            await amend(market, old, "seller", **nothing)
    await market.end(old.name, "Suspend")
    with refused("FAILED_PRECONDITION"):
        await amend(market, old, "seller", terms=licence())


async def test_memory_under_an_old_agreement_falls_with_the_one_in_its_place(market):
    old = await market.agreement(OLD)
    new = await settle(market, await amend(market, old, "seller", terms=licence("READ", duties=["DELETE_ON_EXPIRY"])))
    last = await settle(
        market, await amend(market, new, "seller", terms=licence("READ", calls=3, duties=["DELETE_ON_EXPIRY"]))
    )
    seen = {}

    async def watch():
        with market.on_behalf_of():
            stream = market.internal().WatchEntitlements(entitlement_calls_pb2.WatchEntitlementsRequest())
        async for message in stream:
            for one in message.entitlements:
                seen[one.agreement] = (agreement_pb2.Agreement.State.Name(one.state)[6:], one.delete_on_expiry)

    task = asyncio.create_task(watch())

    async def until(**states):
        async with asyncio.timeout(120):
            while seen != {name.name: states[key] for key, name in (("old", old), ("new", new), ("last", last))}:
                await asyncio.sleep(0.01)

    try:
        renewed = {"old": ("RENEWED", False), "new": ("RENEWED", True)}
        await until(**renewed, last=("ACTIVE", True))
        await market.end(last.name, "Suspend")
        await until(**dict.fromkeys(("old", "new", "last"), ("SUSPENDED", True)))
        await market.end(last.name, "Resume")
        await until(**renewed, last=("ACTIVE", True))
        await market.end(last.name, "Revoke")
        await until(**dict.fromkeys(("old", "new", "last"), ("REVOKED", True)))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
