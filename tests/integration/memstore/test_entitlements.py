"""Uses over gRPC: permitted, counted, metered, refused with a reason."""

from __future__ import annotations

import pytest

from memporium.memstore.v1 import entitlement_calls_pb2, offer_pb2, terms_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from support.market import licence, refused, running_market


async def _entitlement(market, agreement, org="buyer"):
    request = entitlement_calls_pb2.GetEntitlementRequest(name=agreement.name)
    return (await market.stub(org).GetEntitlement(request)).entitlement


async def _usage(market, agreement, org="buyer", **fields):
    request = entitlement_calls_pb2.ListUsageRequest(parent=agreement.name, **fields)
    return await market.stub(org).ListUsage(request)


async def test_fifty_calls_pass_and_the_fifty_first_is_refused(market):
    agreement = await market.agreement(licence(calls=50, attribution="© Acme"))
    for number in range(50):
        granted = await market.reserve(agreement.name, f"u{number}", action="RETRIEVE" if number % 2 else "READ")
        assert granted.attribution == "© Acme"
        assert granted.balances[0].remaining == 49 - number
        await market.commit(agreement.name, f"u{number}")
    with refused("LICENCE_QUOTA_EXHAUSTED") as error:
        await market.reserve(agreement.name, "u50")
    assert error[0].metadata["limit"] == "50"
    assert error[0].metadata["agreement"] == agreement.name
    for org in ("buyer", "seller"):
        page = await _usage(market, agreement, org)
        assert len(page.usage) == 50
        assert page.total.calls == 50
    left = await _entitlement(market, agreement)
    assert left.balances[0].remaining == 0
    assert "0 of 50 calls are left." in left.summary
    assert any("until 2026-01-31" in sentence for sentence in left.summary)


async def test_one_use_id_counts_once_however_often_it_is_sent(market):
    agreement = await market.agreement(licence(calls=2))
    first = await market.reserve(agreement.name, "same")
    assert (await market.reserve(agreement.name, "same")).reservation == first.reservation
    await market.commit(agreement.name, "same")
    await market.commit(agreement.name, "same")
    # A second service works on the same call of the user: covered, not counted.
    again = await market.reserve(agreement.name, "same")
    assert again.reservation.state == again.reservation.STATE_COMMITTED
    assert again.balances[0].used == 1
    assert (await _usage(market, agreement)).total.calls == 1
    with refused("INVALID_FIELD"):
        await market.reserve(agreement.name, "same", action="RETRIEVE")


async def test_what_was_not_used_is_given_back(market, clock):
    agreement = await market.agreement(licence(calls=1))
    await market.reserve(agreement.name, "a")
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await market.reserve(agreement.name, "b")
    await market.release_use(agreement.name, "a")
    await market.release_use(agreement.name, "a")
    await market.reserve(agreement.name, "b")
    with refused("FAILED_PRECONDITION"):
        await market.commit(agreement.name, "a")
    # A service that died between reserve and commit keeps nothing for ever.
    clock.advance(minutes=5)
    assert await market.module.metering.sweep() in (0, 1)
    await market.reserve(agreement.name, "c")
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await market.commit(agreement.name, "b")
    await market.commit(agreement.name, "c")
    assert [each.use_id for each in (await _usage(market, agreement)).usage] == ["c"]


async def test_a_late_commit_counts_while_there_is_room(market, clock):
    agreement = await market.agreement(licence(calls=2))
    await market.reserve(agreement.name, "late")
    clock.advance(minutes=5)
    await market.module.metering.sweep()
    await market.commit(agreement.name, "late")
    assert (await _entitlement(market, agreement)).balances[0].used == 1


async def test_committing_less_gives_the_rest_back_and_more_is_refused(market):
    terms = licence(calls=None)
    terms.permissions[0].constraints.quotas.add(unit="USE_UNIT_TOKENS", limit=100, period="QUOTA_PERIOD_DAY")
    agreement = await market.agreement(terms)
    await market.reserve(agreement.name, "t", units=terms_pb2.UseUnits(tokens=80))
    with refused("INVALID_FIELD"):
        await market.commit(agreement.name, "t", units=terms_pb2.UseUnits(calls=1, tokens=81))
    await market.commit(agreement.name, "t", units=terms_pb2.UseUnits(calls=1, tokens=30))
    balance = (await _entitlement(market, agreement)).balances[0]
    assert (balance.used, balance.reserved, balance.remaining) == (30, 0, 70)


