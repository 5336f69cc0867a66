"""The entitlement stream: full state, then each change at once; expiry by the timer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from memporium.memstore.v1 import agreement_pb2, entitlement_calls_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium_platform.clock import ManualClock
from support.market import licence, refused, running_market

State = agreement_pb2.Agreement.State


def _watch(market, start_revision=0):
    with market.on_behalf_of():
        return market.internal().WatchEntitlements(
            entitlement_calls_pb2.WatchEntitlementsRequest(start_revision=start_revision)
        )


async def _read(stream):
    return await asyncio.wait_for(stream.read(), 30)


@pytest.fixture
async def pushing(tmp_path, monkeypatch):
    """A market that looks for no changes of others while a test runs: what comes was pushed."""
    monkeypatch.setenv("MEMPORIUM_MEMSTORE_POLL_S", "3600")
    async with asynccontextmanager(running_market)(tmp_path, clock=ManualClock()) as running:
        yield running


async def test_full_state_then_changes_in_order(pushing):
    market = pushing
    terms = licence()
    terms.duties.add(kind="DUTY_KIND_DELETE_ON_EXPIRY")
    first = await market.agreement(terms, "one")
    second = await market.agreement(licence(), "two")
    await market.end(first.name, "Suspend")
    stream = _watch(market)
    state = await _read(stream)
    assert state.synced
    assert {each.agreement: each.state for each in state.entitlements} == {
        first.name: State.STATE_SUSPENDED,
        second.name: State.STATE_ACTIVE,
    }
    assert {each.agreement: each.delete_on_expiry for each in state.entitlements} == {
        first.name: True,
        second.name: False,
    }
    revision = state.revision
    for verb, expected in (("Resume", State.STATE_ACTIVE), ("Revoke", State.STATE_REVOKED)):
        await market.end(first.name, verb)
        change = await _read(stream)
        assert [(each.agreement, each.state) for each in change.entitlements] == [(first.name, expected)]
        assert change.revision == change.entitlements[0].revision == revision + 1
        revision = change.revision
    stream.cancel()
    resumed = _watch(market, revision - 1)
    assert [each.state for each in (await _read(resumed)).entitlements] == [State.STATE_REVOKED]
    resumed.cancel()


async def test_the_timer_ends_an_agreement_and_the_stream_tells(market, clock):
    agreement = await market.agreement(licence(days=1))
    stream = _watch(market)
    await _read(stream)
    clock.advance(days=1)
    change = await _read(stream)
    assert [(each.agreement, each.state) for each in change.entitlements] == [(agreement.name, State.STATE_EXPIRED)]
    stream.cancel()


async def test_an_empty_market_is_synced_at_once(market):
    stream = _watch(market)
    assert (await _read(stream)).synced
    stream.cancel()


async def test_users_may_not_watch(market):
    stub = MemstoreServiceStub(market.platform.channel(market.keys["seller"]))
    with refused("PERMISSION_DENIED"):
        await stub.WatchEntitlements(entitlement_calls_pb2.WatchEntitlementsRequest()).read()
