"""The running trade with other platforms: what `module` adds to the marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.memstore.adapters.peering.listener import PeerListener
from memporium_services.memstore.adapters.peering.setup import PeerParts, build_parts
from memporium_services.memstore.app.listings import Listings
from memporium_services.memstore.app.offers import Offers
from memporium_services.memstore.app.peering.feeding import Feeding
from memporium_services.memstore.app.peering.inbox import Inbox
from memporium_services.memstore.app.peering.trade import Identity, Trade
from memporium_services.memstore.servicer.peers import PeerServicer

if TYPE_CHECKING:
    from memporium_platform.kernel import Kernel
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.app.releases import Releases
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.settings import PeerSettings


class PeerModule:
    """Listens for peers, and works with them in the background."""

    def __init__(self, kernel: Kernel, market: Market, settings: PeerSettings, releases: Releases) -> None:
        """Wire the parts."""
        self.parts: PeerParts = build_parts(kernel, market, settings)
        self._settings, self._market = settings, market
        peering = self.parts.peering
        servicer = PeerServicer(
            peering,
            inbox=Inbox(peering),
            feeding=Feeding(peering),
            own_goods=self.parts.own_goods,
            accounts=self.parts.accounts,
            listings=Listings(market),
            offers=Offers(market),
            releases=releases,
        )
        self.listener = PeerListener(kernel, settings, servicer, peers=self._peers, changed=peering.peers_changed)
        self.trade = Trade(
            me=peering.me,
            identity=self._identity,
            registry=self.parts.registry,
            accounts=self.parts.accounts,
            catalogues=self.parts.catalogues,
            peer_goods=self.parts.peer_goods,
        )

    async def start(self) -> None:
        """Begin."""
        await self.listener.start()
        self.parts.background.start()

    async def stop(self) -> None:
        """End."""
        await self.parts.background.stop()
        await self.listener.stop()
        await self.parts.calls.close()

    async def _peers(self) -> list[Peer]:
        return await self._market.store.read(lambda tx: tx.peering.peers())

    def _identity(self) -> Identity:
        certificate = self._settings.tls_certificate
        shown = certificate.read_text(encoding="ascii") if certificate is not None else ""
        return Identity(self.trade.me, self.parts.peering.public_key, shown, self.listener.address)
