"""What the trade with other platforms does by itself: follows each peer, sends what waits, states what was used."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError
from memporium_services.memstore.app.peering.lapsing import Lapsing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from memporium_services.memstore.app.peering.following import Following
    from memporium_services.memstore.app.peering.outbox import Outbox
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.app.peering.stating import Stating
    from memporium_services.memstore.domain.peering.peers import Peer

_log = structlog.get_logger(__name__)
# How often it looks for peers that came or went, and for messages whose time has come.
_LOOK_S = 0.25


class PeerBackground:
    """The tasks."""

    def __init__(self, peering: Peering, following: Following, outbox: Outbox, stating: Stating) -> None:
        """Work for the peers in the database."""
        self._peering, self._following, self._outbox, self._stating = peering, following, outbox, stating
        self._lapsing = Lapsing(peering)
        self._tasks: list[asyncio.Task[None]] = []
        self._followed: dict[Peer, tuple[asyncio.Task[None], ...]] = {}

    def start(self) -> None:
        """Begin."""
        usage_s = self._peering.settings.usage_s
        works = (
            (self._look, _LOOK_S),
            (self._send, _LOOK_S),
            (self._lapse, _LOOK_S),
            (self._stating.state_all, usage_s),
        )
        for work, pause_s in works:
            self._tasks.append(asyncio.create_task(self._repeat(work, pause_s), name=f"peers.{work.__name__}"))

    async def stop(self) -> None:
        """End."""
        running = [*self._tasks, *(task for tasks in self._followed.values() for task in tasks)]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._tasks.clear()
        self._followed.clear()

    async def _send(self) -> int:
        return await self._outbox.send_due()

    async def _lapse(self) -> int:
        return await self._lapsing.look()

    async def _look(self) -> int:
        """Follow exactly the peers that have an address."""
        peers = {peer for peer in await self._peering.market.store.read(lambda tx: tx.peering.peers()) if peer.address}
        for gone in set(self._followed) - peers:
            for task in self._followed.pop(gone):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        for peer in peers - set(self._followed):
            work = (self._following.follow, self._following.keep_lease)
            self._followed[peer] = tuple(asyncio.create_task(each(peer), name=f"peers.{peer.id}") for each in work)
        return len(peers)

    async def _repeat(self, work: Callable[[], Awaitable[int]], pause_s: float) -> None:
        while True:
            ticket = self._peering.to_send.ticket()
            try:
                await work()
            except PlatformError as error:
                # The store may be away for a while; the next round tries again.
                _log.warning("peers.failed", work=getattr(work, "__name__", ""), reason=error.reason.value)
            await self._peering.to_send.wait(ticket, pause_s)
