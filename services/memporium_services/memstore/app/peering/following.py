"""Follows the peers: their records as they come, and the lease without which nothing of theirs may be used."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.memstore.app.peering.lapsing import tell
from memporium_services.memstore.domain.peering import names

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.app.peering.replicas import Replicas
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.ports import Transaction
    from memporium_services.memstore.ports.peering import Lease

_log = structlog.get_logger(__name__)
_FIRST_PAUSE_S = 0.1
# Asked for so many times in its life, so that one answer may be lost.
_RENEWALS = 3
# A lease that is so near to its end may be seen as over until its successor is committed.
_NEARLY_OVER_US = 1_000_000
# Between two questions of a platform that has not applied everything yet.
_BEHIND_S = 0.1


class Following:
    """One peer at a time; the caller runs both coroutines for each."""

    def __init__(self, peering: Peering, replicas: Replicas) -> None:
        """Apply records to the replicas."""
        self._peering, self._replicas = peering, replicas

    async def follow(self, peer: Peer) -> None:
        """Apply the peer's records for ever; where it is away, try again."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                link = await self._peering.market.store.read(lambda tx: tx.peering.link(peer.id))
                async for number, record in self._peering.calls.watch(peer, link.applied):
                    pause_s = _FIRST_PAUSE_S
                    if record is not None:
                        await self._replicas.take(peer, record, number=number)
            except PlatformError as error:
                _log.debug("peer.away", peer=peer.id, reason=error.reason.value)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, self._peering.settings.retry_longest_s)

    async def keep_lease(self, peer: Peer) -> None:
        """Renew the lease for ever, as long as the peer answers."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                wait_s = await self.renew(peer)
                pause_s = _FIRST_PAUSE_S
            except PlatformError as error:
                problem = f"{error.reason.value}: {error.message}"
                await self._peering.market.store.write(lambda tx, text=problem: _failed(tx, peer.id, text))  # type: ignore[misc]
                wait_s = pause_s
                pause_s = min(pause_s * 2, self._peering.settings.retry_longest_s)
            await asyncio.sleep(wait_s)

    async def renew(self, peer: Peer) -> float:
        """Ask for a lease once; return after how many seconds to ask again."""
        market = self._peering.market
        link = await market.store.read(lambda tx: tx.peering.link(peer.id))
        # Its life counts from here: an answer that was held back prolongs nothing.
        asked = market.clock.now()
        lease = await self._peering.calls.lease(peer, link.applied)
        held = await market.store.write(lambda tx: _renewed(tx, peer.id, lease, asked, now=market.clock.now()))
        market.entitlements_changed.fire()
        return lease.life_ms / 1000 / _RENEWALS if held else _BEHIND_S


def _renewed(tx: Transaction, peer: str, lease: Lease, asked: datetime, *, now: datetime) -> bool:
    """Take a lease where everything that the peer has said so far was applied."""
    link = tx.peering.link(peer)
    link = replace(link, contact_us=to_us(asked), problem="")
    if link.applied < lease.newest:
        tx.peering.put_link(link)
        return False
    tx.peering.put_link(replace(link, lease_us=to_us(asked) + lease.life_ms * 1000))
    if link.lease_us < to_us(now) + _NEARLY_OVER_US:
        # Whoever looked while it was over enforces a suspension, however short that was.
        tell(tx, frozenset({peer}))
    return True


def _failed(tx: Transaction, peer: str, problem: str) -> None:
    link = tx.peering.link(peer)
    if link.problem != problem:
        tx.peering.put_link(replace(link, problem=problem))


def require_lease(tx: Transaction, agreement: str, now_us: int) -> None:
    """Refuse a use of memory of a peer's organisation without a living lease.

    Raises:
        PlatformError: LICENCE_LEASE_EXPIRED.
    """
    peer = names.peer_of(names.org_in(agreement))
    link = tx.peering.link(peer)
    if now_us < link.lease_us and tx.peering.peer(peer) is not None:
        return
    since = f"since {from_us(link.lease_us).isoformat()}" if link.lease_us else "and has not since it was registered"
    raise PlatformError(
        Reason.LICENCE_LEASE_EXPIRED,
        f"peers/{peer} has not said that the agreement still holds {since}",
        metadata={"agreement": agreement, "peer": f"peers/{peer}"},
        retry_after_s=1.0,
    )
