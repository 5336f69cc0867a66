"""Subscriptions: a durable cursor over the events, at least once and without a gap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import invalid, not_found
from memporium_platform.names import ORG, SUBSCRIPTION, VAULT, new_id, org_of
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.market import Page, last_part
from memporium_services.memstore.domain.subscriptions import Mode, Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.subscriptions import MarketEvent
    from memporium_services.memstore.ports import Transaction

# Events that one transaction looks through.
_SCAN = 500
_MAX_FILTER = 100


class Subscriptions:
    """Standing orders."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def create(
        self,
        parent: str,
        *,
        listings: tuple[str, ...],
        any_tags: tuple[str, ...],
        mode: Mode,
        vault: str,
        from_beginning: bool,
    ) -> tuple[Subscription, int]:
        """Subscribe; return the subscription and its cursor."""
        org = ORG.parse(parent, "parent")["org"]
        if vault:
            VAULT.parse(vault, "subscription.vault")
        if vault and (mode is not Mode.PUSH or org_of(vault) != org):
            raise invalid("subscription.vault", "must be of the subscriber, and is for push subscriptions alone")
        if max(len(listings), len(any_tags)) > _MAX_FILTER:
            raise invalid("subscription.filter", f"must have at most {_MAX_FILTER} entries each")

        def work(tx: Transaction, now: datetime) -> str:
            call, uid = current_call(), new_id(now)
            name = SUBSCRIPTION.format(org=org, subscription=uid)
            subscription = Subscription(
                name=name,
                uid=uid,
                org=org,
                listings=listings,
                any_tags=any_tags,
                mode=mode,
                vault=vault,
                owner=call.principal.name,
                from_beginning=from_beginning,
                create_us=to_us(now),
            )
            tx.subscriptions.put(subscription)
            if not from_beginning:
                newest = tx.events.newest()
                tx.events.set_cursor(name, acknowledged=newest, handed=newest)
            tx.audit(call, name, {"mode": mode.value}, now)
            return name

        return await self._market.mutate(work, _with_cursor)

    async def get(self, name: str) -> tuple[Subscription, int]:
        """Return a subscription and its cursor."""
        return await self._market.store.read(lambda tx: _with_cursor(tx, name))

    async def list_of(self, parent: str, *, size: int, token: str) -> Page[tuple[Subscription, int]]:
        """Return the subscriptions of an organisation, newest first."""
        org, limit = ORG.parse(parent, "parent")["org"], page_size(size)
        scope = f"ListSubscriptions/{org}"
        after = self._market.after(scope, token)

        def fetch(tx: Transaction) -> list[tuple[Subscription, int]]:
            found = tx.subscriptions.find(limit=limit + 1, after=after, newest=True, org=org)
            return [(each, tx.events.cursor(each.name)[0]) for each in found]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda pair: last_part(pair[0].name))

    async def delete(self, name: str) -> None:
        """End a subscription."""

        def work(tx: Transaction, now: datetime) -> str:
            _own(tx, name)
            tx.subscriptions.delete(name)
            tx.audit(current_call(), name, {}, now)
            return name

        await self._market.mutate(work, lambda _tx, _name: None)

    async def acknowledge(self, name: str, cursor: int) -> tuple[Subscription, int]:
        """Move the cursor to an event that was handed out; never back."""

        def work(tx: Transaction, now: datetime) -> str:
            _own(tx, name)
            if not 0 <= cursor <= tx.events.cursor(name)[1]:
                raise invalid("cursor", "is of an event that was not handed to this subscription")
            tx.events.set_cursor(name, acknowledged=cursor)
            tx.audit(current_call(), name, {"cursor": str(cursor)}, now)
            return name

        return await self._market.mutate(work, _with_cursor)

    async def pull(self, name: str, limit: int) -> tuple[list[tuple[MarketEvent, bool]], bool]:
        """Return events after the acknowledged one, each with whether it was handed out before; True: more."""
        size = page_size(limit)
        acknowledged = await self._market.store.read(lambda tx: (_own(tx, name), tx.events.cursor(name)[0])[1])
        found, _seen, more = await self._next(name, acknowledged, size)
        return found, more

    async def stream(self, name: str) -> AsyncIterator[tuple[list[tuple[MarketEvent, bool]], int]]:
        """Yield events after the acknowledged one, then new ones as they happen, each time with how far that is.

        Nothing new for `keepalive_s` yields an empty list.
        """
        market = self._market
        seen = await market.store.read(lambda tx: (_own(tx, name), tx.events.cursor(name)[0])[1])
        loop = asyncio.get_running_loop()
        spoken = loop.time()
        while True:
            ticket = market.events_added.ticket()
            found, seen, more = await self._next(name, seen, _SCAN)
            if found or loop.time() - spoken >= market.settings.keepalive_s:
                spoken = loop.time()
                yield found, seen
            if not more:
                # One task looks for what other replicas added and wakes every stream: a thousand need not each look.
                await market.events_added.wait(ticket, max(spoken + market.settings.keepalive_s - loop.time(), 0.0))

    async def _next(self, name: str, after: int, limit: int) -> tuple[list[tuple[MarketEvent, bool]], int, bool]:
        """Return events that pass the filter, the last cursor that was looked at, and whether there is more."""
        found: list[tuple[MarketEvent, bool]] = []
        while True:
            events, handed, scanned, seen = await self._market.store.read(lambda tx, at=after: _scan(tx, name, at))  # type: ignore[misc]
            for event in events[: limit - len(found)]:
                found.append((event, event.cursor <= handed))
                seen_event = event.cursor
            full = len(found) >= limit
            more = (full and (len(events) > 0 and events[-1].cursor > seen_event)) or scanned == _SCAN
            after = seen_event if full else seen
            if full or scanned < _SCAN:
                break
        newest = found[-1][0].cursor if found else 0
        if newest > handed:
            await self._market.store.write(lambda tx: tx.events.set_cursor(name, handed=newest))
        return found, after, more


def _scan(tx: Transaction, name: str, after: int) -> tuple[list[MarketEvent], int, int, int]:
    """Return events for the subscription, its handed cursor, how many were looked at, and the last one's cursor."""
    subscription = _own(tx, name)
    events = tx.events.after(after, _SCAN)
    visible: dict[str, bool] = {}
    wanted = []
    for event in events:
        if not subscription.wants(event):
            continue
        if event.listing not in visible:
            visible[event.listing] = _may_see(tx, event.listing, subscription.org)
        if visible[event.listing]:
            wanted.append(event)
    return wanted, tx.events.cursor(name)[1], len(events), events[-1].cursor if events else after


def _may_see(tx: Transaction, name: str, org: str) -> bool:
    listing = tx.listings.get(name)
    if listing is None:
        # Of another platform: what is told here is told to who has an agreement on it.
        return tx.has_agreement(name, org)
    return org == listing.org or listing.audience.includes(org, listing.org) or tx.has_agreement(name, org)


def _own(tx: Transaction, name: str) -> Subscription:
    SUBSCRIPTION.parse(name)
    subscription = tx.subscriptions.get(name)
    if subscription is None:
        raise not_found(name)
    return subscription


def _with_cursor(tx: Transaction, name: str) -> tuple[Subscription, int]:
    subscription = _own(tx, name)
    return subscription, tx.events.cursor(name)[0]
