"""Subscriptions and their events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import subscription_calls_pb2 as subscription_pb
from memporium_services.memstore.convert import subscriptions as news

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.subscriptions import Subscriptions


class SubscriptionMethods:
    """Methods of the service."""

    _subscriptions: Subscriptions

    async def CreateSubscription(
        self, request: subscription_pb.CreateSubscriptionRequest, context: Any
    ) -> subscription_pb.CreateSubscriptionResponse:
        made = await self._subscriptions.create(request.parent, **news.subscription_in(request.subscription))
        return subscription_pb.CreateSubscriptionResponse(subscription=news.subscription_out(made))

    async def GetSubscription(
        self, request: subscription_pb.GetSubscriptionRequest, context: Any
    ) -> subscription_pb.GetSubscriptionResponse:
        found = await self._subscriptions.get(request.name)
        return subscription_pb.GetSubscriptionResponse(subscription=news.subscription_out(found))

    async def ListSubscriptions(
        self, request: subscription_pb.ListSubscriptionsRequest, context: Any
    ) -> subscription_pb.ListSubscriptionsResponse:
        page = await self._subscriptions.list_of(request.parent, size=request.page_size, token=request.page_token)
        shown = [news.subscription_out(each) for each in page.items]
        return subscription_pb.ListSubscriptionsResponse(subscriptions=shown, next_page_token=page.next_page_token)

    async def DeleteSubscription(
        self, request: subscription_pb.DeleteSubscriptionRequest, context: Any
    ) -> subscription_pb.DeleteSubscriptionResponse:
        await self._subscriptions.delete(request.name)
        return subscription_pb.DeleteSubscriptionResponse()

    async def PullEvents(
        self, request: subscription_pb.PullEventsRequest, context: Any
    ) -> subscription_pb.PullEventsResponse:
        found, more = await self._subscriptions.pull(request.name, request.max_events)
        return subscription_pb.PullEventsResponse(events=[news.event_out(each) for each in found], more=more)

    async def AckEvents(
        self, request: subscription_pb.AckEventsRequest, context: Any
    ) -> subscription_pb.AckEventsResponse:
        moved = await self._subscriptions.acknowledge(request.name, request.cursor)
        return subscription_pb.AckEventsResponse(subscription=news.subscription_out(moved))

    async def StreamEvents(
        self, request: subscription_pb.StreamEventsRequest, context: Any
    ) -> AsyncIterator[subscription_pb.StreamEventsResponse]:
        async for found, seen in self._subscriptions.stream(request.name):
            for event in found:
                yield subscription_pb.StreamEventsResponse(event=news.event_out(event), cursor=event[0].cursor)
            if not found:
                yield subscription_pb.StreamEventsResponse(cursor=seen)
