"""Statements that are made by themselves at the ends of periods: each period once, nothing lost, nothing for nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools

import pytest

from memporium.memstore.v1 import offer_pb2, terms_pb2
from memporium.memstore.v1 import statement_calls_pb2 as calls
from memporium_platform.errors import PlatformError, Reason
from support.market import licence, refused


def plan(*, statements=0, **kinds):
    return offer_pb2.PricePlan(statements=statements, **kinds)


PER_CALL = {"per_use": {"price": {"currency": "EUR", "micros": 250_000}, "unit": "USE_UNIT_CALLS"}}
PER_HOUR = {"per_period": {"price": {"currency": "EUR", "micros": 100_000}, "period": "QUOTA_PERIOD_HOUR"}}
HOUR, DAY, AGREEMENT = (f"QUOTA_PERIOD_{name}" for name in ("HOUR", "DAY", "AGREEMENT"))


async def made(market, name):
    found = await market.stub("buyer").ListStatements(calls.ListStatementsRequest(parent=name))
    return list(found.statements)


async def pass_hours(market, clock, hours):
    """Let time pass, and the timer run."""
    clock.advance(seconds=3600 * hours)
    await market.module.closing.close_due()


def until_full_hour(clock):
    now = clock.now()
    return 3600 - now.minute * 60 - now.second - now.microsecond / 1e6


@pytest.fixture
async def to_the_hour(market, clock):
    """Begin at a full hour, so that tests count in hours; without the timer, which would come between at times."""
    await market.module.background.stop()
    clock.advance(seconds=until_full_hour(clock))
    return market


async def test_a_statement_is_made_at_the_end_of_each_period_in_which_something_was_used(to_the_hour, clock):
    market = to_the_hour
    agreement = await market.agreement(licence(calls=None), price=plan(statements=HOUR, **PER_CALL))
    assert agreement.price.statements == terms_pb2.QUOTA_PERIOD_HOUR
    await market.use(agreement.name, "a")
    await pass_hours(market, clock, 0.5)
    assert not await made(market, agreement.name)
    await pass_hours(market, clock, 0.6)
    [first] = await made(market, agreement.name)
    assert (first.uses, first.amount.micros, first.end_time.seconds % 3600, first.end_time.nanos) == (1, 250_000, 0, 0)
    assert len(first.document.signatures) == 2
    # An hour without a use makes none.
    await pass_hours(market, clock, 1)
    await market.use(agreement.name, "b")
    await pass_hours(market, clock, 1)
    [_, second] = await made(market, agreement.name)
    assert (second.uses, second.number) == (1, 2)
    assert second.previous_sha256 == first.sha256
    data = b""
    async for message in market.stub("seller").ExportBilling(calls.ExportBillingRequest(parent="orgs/seller")):
        data += message.data
    assert [row["amount"] for row in csv.DictReader(io.StringIO(data.decode()))] == ["0.250000", "0.250000"]


async def test_what_was_missed_is_made_up_for_and_two_replicas_make_nothing_twice(to_the_hour, clock):
    market = to_the_hour
    agreement = await market.agreement(licence(calls=None), price=plan(**PER_HOUR))
    clock.advance(seconds=3600 * 3 + 60)
    await asyncio.gather(*(market.module.closing.close_due() for _ in range(4)))
    found = await made(market, agreement.name)
    assert [one.number for one in found] == [1, 2, 3]
    ends = [one.end_time.seconds for one in found]
    assert [after - before for before, after in itertools.pairwise(ends)] == [3600, 3600]
    assert [one.amount.micros for one in found] == [100_000] * 3
    await market.module.closing.close_due()
    assert len(await made(market, agreement.name)) == 3


async def test_one_that_was_asked_for_takes_what_it_closed_from_the_one_at_the_end(to_the_hour, clock):
    market = to_the_hour
    agreement = await market.agreement(licence(calls=None), price=plan(statements=HOUR, **PER_CALL))
    await market.use(agreement.name, "a")
    await market.stub("seller").CreateStatement(calls.CreateStatementRequest(parent=agreement.name))
    await market.use(agreement.name, "b")
    await pass_hours(market, clock, 1.1)
    assert [one.uses for one in await made(market, agreement.name)] == [1, 1]


async def test_the_last_one_comes_after_the_end_and_then_no_more(to_the_hour, clock):
    market = to_the_hour
    agreement = await market.agreement(licence(calls=None), price=plan(statements=HOUR, **PER_CALL))
    await market.use(agreement.name, "a")
    await market.reserve(agreement.name, "late")
    await market.end(agreement.name, "Revoke")
    await pass_hours(market, clock, 1.1)
    assert [one.uses for one in await made(market, agreement.name)] == [1]
    await pass_hours(market, clock, 3)
    store = market.module.market.store
    assert await store.read(lambda tx: tx.statements.next_due(agreement.name)) is None


async def test_once_for_the_whole_agreement_when_it_has_ended(to_the_hour, clock):
    market = to_the_hour
    agreement = await market.agreement(licence(calls=None), price=plan(statements=AGREEMENT, **PER_CALL))
    await market.use(agreement.name, "a")
    await pass_hours(market, clock, 49)
    assert not await made(market, agreement.name)
    await market.end(agreement.name, "Cancel", org="buyer")
    await pass_hours(market, clock, 49)
    assert [one.uses for one in await made(market, agreement.name)] == [1]


async def test_what_is_free_states_nothing_unless_it_says_so(to_the_hour, clock):
    market = to_the_hour
    quiet = await market.agreement(licence(calls=None), "quiet")
    told = await market.agreement(licence(calls=None), "told", price=plan(statements=DAY))
    monthly = await market.agreement(licence(calls=None), "monthly", price=plan(**PER_CALL))
    for agreement in (quiet, told, monthly):
        await market.use(agreement.name, "a")
    await pass_hours(market, clock, 25)
    assert [len(await made(market, one.name)) for one in (quiet, told, monthly)] == [0, 1, 0]
    with refused("INVALID_FIELD"):
        await market.offer("orgs/seller/listings/told", "odd", price=plan(statements=99))


async def test_an_hour_that_would_begin_at_the_end_is_not_owed(to_the_hour, clock):
    market = to_the_hour
    agreement = await market.agreement(licence(calls=None, days=1), price=plan(**PER_HOUR))
    await pass_hours(market, clock, 30)
    assert (await market.entitlement(agreement.name)).amount_due.micros == 24 * 100_000


async def test_one_that_fails_is_tried_again_in_a_minute_and_keeps_its_period(to_the_hour, clock, monkeypatch):
    market = to_the_hour
    agreement = await market.agreement(licence(calls=None), price=plan(statements=HOUR, **PER_CALL))
    await market.use(agreement.name, "a")
    statements, tried = market.module.closing._statements, []

    def fails(*_):
        tried.append(1)
        raise PlatformError(Reason.FAILED_PRECONDITION, "no peer")

    with monkeypatch.context() as patch:
        patch.setattr(statements, "put", fails)
        for _ in range(3):
            await pass_hours(market, clock, 1.1 if not tried else 0)
    assert len(tried) == 1
    clock.advance(seconds=61)
    await market.module.closing.close_due()
    [one] = await made(market, agreement.name)
    assert one.end_time.seconds - agreement.activate_time.seconds <= 3600
