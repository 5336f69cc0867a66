"""What the marketplace does by itself: expiry, reservations that nobody came back for, statements, deliveries."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError
from memporium_platform.storage.sql.times import to_us

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from memporium_services.memstore.app.agreements import Agreements
    from memporium_services.memstore.app.closing import Closing
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.app.metering import Metering
    from memporium_services.memstore.domain.subscriptions import Delivery
    from memporium_services.memstore.ports import DeliveryQueue, Transaction

_log = structlog.get_logger(__name__)
_DELIVERIES = 50
_LONGEST_WAIT_S = 3600.0


class Background:
    """The timers."""

    def __init__(
        self, market: Market, agreements: Agreements, metering: Metering, closing: Closing, queue: DeliveryQueue
    ) -> None:
        """Work on the market; deliveries go to `queue`."""
        self._market, self._agreements, self._metering, self._queue = market, agreements, metering, queue
        self._closing = closing
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        for work in (self._agreements.expire_due, self._metering.sweep, self._closing.close_due, self.deliver_due):
            self._tasks.append(asyncio.create_task(self._repeat(work), name=f"memstore.{work.__name__}"))

        self._tasks.append(asyncio.create_task(self._follow_events(), name="memstore.follow_events"))

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def deliver_due(self) -> int:
        """Hand the deliveries whose time has come to the scheduler; return how many it took."""
        now_us = to_us(self._market.clock.now())
        due = await self._market.store.read(lambda tx: tx.events.due(now_us, _DELIVERIES))
        taken = 0
        for delivery in due:
            taken += await self._deliver(delivery, now_us)
        return taken

    async def _follow_events(self) -> None:
        """Wake the streams of this process when another replica has added events."""
        newest = 0
        while True:
            try:
                seen = await self._market.store.read(lambda tx: tx.events.newest())
            except PlatformError as error:
                _log.warning("background.failed", work="follow_events", reason=error.reason.value)
                seen = newest
            if seen != newest:
                newest = seen
                self._market.events_added.fire()
            await asyncio.sleep(self._market.settings.poll_s)

    async def _deliver(self, delivery: Delivery, now_us: int) -> bool:
        listing = delivery.release.partition("/releases/")[0]
        try:
            await self._queue.deliver(delivery, listing)
        except PlatformError as error:
            wait_s = min(self._market.settings.delivery_retry_s * 2**delivery.attempts, _LONGEST_WAIT_S)
            later = replace(delivery, attempts=delivery.attempts + 1, next_us=now_us + int(wait_s * 1e6))
            await self._market.store.write(lambda tx: tx.events.put_delivery(later))
            _log.warning("delivery.postponed", subscription=delivery.subscription, reason=error.reason.value)
            return False
        await self._market.store.write(lambda tx: _done(tx, delivery))
        return True

    async def _repeat(self, work: Callable[[], Awaitable[int]]) -> None:
        while True:
            ticket = self._market.deliveries_added.ticket()
            try:
                await work()
            except PlatformError as error:
                # The store may be away for a while; the next round tries again.
                _log.warning("background.failed", work=getattr(work, "__name__", ""), reason=error.reason.value)
            await self._market.deliveries_added.wait(ticket, self._market.settings.timer_s)


def _done(tx: Transaction, delivery: Delivery) -> None:
    tx.events.put_delivery(delivery, done=True)