async def test_a_second_service_may_need_more_for_the_same_use(market):
    terms = licence(calls=5)
    quotas = terms.permissions[0].constraints.quotas
    quotas.add(unit="USE_UNIT_MEMORIES", limit=10, period="QUOTA_PERIOD_AGREEMENT")
    agreement = await market.agreement(terms)
    await market.reserve(agreement.name, "u", units=terms_pb2.UseUnits(calls=1, memories=3))
    grown = await market.reserve(agreement.name, "u", units=terms_pb2.UseUnits(calls=1, memories=8))
    assert grown.reservation.units.memories == 8
    assert {each.quota.unit: each.remaining for each in grown.balances} == {1: 4, 2: 2}
    with refused("LICENCE_QUOTA_EXHAUSTED"):
        await market.reserve(agreement.name, "u", units=terms_pb2.UseUnits(calls=1, memories=11))
    await market.commit(agreement.name, "u", units=terms_pb2.UseUnits(calls=1, memories=7))
    left = {each.quota.unit: (each.used, each.reserved) for each in (await _entitlement(market, agreement)).balances}
    assert left == {1: (1, 0), 2: (7, 0)}


async def test_a_daily_quota_begins_anew(market, clock):
    terms = licence(calls=None)
    terms.permissions[0].constraints.quotas.add(unit="USE_UNIT_CALLS", limit=1, period="QUOTA_PERIOD_DAY")
    agreement = await market.agreement(terms)
    await market.use(agreement.name, "a")
    with refused("LICENCE_QUOTA_EXHAUSTED") as error:
        await market.reserve(agreement.name, "b")
    assert error[0].retry_after_s == pytest.approx(86_400)
    clock.advance(days=1)
    await market.use(agreement.name, "b")


async def test_an_agreement_ends_with_its_time(market, clock):
    agreement = await market.agreement(licence(days=30))
    await market.use(agreement.name, "a")
    clock.advance(days=30)
    with refused("LICENCE_EXPIRED") as error:
        await market.reserve(agreement.name, "b")
    assert error[0].metadata["expire_time"] == "2026-01-31T00:00:00+00:00"
    await market.module.agreements.expire_due()
    ended = await market.get(agreement.name)
    assert ended.state == ended.STATE_EXPIRED
    assert ended.history[-1].trigger == "expire"
    with refused("LICENCE_EXPIRED"):
        await market.reserve(agreement.name, "a")


@pytest.mark.parametrize(
    ("verb", "org", "state", "reason"),
    [
        ("Suspend", "seller", "SUSPENDED", "LICENCE_SUSPENDED"),
        ("Revoke", "seller", "REVOKED", "LICENCE_REVOKED"),
        ("Cancel", "buyer", "CANCELLED", "LICENCE_REVOKED"),
    ],
)
async def test_leaving_active_refuses_the_next_use(market, verb, org, state, reason):
    agreement = await market.agreement()
    await market.use(agreement.name, "a")
    moved = await market.end(agreement.name, verb, org=org)
    assert moved.State.Name(moved.state) == f"STATE_{state}"
    for use_id in ("a", "b"):
        with refused(reason):
            await market.reserve(agreement.name, use_id)
    assert not (await _entitlement(market, agreement)).usable


async def test_suspended_agreements_resume_and_breached_ones_do_not(market):
    agreement = await market.agreement()
    await market.end(agreement.name, "Suspend")
    await market.end(agreement.name, "Resume")
    await market.use(agreement.name, "a")
    breached = await market.end(agreement.name, "Revoke", breach=True)
    assert breached.state == breached.STATE_BREACHED
    with refused("LICENCE_REVOKED") as error:
        await market.reserve(agreement.name, "b")
    assert error[0].metadata["state"] == "BREACHED"
    with refused("ILLEGAL_TRANSITION"):
        await market.end(agreement.name, "Resume")


async def test_each_side_has_its_own_steps(market):
    agreement = await market.agreement()
    for verb in ("Suspend", "Resume", "Revoke"):
        with refused("ILLEGAL_TRANSITION"):
            await market.end(agreement.name, verb, org="buyer")
    with refused("ILLEGAL_TRANSITION"):
        await market.end(agreement.name, "Cancel", org="seller")


@pytest.mark.parametrize("action", ["REDISTRIBUTE", "DERIVE_LORA", "EXPORT_BUNDLE", "MATERIALISE_KV"])
async def test_what_is_not_permitted_is_refused(market, action):
    agreement = await market.agreement()
    with refused("LICENCE_NOT_PERMITTED") as error:
        await market.reserve(agreement.name, "x", action=action)
    assert error[0].metadata == {"agreement": agreement.name, "action": action, "term": "permissions"}


