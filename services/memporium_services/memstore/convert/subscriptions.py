"""Subscriptions and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import subscription_pb2
from memporium_services.memstore.convert.values import enum_in, time_out
from memporium_services.memstore.domain.subscriptions import Mode

if TYPE_CHECKING:
    from memporium_services.memstore.domain.subscriptions import MarketEvent, Subscription


def subscription_in(message: subscription_pb2.Subscription) -> dict[str, Any]:
    """Return the arguments of `Subscriptions.create`."""
    mode = enum_in(
        message.mode,
        subscription_pb2.Subscription.Mode,
        "MODE_",
        default=Mode.PULL.value,
        field="subscription.mode",
    )
    return {
        "listings": tuple(sorted(set(message.filter.listings))),
        "any_tags": tuple(sorted(set(message.filter.any_tags))),
        "mode": Mode(mode),
        "vault": message.vault,
        "from_beginning": message.from_beginning,
    }


def subscription_out(pair: tuple[Subscription, int]) -> subscription_pb2.Subscription:
    """Return the message of a subscription with its cursor."""
    subscription, cursor = pair
    return subscription_pb2.Subscription(
        name=subscription.name,
        uid=subscription.uid,
        filter=subscription_pb2.SubscriptionFilter(listings=subscription.listings, any_tags=subscription.any_tags),
        mode=subscription_pb2.Subscription.Mode.Value(f"MODE_{subscription.mode.value}"),
        vault=subscription.vault,
        cursor=cursor,
        create_time=time_out(subscription.create_us),
        from_beginning=subscription.from_beginning,
    )


def event_out(pair: tuple[MarketEvent, bool]) -> subscription_pb2.MarketEvent:
    """Return the message of an event, and whether it was handed out before."""
    event, redelivered = pair
    return subscription_pb2.MarketEvent(
        event_id=event.event_id,
        cursor=event.cursor,
        kind=subscription_pb2.MarketEvent.Kind.Value(f"KIND_{event.kind.value}"),
        listing=event.listing,
        release=event.release,
        version=event.version,
        tags=event.tags,
        text=event.text,
        agreement=event.agreement,
        time=time_out(event.time_us),
        redelivered=redelivered,
    )
