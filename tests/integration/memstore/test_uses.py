"""What terms count and ask for at a use, beyond calls: forms, amounts told later, uses that go on, what is reported."""

from __future__ import annotations

import pytest

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import agreement_pb2, entitlement_calls_pb2, subscription_calls_pb2, terms_pb2
from support.market import licence, refused

RUNNING = agreement_pb2.Reservation.STATE_RUNNING
COMMITTED = agreement_pb2.Reservation.STATE_COMMITTED
KV = cube_pb2.MEMORY_FORM_ACTIVATION


def quota(unit: str, limit: int) -> terms_pb2.LicenceTerms:
    terms = licence(calls=None)
    terms.permissions[0].constraints.quotas.add(unit=f"USE_UNIT_{unit}", limit=limit, period="QUOTA_PERIOD_AGREEMENT")
    return terms


async def usage(market, agreement):
    request = entitlement_calls_pb2.ListUsageRequest(parent=agreement.name)
    return await market.stub("seller").ListUsage(request)


async def test_each_form_that_is_used_must_be_permitted(market):
    terms = licence()
    terms.permissions.add(actions=["LICENCE_ACTION_READ"], forms=["MEMORY_FORM_ACTIVATION"])
    agreement = await market.agreement(terms)
    await market.reserve(agreement.name, "both", further_forms=[KV])
    with refused("LICENCE_NOT_PERMITTED") as error:
        await market.reserve(agreement.name, "other", action="INFER_WITH", further_forms=[KV])
    assert error[0].metadata["term"] == "permissions"
    with refused("INVALID_FIELD"):
        await market.reserve(agreement.name, "odd", further_forms=[77])


async def test_quotas_of_all_forms_that_are_used_count(market):
    terms = licence(calls=None)
    more = terms.permissions.add(actions=["LICENCE_ACTION_READ"], forms=["MEMORY_FORM_ACTIVATION"])
    more.constraints.quotas.add(unit="USE_UNIT_CALLS", limit=1, period="QUOTA_PERIOD_AGREEMENT")
    agreement = await market.agreement(terms)
    await market.use(agreement.name, "a", further_forms=[KV])
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await market.reserve(agreement.name, "b", further_forms=[KV])
    await market.reserve(agreement.name, "c")


@pytest.mark.parametrize("unit", ["memories", "tokens", "bytes"])
async def test_what_a_search_found_is_told_before_it_is_shown(market, unit):
    agreement = await market.agreement(quota(unit.upper(), 10))
    first = await market.reserve(agreement.name, "a", units_follow=True)
    assert first.counted
    await market.reserve(agreement.name, "a", units={unit: 7})
    await market.commit(agreement.name, "a", units={unit: 7})
    await market.reserve(agreement.name, "b", units_follow=True)
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await market.reserve(agreement.name, "b", units={unit: 4})
    with refused("INVALID_FIELD"):
        await market.commit(agreement.name, "b", units={unit: 4})
    await market.release_use(agreement.name, "b")
    assert getattr((await usage(market, agreement)).total, unit) == 7


async def test_derivations_are_counted_at_once(market):
    agreement = await market.agreement(quota("DERIVATIONS", 1))
    first = await market.reserve(agreement.name, "a", units={"derivations": 1})
    assert not first.counted
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await market.reserve(agreement.name, "b", units={"derivations": 1})


async def test_what_no_quota_counts_is_metered_all_the_same(market):
    agreement = await market.agreement()
    assert not (await market.reserve(agreement.name, "a", units_follow=True)).counted
    await market.commit(agreement.name, "a", units={"memories": 3, "bytes": 90})
    assert (await usage(market, agreement)).usage[0].units.memories == 3


async def test_a_result_stands_on_enough_memories(market):
    agreement = await market.agreement(licence(min_aggregation=3))
    for units in ({}, {"memories": 2}):
        with refused("LICENCE_NOT_PERMITTED") as error:
            await market.reserve(agreement.name, "a", units=units)
        assert error[0].metadata["term"] == "min_aggregation"
    assert (await market.reserve(agreement.name, "b", units_follow=True)).counted
    with refused("LICENCE_NOT_PERMITTED"):
        await market.reserve(agreement.name, "b", units={"memories": 2})
    # A service that does not tell is refused when it commits.
    with refused("LICENCE_NOT_PERMITTED"):
        await market.commit(agreement.name, "b", units={"memories": 2})
    await market.reserve(agreement.name, "b", units={"memories": 3})
    await market.commit(agreement.name, "b", units={"memories": 3})


async def test_a_use_that_goes_on_takes_its_place_until_it_is_over(market, clock):
    agreement = await market.agreement(licence(max_concurrency=1))
    await market.reserve(agreement.name, "a")
    assert (await market.commit(agreement.name, "a", running=True)).reservation.state == RUNNING
    with refused("RATE_LIMITED"):
        await market.reserve(agreement.name, "b")
    clock.advance(seconds=100)
    # Sent again it keeps its place; its time would have been over after 120 s.
    await market.commit(agreement.name, "a", running=True)
    clock.advance(seconds=100)
    with refused("RATE_LIMITED"):
        await market.reserve(agreement.name, "b")
    assert (await market.release_use(agreement.name, "a")).reservation.state == COMMITTED
    await market.use(agreement.name, "b")
    assert [one.use_id for one in (await usage(market, agreement)).usage] == ["b", "a"]


async def test_a_use_that_nobody_ends_loses_its_place_and_stays_metered(market, clock):
    agreement = await market.agreement(licence(max_concurrency=1, calls=2))
    await market.reserve(agreement.name, "a")
    await market.commit(agreement.name, "a", running=True)
    clock.advance(seconds=121)
    await market.module.metering.sweep()
    await market.use(agreement.name, "b")
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await market.reserve(agreement.name, "c")
    # Too late to go on, and no second use.
    assert (await market.commit(agreement.name, "a", running=True)).reservation.state == COMMITTED
    assert len((await usage(market, agreement)).usage) == 2


async def test_the_provider_alone_is_told_of_each_use_where_the_terms_ask_for_it(market):
    terms = licence()
    terms.duties.add(kind="DUTY_KIND_INFORM")
    subscriptions = {
        org: (
            await market.stub(org).CreateSubscription(
                subscription_calls_pb2.CreateSubscriptionRequest(parent=f"orgs/{org}", subscription={"mode": 1})
            )
        ).subscription.name
        for org in ("seller", "buyer", "outsider")
    }
    agreement = await market.agreement(terms)
    await market.reserve(agreement.name, "a", purpose="support", units={"memories": 2})
    for _ in range(2):
        await market.commit(agreement.name, "a")
    told = {}
    for org, name in subscriptions.items():
        pulled = await market.stub(org).PullEvents(subscription_calls_pb2.PullEventsRequest(name=name))
        told[org] = [(one.text, one.agreement) for one in pulled.events if one.kind == 7]
    assert told == {
        "seller": [("orgs/buyer: read on 2 plaintext memories for support", agreement.name)],
        "buyer": [],
        "outsider": [],
    }
