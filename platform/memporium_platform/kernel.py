"""What a service is given and what it gives: the contract between the kernel and the seven services."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from prometheus_client import CollectorRegistry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import grpc.aio

    from memporium_platform.audit import AuditSink
    from memporium_platform.authz.ports import Authorizer
    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.paging import PageTokens
    from memporium_platform.rpc.channels import Channels
    from memporium_platform.settings import PlatformSettings
    from memporium_platform.storage.index.vault_index import IndexStore
    from memporium_platform.storage.objects.object_store import ObjectStore
    from memporium_platform.storage.sql.database import Database

T = TypeVar("T")


@dataclass(frozen=True)
class Kernel:
    """What every service is built from.

    Attributes:
        settings: The platform's settings.
        clock: The time.
        channels: Stubs to the other services; calls carry a token for the call in progress.
        keys: Keys of the platform, organisations and vaults.
        page_tokens: Seals and opens page tokens.
        audit: Where audit records go.
        authz: The authorisation snapshot, kept fresh by governance's watch stream.
        objects: The object store.
        indexes: The search indexes.
        registry: Where services register metrics of their own.
    """

    settings: PlatformSettings
    clock: Clock
    channels: Channels
    keys: Keyring
    page_tokens: PageTokens
    audit: AuditSink
    authz: Authorizer
    objects: ObjectStore
    indexes: IndexStore
    open_database: Callable[[str], Awaitable[Database]]
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def database(self, service: str) -> Database:
        """Return the service's own schema, migrated to the newest revision of its `migrations`."""
        return await self.open_database(service)


class ServiceModule(Protocol):
    """One running service. `memporium_services.<service>.module` has `async def build(kernel) -> ServiceModule`."""

    @property
    def name(self) -> str:
        """Name of the service, for instance `vault`."""
        ...

    def add_to(self, server: grpc.aio.Server | Any) -> None:
        """Register the servicer."""
        ...

    async def start(self) -> None:
        """Begin background work; called once the server listens, so other services can be reached."""
        ...

    async def stop(self) -> None:
        """End background work and release what is held."""
        ...
