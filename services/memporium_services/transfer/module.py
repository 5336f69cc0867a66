"""The running transfer service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.transfer.v1.transfer_service_pb2_grpc import add_TransferServiceServicer_to_server
from memporium_services.transfer.adapters.bundle_objects import StoredBundles
from memporium_services.transfer.adapters.bundle_rows import SqlBundleRows
from memporium_services.transfer.adapters.grpc_market import GrpcMarket
from memporium_services.transfer.adapters.grpc_pii import GrpcPiiScanner
from memporium_services.transfer.adapters.grpc_vaults import GrpcVaults
from memporium_services.transfer.adapters.import_rows import SqlImportRows
from memporium_services.transfer.app.admission import Admission
from memporium_services.transfer.app.catalogue import Catalogue
from memporium_services.transfer.app.downloads import Downloads
from memporium_services.transfer.app.drafts import Drafts
from memporium_services.transfer.app.granting import Granting
from memporium_services.transfer.app.importing import Importing
from memporium_services.transfer.app.publications import Publications
from memporium_services.transfer.app.sealing import Sealing
from memporium_services.transfer.app.transfers import Transfers
from memporium_services.transfer.app.verification import Verification
from memporium_services.transfer.servicer import TransferServicer
from memporium_services.transfer.settings import TransferSettings

if TYPE_CHECKING:
    from memporium_platform.kernel import Kernel
    from memporium_platform.storage.sql.database import Database


async def build(kernel: Kernel) -> TransferModule:
    """Build the service; nothing runs before `start`."""
    return TransferModule(kernel, await kernel.database("transfer"), TransferSettings())


class TransferModule:
    """Serves transfers."""

    name = "transfer"

    def __init__(self, kernel: Kernel, database: Database, settings: TransferSettings) -> None:
        """Wire the parts."""
        rows, imports, store = SqlBundleRows(), SqlImportRows(), StoredBundles(kernel.objects)
        vaults, market = GrpcVaults(kernel.channels), GrpcMarket(kernel.channels)
        scanner = GrpcPiiScanner(kernel.channels)
        keyed: dict[str, Any] = {"keys": kernel.keys, "clock": kernel.clock}
        publications = Publications(database, rows, life_s=settings.signed_time_life_s, **keyed)
        granting = Granting(store, publications, **keyed)
        catalogue = Catalogue(database, rows, store=store, clock=kernel.clock)
        admission = Admission(catalogue, market)
        shared: dict[str, Any] = {"store": store, "publications": publications, "granting": granting}
        self._drafts = Drafts(database, rows, clock=kernel.clock, sealing_timeout_s=settings.sealing_timeout_s)
        transfers = Transfers(
            admission=admission,
            drafts=self._drafts,
            sealing=Sealing(database, rows, store=store, vaults=vaults, granting=granting, **keyed),
            verification=Verification(database, imports, grant_life_s=settings.grant_life_s, **shared, **keyed),
            importing=Importing(
                database, imports, vaults=vaults, scanner=scanner, clock=kernel.clock, scan=settings.scan_imports
            ),
            scanner=scanner,
        )
        life_s = settings.download_grant_life_s
        downloads = Downloads(admission, catalogue, market=market, grant_life_s=life_s, **shared)
        self._servicer = TransferServicer(transfers, catalogue, downloads, kernel.page_tokens)

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_TransferServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Remove the drafts that a crash has left long ago."""
        await self._drafts.sweep()

    async def stop(self) -> None:
        """Nothing runs in the background; the kernel closes the database."""
