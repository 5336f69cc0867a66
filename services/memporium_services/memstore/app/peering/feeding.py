"""What a peer is told: a record of each of its negotiations and agreements here, as they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.errors import denied
from memporium_services.memstore.app.peering.records import record_of
from memporium_services.memstore.domain.peering import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.domain.peering.speech import Said
    from memporium_services.memstore.ports import Transaction

_BATCH = 50


class Feeding:
    """Tells peers."""

    def __init__(self, peering: Peering) -> None:
        """Tell what the market holds."""
        self._peering = peering

    async def records(self, peer: str, after: int) -> AsyncIterator[tuple[int, Said | None]]:
        """Yield records behind a number, as they come; (0, None) after a silence.

        Raises:
            PlatformError: NOT_FOUND, once the peer is no longer one.
        """
        market, silent_s = self._peering.market, 0.0
        while True:
            await self._peering.peer(peer)
            ticket = market.entitlements_changed.ticket()
            found = await market.store.read(lambda tx, behind=after: tx.peering.feed(peer, after=behind, limit=_BATCH))  # type: ignore[misc]
            for number, resource in found:
                record = await market.store.write(
                    lambda tx, name=resource: record_of(tx, self._peering, peer, name)  # type: ignore[misc]
                )
                yield number, record
                after = number
            if found:
                silent_s = 0.0
                continue
            silent_s += market.settings.poll_s
            if silent_s > market.settings.keepalive_s:
                silent_s = 0.0
                yield 0, None
            await market.entitlements_changed.wait(ticket, market.settings.poll_s)

    async def known_org(self, peer: Peer, org: str) -> str:
        """Return an organisation that a peer may know of: it offers something, or has dealt with the peer.

        Raises:
            PlatformError: PERMISSION_DENIED for every other, as for one that does not exist.
        """

        def known(tx: Transaction) -> bool:
            if tx.listings.find(limit=1, org=org):
                return True
            dealt = tx.agreements.find(limit=1000, party=org)
            return any(peer.id in {names.peer_of(each.provider), names.peer_of(each.consumer)} for each in dealt)

        if not await self._peering.market.store.read(known):
            raise denied("memstore.peering.organisation", f"orgs/{org}")
        return org
