"""Subscriptions over gRPC: at least once, no gap, the same id at each repeat, push by the scheduler."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from memporium.memstore.v1 import release_calls_pb2, subscription_calls_pb2, subscription_pb2
from memporium.scheduler.v1 import job_pb2, scheduler_service_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import (
    SchedulerServiceServicer,
    add_SchedulerServiceServicer_to_server,
)
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason
from support.market import refused, request_id, running_market
from support.patience import eventually

Kind = subscription_pb2.MarketEvent.Kind


async def _subscribe(market, org="buyer", **fields):
    fields["filter"] = subscription_pb2.SubscriptionFilter(**fields.pop("filter", {}))
    request = subscription_calls_pb2.CreateSubscriptionRequest(
        parent=f"orgs/{org}", subscription=subscription_pb2.Subscription(**fields), request_id=request_id()
    )
    return (await market.stub(org).CreateSubscription(request)).subscription


async def _pull(market, subscription, limit=0, org="buyer"):
    request = subscription_calls_pb2.PullEventsRequest(name=subscription.name, max_events=limit)
    return await market.stub(org).PullEvents(request)


async def _ack(market, subscription, cursor, org="buyer"):
    request = subscription_calls_pb2.AckEventsRequest(name=subscription.name, cursor=cursor, request_id=request_id())
    return await market.stub(org).AckEvents(request)


async def test_pulled_events_repeat_with_their_ids_until_they_are_acknowledged(market):
    listing = await market.listing(tags=["code"])
    subscription = await _subscribe(market)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await market.release(listing.name, version)
    first = await _pull(market, subscription, 2)
    assert first.more
    assert [event.version for event in first.events] == ["1.0.0", "1.1.0"]
    assert not any(event.redelivered for event in first.events)
    again = await _pull(market, subscription)
    assert [event.event_id for event in again.events][:2] == [event.event_id for event in first.events]
    assert [event.redelivered for event in again.events] == [True, True, False]
    assert not again.more
    await _ack(market, subscription, first.events[-1].cursor)
    await _ack(market, subscription, first.events[0].cursor)
    rest = await _pull(market, subscription)
    assert [event.version for event in rest.events] == ["1.2.0"]
    with refused("INVALID_FIELD"):
        await _ack(market, subscription, rest.events[0].cursor + 1)
    with refused("PERMISSION_DENIED"):
        await _pull(market, subscription, org="outsider")


async def test_filters_audience_and_beginning(market):
    mine = await market.listing("mine", tags=["code"])
    await market.listing("named", scope="ORGANISATIONS", organisations=["orgs/outsider"], tags=["code"])
    other = await market.listing("other", tags=["food"])
    by_tag = await _subscribe(market, filter={"any_tags": ["code"]}, from_beginning=True)
    by_listing = await _subscribe(market, filter={"listings": [other.name]}, from_beginning=True)
    late = await _subscribe(market)
    await market.release(mine.name)
    await market.release(other.name)
    await market.release("orgs/seller/listings/named")
    tagged = (await _pull(market, by_tag)).events
    assert [(Kind.Name(event.kind), event.listing) for event in tagged] == [
        ("KIND_LISTING_PUBLISHED", mine.name),
        ("KIND_RELEASE_PUBLISHED", mine.name),
    ]
    listed = (await _pull(market, by_listing)).events
    assert {event.listing for event in listed} == {other.name}
    assert [event.kind for event in (await _pull(market, late)).events] == [Kind.KIND_RELEASE_PUBLISHED] * 2


async def test_a_stream_gives_what_waits_and_then_what_happens_at_once(market):
    listing = await market.listing()
    subscription = await _subscribe(market)
    await market.release(listing.name, "1.0.0")
    stream = market.stub("buyer").StreamEvents(subscription_calls_pb2.StreamEventsRequest(name=subscription.name))
    assert (await stream.read()).event.version == "1.0.0"
    release = await market.release(listing.name, "1.1.0")
    second = await asyncio.wait_for(stream.read(), 30)
    assert second.event.release == release.name
    await _ack(market, subscription, second.event.cursor)
    await market.stub("seller").RevokeRelease(
        release_calls_pb2.RevokeReleaseRequest(name=release.name, reason="wrong", request_id=request_id())
    )
    revoked = await asyncio.wait_for(stream.read(), 30)
    assert (revoked.event.kind, revoked.event.text) == (Kind.KIND_RELEASE_REVOKED, "wrong")
    stream.cancel()
    # It was handed out and not acknowledged, so the next stream begins with it.
    again = market.stub("buyer").StreamEvents(subscription_calls_pb2.StreamEventsRequest(name=subscription.name))
    repeated = await asyncio.wait_for(again.read(), 30)
    assert repeated.event.event_id == revoked.event.event_id
    assert repeated.event.redelivered
    again.cancel()


async def test_a_stream_that_is_cut_at_any_point_loses_nothing(market):
    listing = await market.listing()
    subscription = await _subscribe(market)
    for number in range(6):
        await market.release(listing.name, f"1.{number}.0")
    seen: list[str] = []
    for cut in (1, 2, 3, 1, 6):
        stream = market.stub("buyer").StreamEvents(subscription_calls_pb2.StreamEventsRequest(name=subscription.name))
        for index in range(cut):
            if len(set(seen)) == 6:
                break
            answer = await asyncio.wait_for(stream.read(), 30)
            seen.append(answer.event.version)
            if index % 2 == 0:
                await _ack(market, subscription, answer.cursor)
        stream.cancel()
    assert sorted(set(seen)) == [f"1.{number}.0" for number in range(6)]


async def test_subscriptions_are_listed_and_deleted(market):
    made = [await _subscribe(market) for _ in range(3)]
    stub = market.stub("buyer")
    page = await stub.ListSubscriptions(
        subscription_calls_pb2.ListSubscriptionsRequest(parent="orgs/buyer", page_size=2)
    )
    rest = await stub.ListSubscriptions(
        subscription_calls_pb2.ListSubscriptionsRequest(
            parent="orgs/buyer", page_size=2, page_token=page.next_page_token
        )
    )
    listed = [each.name for each in (*page.subscriptions, *rest.subscriptions)]
    assert sorted(listed) == sorted(each.name for each in made)
    await stub.DeleteSubscription(
        subscription_calls_pb2.DeleteSubscriptionRequest(name=made[0].name, request_id=request_id())
    )
    with refused("NOT_FOUND"):
        await stub.GetSubscription(subscription_calls_pb2.GetSubscriptionRequest(name=made[0].name))


class FakeScheduler(SchedulerServiceServicer):
    """Takes jobs, once it is told to."""

    name = "scheduler"

    def __init__(self):
        self.open = False
        self.jobs = {}
        self.by = []

    def add_to(self, server):
        add_SchedulerServiceServicer_to_server(self, server)

    async def start(self): ...

    async def stop(self): ...

    async def CreateJob(self, request, context):
        if not self.open:
            raise PlatformError(Reason.OVERLOADED, "later")
        self.jobs[request.request_id] = request
        self.by.append(current_call().principal.name)
        return scheduler_service_pb2.CreateJobResponse(job=job_pb2.Job(name=f"{request.parent}/jobs/j"))


@pytest.fixture
async def pushing(tmp_path, clock):
    scheduler = FakeScheduler()
    async with asynccontextmanager(running_market)(tmp_path, clock=clock, modules=[scheduler]) as market:
        yield market, scheduler


async def test_a_release_is_pushed_once_to_who_has_an_agreement(pushing, clock):
    market, scheduler = pushing
    await _subscribe(market, "outsider", mode="MODE_PUSH")
    subscription = await _subscribe(market, mode="MODE_PUSH", vault="orgs/buyer/vaults/pack-1")
    agreement = await market.agreement()
    release = await market.release(agreement.listing)
    background = market.module.background

    async def tried():
        found = await market.module.market.store.read(lambda tx: tx.events.due(2**62, 10))
        return found if found and found[0].attempts else None

    due = await eventually(tried)
    assert [each.subscription for each in due] == [subscription.name]
    assert not scheduler.jobs
    scheduler.open = True
    clock.advance(minutes=1)
    await background.deliver_due()
    await eventually(lambda: scheduler.jobs)
    (job,) = scheduler.jobs.values()
    assert job.parent == "orgs/buyer"
    assert job.spec.deliver_release == job_pb2.DeliverRelease(
        agreement=agreement.name, listing=agreement.listing, release=release.name, vault_id="pack-1"
    )
    assert set(scheduler.by) == {"orgs/buyer/principals/owner"}
    clock.advance(hours=2)
    await background.deliver_due()
    assert len(scheduler.jobs) == 1
