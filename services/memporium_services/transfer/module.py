"""The running transfer service."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from memporium.transfer.v1.transfer_service_pb2_grpc import add_TransferServiceServicer_to_server
from memporium_platform.errors import PlatformError
from memporium_services.transfer.adapters.bundle_objects import StoredBundles
from memporium_services.transfer.adapters.bundle_rows import SqlBundleRows
from memporium_services.transfer.adapters.grpc_endings import GrpcEndings
from memporium_services.transfer.adapters.grpc_market import GrpcMarket
from memporium_services.transfer.adapters.grpc_peers import GrpcPeerMarket
from memporium_services.transfer.adapters.grpc_pii import GrpcPiiScanner
from memporium_services.transfer.adapters.grpc_vaults import GrpcVaults
from memporium_services.transfer.adapters.import_rows import SqlImportRows
from memporium_services.transfer.adapters.tracing_rows import SqlTracingRows
from memporium_services.transfer.app.catalogue import Catalogue
from memporium_services.transfer.app.copies import CopyMarker
from memporium_services.transfer.app.deliveries import Deliveries
from memporium_services.transfer.app.drafts import Drafts
from memporium_services.transfer.app.endings import Endings
from memporium_services.transfer.app.granting import Granting
from memporium_services.transfer.app.keeping import Shelf
from memporium_services.transfer.app.leaks import Leaks
from memporium_services.transfer.app.peer_bundles import PeerAdmission, PeerImporting, PeerVerification
from memporium_services.transfer.app.peer_downloads import PeerDownloads
from memporium_services.transfer.app.publications import Publications
from memporium_services.transfer.app.rotation import Rotation
from memporium_services.transfer.app.sealing import Sealing
from memporium_services.transfer.app.signers import SigningKeys
from memporium_services.transfer.app.transfers import Transfers
from memporium_services.transfer.ports.marking import NoMarker
from memporium_services.transfer.servicer import TransferServicer
from memporium_services.transfer.settings import TransferSettings

if TYPE_CHECKING:
    from memporium_platform.kernel import Kernel
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.ports.marking import Marker

_log = structlog.get_logger(__name__)


async def build(kernel: Kernel) -> TransferModule:
    """Build the service; nothing runs before `start`."""
    return TransferModule(kernel, await kernel.database("transfer"), TransferSettings())


class TransferModule:
    """Serves transfers."""

    name = "transfer"

    def __init__(
        self, kernel: Kernel, database: Database, settings: TransferSettings, *, marker: Marker | None = None
    ) -> None:
        """Wire the parts; without a marker, copies are marked as the settings say."""
        rows, imports, store = SqlBundleRows(), SqlImportRows(), StoredBundles(kernel.objects)
        tracing: dict[str, Any] = {"keys": kernel.keys, "clock": kernel.clock}
        if marker is None:
            marks = settings.mark_copies
            marker = CopyMarker(database, SqlTracingRows(), rows, **tracing) if marks else NoMarker()
        vaults, market = GrpcVaults(kernel.channels), GrpcMarket(kernel.channels)
        scanner = GrpcPiiScanner(kernel.channels)
        clock, hybrid = kernel.clock, settings.suite == "hybrid"
        signing = SigningKeys(database, rows, keys=kernel.keys, clock=clock, hybrid=hybrid)
        keyed: dict[str, Any] = {"signing": signing, "clock": clock}
        publications = Publications(database, rows, life_s=settings.signed_time_life_s, **keyed)
        granting = Granting(store, publications, **keyed)
        catalogue = Catalogue(database, rows, store=store, clock=clock)
        peers = GrpcPeerMarket(kernel.channels)
        admission = PeerAdmission(catalogue, market, peers=peers, clock=clock)
        shared: dict[str, Any] = {"store": store, "publications": publications, "granting": granting}
        self._drafts = Drafts(database, rows, clock=clock, sealing_timeout_s=settings.sealing_timeout_s)
        self._catalogue, self._sweep_s = catalogue, settings.sweep_interval_s
        self._endings = Endings(database, rows, endings=GrpcEndings(kernel.channels), clock=clock)
        self._tasks: list[asyncio.Task[None]] = []
        deliveries: Deliveries
        opening: dict[str, Any] = {"grant_life_s": settings.grant_life_s, "deliveries": lambda: deliveries}
        opening["shelf"] = Shelf(settings.kept_bytes)
        verification = PeerVerification(database, imports, peers=peers, **opening, **shared, **keyed)
        deliveries = Deliveries(
            store,
            marker,
            keys=kernel.keys,
            open_own=lambda bundle: verification.of(bundle, bundle.org, terms=None),
            **keyed,
        )
        sealing = Sealing(
            database, rows, store=store, vaults=vaults, granting=granting, marker=marker, keys=kernel.keys, **keyed
        )
        transfers = Transfers(
            admission=admission,
            drafts=self._drafts,
            sealing=sealing,
            verification=verification,
            importing=PeerImporting(
                database, imports, vaults=vaults, scanner=scanner, clock=clock, scan=settings.scan_imports
            ).keep_in(store),
            scanner=scanner,
        )
        downloads = PeerDownloads(
            admission,
            catalogue,
            market=market,
            deliveries=deliveries,
            signing=signing,
            grant_life_s=settings.download_grant_life_s,
            **shared,
        )
        rotation = Rotation(database, rows, store=store, **keyed)
        leaks = Leaks(
            database,
            SqlTracingRows(),
            rows,
            open_own=lambda bundle: verification.of(bundle, bundle.org, terms=None),
            **tracing,
        )
        self._servicer = TransferServicer(transfers, catalogue, downloads, rotation, leaks, kernel.page_tokens)

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_TransferServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Let the sealings fail that a crash has cut off, now and from time to time."""
        await self._sweep()
        self._tasks = [asyncio.create_task(self._sweep_on()), asyncio.create_task(self._endings.follow())]

    async def stop(self) -> None:
        """End what runs in the background; the kernel closes the database."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _sweep(self) -> None:
        for failed in await self._drafts.sweep():
            objects, freed = await self._catalogue.collect(failed)
            _log.warning("bundle.sealing_cut_off", bundle=failed.name, removed_objects=objects, removed_bytes=freed)

    async def _sweep_on(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_s)
            try:
                await self._sweep()
            except PlatformError as error:
                # A database that is away for a while: the next round finds what this one left.
                _log.warning("bundle.sweep_failed", reason=str(error.reason))
