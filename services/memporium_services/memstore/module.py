"""The running marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import memstore_service_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import add_MemstoreServiceServicer_to_server
from memporium_services.memstore.adapters.peers import SchedulerQueue, TransferSealer
from memporium_services.memstore.adapters.signers import KeyringSigners
from memporium_services.memstore.adapters.store import SqlStore
from memporium_services.memstore.app.background import Background
from memporium_services.memstore.app.closing import Closing
from memporium_services.memstore.app.explaining import Explaining
from memporium_services.memstore.app.listings import Listings
from memporium_services.memstore.app.market import Market
from memporium_services.memstore.app.metering import Metering
from memporium_services.memstore.app.offers import Offers
from memporium_services.memstore.app.peering.billing import PeerStatements
from memporium_services.memstore.app.peering.consenting import PeerConsents
from memporium_services.memstore.app.peering.noting import AbsentSigners
from memporium_services.memstore.app.peering.trading import PeerAgreements, PeerEntitlements, PeerNegotiations
from memporium_services.memstore.app.releases import Releases
from memporium_services.memstore.app.seats import Seats
from memporium_services.memstore.app.subscriptions import Subscriptions
from memporium_services.memstore.app.usage import UsageReports
from memporium_services.memstore.app.watch import Watch
from memporium_services.memstore.peer_module import PeerModule
from memporium_services.memstore.servicer import MemstoreServicer
from memporium_services.memstore.settings import MemstoreSettings, PeerSettings

if TYPE_CHECKING:
    from memporium_platform.kernel import Kernel


async def build(kernel: Kernel) -> MemstoreModule:
    """Build the service; nothing runs before `start`."""
    return MemstoreModule(kernel, SqlStore(await kernel.database("memstore")), MemstoreSettings())


class MemstoreModule:
    """Serves the marketplace and runs its timers."""

    name = "memstore"
    # The generated stubs do not import the file of the service itself; the kernel reads its methods from it.
    descriptor = memstore_service_pb2.DESCRIPTOR

    def __init__(self, kernel: Kernel, store: SqlStore, settings: MemstoreSettings) -> None:
        """Wire the parts."""
        self._store = store
        signers = AbsentSigners(KeyringSigners(kernel.keys))
        self.market = Market(store, kernel.clock, signers, kernel.page_tokens, settings)
        releases = Releases(self.market, TransferSealer(kernel.channels))
        self.peers = PeerModule(kernel, self.market, PeerSettings(), releases)
        peering, outbox = self.peers.parts.peering, self.peers.parts.outbox
        self.agreements = PeerAgreements(self.market, outbox)
        consents = PeerConsents(self.market, peering, outbox)
        self.entitlements = PeerEntitlements(self.market, peering.me, consents)
        self.metering = Metering(self.market)
        statements = PeerStatements(self.market, peering, outbox)
        self.closing = Closing(self.market, statements)
        queue = SchedulerQueue(kernel.channels)
        self.background = Background(self.market, self.agreements, self.metering, self.closing, queue)
        self._servicer = MemstoreServicer(
            listings=Listings(self.market),
            releases=releases,
            offers=Offers(self.market),
            negotiations=PeerNegotiations(self.market, peering, outbox),
            agreements=self.agreements,
            entitlements=self.entitlements,
            metering=self.metering,
            usage=UsageReports(self.market),
            subscriptions=Subscriptions(self.market),
            watch=Watch(self.market),
            consents=consents,
            explaining=Explaining(self.market),
            statements=statements,
            seats=Seats(self.market, self.peers.parts.pseudonyms),
            trade=self.peers.trade,
        )

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_MemstoreServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Begin the timers."""
        self.background.start()
        await self.peers.start()

    async def stop(self) -> None:
        """End the timers and release the connections."""
        await self.peers.stop()
        await self.background.stop()
        await self._store.close()
