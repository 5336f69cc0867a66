"""The running marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import memstore_service_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import add_MemstoreServiceServicer_to_server
from memporium_services.memstore.adapters.peers import SchedulerQueue, TransferSealer
from memporium_services.memstore.adapters.signers import KeyringSigners
from memporium_services.memstore.adapters.store import SqlStore
from memporium_services.memstore.app.agreements import Agreements
from memporium_services.memstore.app.background import Background
from memporium_services.memstore.app.consents import Consents
from memporium_services.memstore.app.entitlements import Entitlements
from memporium_services.memstore.app.explaining import Explaining
from memporium_services.memstore.app.listings import Listings
from memporium_services.memstore.app.market import Market
from memporium_services.memstore.app.metering import Metering
from memporium_services.memstore.app.negotiations import Negotiations
from memporium_services.memstore.app.offers import Offers
from memporium_services.memstore.app.releases import Releases
from memporium_services.memstore.app.subscriptions import Subscriptions
from memporium_services.memstore.app.usage import UsageReports
from memporium_services.memstore.app.watch import Watch
from memporium_services.memstore.servicer import MemstoreServicer
from memporium_services.memstore.settings import MemstoreSettings

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
        self.market = Market(store, kernel.clock, KeyringSigners(kernel.keys), kernel.page_tokens, settings)
        self.agreements = Agreements(self.market)
        self.entitlements = Entitlements(self.market)
        self.metering = Metering(self.market)
        self.background = Background(self.market, self.agreements, self.metering, SchedulerQueue(kernel.channels))
        self._servicer = MemstoreServicer(
            listings=Listings(self.market),
            releases=Releases(self.market, TransferSealer(kernel.channels)),
            offers=Offers(self.market),
            negotiations=Negotiations(self.market),
            agreements=self.agreements,
            entitlements=self.entitlements,
            metering=self.metering,
            usage=UsageReports(self.market),
            subscriptions=Subscriptions(self.market),
            watch=Watch(self.market),
            consents=Consents(self.market),
            explaining=Explaining(self.market),
        )

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_MemstoreServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Begin the timers."""
        self.background.start()

    async def stop(self) -> None:
        """End the timers and release the connections."""
        await self.background.stop()
        await self._store.close()
