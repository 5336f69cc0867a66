"""The vault service, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.vault.v1.vault_service_pb2_grpc import add_VaultServiceServicer_to_server
from memporium_platform.crypto.shares import Shares
from memporium_services.vault.adapters.inference_embedder import InferenceEmbedder
from memporium_services.vault.adapters.memstore_gate import MemstoreGate
from memporium_services.vault.adapters.sql_store import SqlStore
from memporium_services.vault.app.opened_cache import OpenedCache
from memporium_services.vault.app.runtime import Runtime
from memporium_services.vault.app.service import VaultApp
from memporium_services.vault.convert import forget_everywhere_of
from memporium_services.vault.servicer import VaultServicer
from memporium_services.vault.settings import VaultSettings

if TYPE_CHECKING:
    from memporium_platform.kernel import Kernel


class VaultModule:
    """The running service."""

    name = "vault"

    def __init__(self, app: VaultApp) -> None:
        """Run this app."""
        self._app = app

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_VaultServiceServicer_to_server(VaultServicer(self._app), server)

    async def start(self) -> None:
        """Begin background work."""
        await self._app.start()

    async def stop(self) -> None:
        """End background work."""
        await self._app.stop()


async def build(kernel: Kernel) -> VaultModule:
    """Return the service on the kernel's engines."""
    settings = VaultSettings()
    runtime = Runtime(
        db=await kernel.database("vault"),
        store=SqlStore,
        keys=kernel.keys,
        objects=kernel.objects,
        indexes=kernel.indexes,
        embedder=InferenceEmbedder(kernel.channels),
        gate=MemstoreGate(kernel.channels),
        clock=kernel.clock,
        page_tokens=kernel.page_tokens,
        authz=kernel.authz,
        settings=settings,
        shares=Shares(kernel.objects, kernel.keys),
        opened=OpenedCache(settings.opened_bytes),
    )
    return VaultModule(VaultApp(runtime, forget_everywhere_of))