async def test_purpose_region_workload_and_form(market):
    only = terms_pb2.AllowedValues
    terms = licence(
        purposes=only(values=["support"]),
        regions=only(values=["eu"]),
        workloads=only(values=["orgs/buyer/principals/owner"]),
    )
    agreement = await market.agreement(terms)
    declared = {"purpose": "support", "region": "eu"}
    for wrong, term in (
        ({"purpose": "ads"}, "purposes"),
        ({"purpose": ""}, "purposes"),
        ({"region": "us"}, "regions"),
        ({"form": 2}, "permissions"),
    ):
        with refused("LICENCE_NOT_PERMITTED") as error:
            await market.reserve(agreement.name, "x", **{**declared, **wrong})
        assert error[0].metadata["term"] == term
    await market.reserve(agreement.name, "x", **declared)


async def test_rate_and_concurrency(market, clock):
    terms = licence(calls=None, max_concurrency=2)
    terms.permissions[0].constraints.rates.add(limit=3).interval.FromSeconds(60)
    agreement = await market.agreement(terms)
    await market.reserve(agreement.name, "a")
    await market.reserve(agreement.name, "b")
    with refused("RATE_LIMITED"):
        await market.reserve(agreement.name, "c")
    await market.commit(agreement.name, "a")
    await market.reserve(agreement.name, "c")
    await market.commit(agreement.name, "b")
    clock.advance(seconds=20)
    with refused("RATE_LIMITED") as error:
        await market.reserve(agreement.name, "d")
    assert error[0].retry_after_s == pytest.approx(40)
    clock.advance(seconds=41)
    await market.reserve(agreement.name, "d")


async def test_only_the_consumer_uses_and_only_services_ask(market):
    agreement = await market.agreement()
    for org in ("seller", "outsider"):
        with refused("PERMISSION_DENIED"):
            await market.reserve(agreement.name, "x", org=org)
    with refused("PERMISSION_DENIED"):
        await market.reserve(agreement.name, "x", org="")
    await market.reserve(agreement.name, "x", org="", organisation="orgs/buyer")
    direct = MemstoreServiceStub(market.platform.channel(market.keys["buyer"]))
    with refused("PERMISSION_DENIED"):
        await direct.ReserveUse(
            entitlement_calls_pb2.ReserveUseRequest(agreement=agreement.name, action="LICENCE_ACTION_READ", use_id="y")
        )
    with refused("PERMISSION_DENIED"):
        await _usage(market, agreement, "outsider")
    with refused("PERMISSION_DENIED"):
        await _entitlement(market, agreement, "outsider")


async def test_usage_pages_and_bills(market, clock):
    price = offer_pb2.PricePlan(
        per_use=offer_pb2.UsePlan(
            price=offer_pb2.Price(currency="EUR", micros=250_000),
            unit="USE_UNIT_CALLS",
            cap=offer_pb2.Price(currency="EUR", micros=1_000_000),
        )
    )
    agreement = await market.agreement(price=price)
    for number in range(5):
        clock.advance(seconds=1)
        await market.use(agreement.name, f"u{number}")
        due = (await _entitlement(market, agreement)).amount_due
        assert (due.currency, due.micros) == ("EUR", min(250_000 * (number + 1), 1_000_000))
    first = await _usage(market, agreement, page_size=3)
    rest = await _usage(market, agreement, page_size=3, page_token=first.next_page_token)
    assert [each.use_id for each in (*first.usage, *rest.usage)] == ["u4", "u3", "u2", "u1", "u0"]
    assert not rest.next_page_token
    with refused("INVALID_PAGE_TOKEN"):
        await _usage(market, agreement, "buyer", page_token="x" + first.next_page_token)


async def test_everything_is_there_after_a_restart(tmp_path, clock):
    from contextlib import asynccontextmanager

    run = asynccontextmanager(running_market)
    async with run(tmp_path, clock=clock) as market:
        agreement = await market.agreement(licence(calls=2))
        await market.use(agreement.name, "a")
        await market.reserve(agreement.name, "b")
    async with run(tmp_path, clock=clock) as market:
        assert (await market.get(agreement.name)) == agreement
        with refused("LICENCE_QUOTA_EXHAUSTED"):
            await market.reserve(agreement.name, "c")
        await market.commit(agreement.name, "b")
        assert (await _usage(market, agreement)).total.calls == 2
