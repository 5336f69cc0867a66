"""Builds the kernel of a process: keys, databases, objects, indexes, channels, authorisation and audit."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memporium_platform.audit import AuditSink
from memporium_platform.clock import SystemClock
from memporium_platform.crypto import keyring
from memporium_platform.crypto.kek import platform_key
from memporium_platform.kernel import Kernel
from memporium_platform.limits import Limits
from memporium_platform.paging import PageTokens
from memporium_platform.rpc.channels import Channels
from memporium_platform.rpc.gate import Gate
from memporium_platform.rpc.identity import Authenticator
from memporium_platform.storage.index.open_index import open_index_store
from memporium_platform.storage.objects.open_objects import open_object_store
from memporium_platform.storage.sql.open_database import open_database
from memporium_platform.telemetry import Telemetry
from memporium_platform.tokens import TokenIssuer, TokenVerifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_platform.authz.ports import Authorizer
    from memporium_platform.clock import Clock
    from memporium_platform.settings import PlatformSettings
    from memporium_platform.storage.sql.database import Database


@dataclass
class Engines:
    """The kernel's parts of one process.

    Attributes:
        kernel: What services are built from; bind its channels to a service before giving it.
        gate: What every call passes.
        databases: Databases that services have opened, by service.
        cleanup: Closes everything, in the opposite order.
    """

    kernel: Kernel
    gate: Gate
    databases: dict[str, Database]
    cleanup: AsyncExitStack = field(default_factory=AsyncExitStack)

    def kernel_for(self, service: str) -> Kernel:
        """Return the kernel whose calls are made in the name of `service`."""
        return replace(self.kernel, channels=self.kernel.channels.bind(service))


async def open_engines(
    settings: PlatformSettings,
    *,
    audited: bool,
    authorizer: Callable[[Channels, Clock], Authorizer],
    clock: Clock | None = None,
) -> Engines:
    """Open what a process's services stand on.

    Args:
        settings: The platform's settings.
        audited: Whether there is a governance service to take audit records; False only where none is meant to run.
        authorizer: Makes the authoriser.
        clock: Time; the system's where None.
    """
    clock = clock or SystemClock()
    databases: dict[str, Database] = {}
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_rows = await open_database(settings, keyring.SCHEMA, keyring.MIGRATIONS)
        stack.push_async_callback(key_rows.close)
        master = await platform_key(settings.data_dir, settings.master_key.get_secret_value())
        keys = await keyring.Keyring.open(key_rows, master, now=clock.now)
        signing = keys.platform_signing_key()
        channels = Channels(settings, TokenIssuer(signing, clock))
        stack.push_async_callback(channels.close)
        stack.push_async_callback(_close_all, databases)
        authz = authorizer(channels, clock)
        telemetry = Telemetry()
        telemetry.start(settings)
        stack.callback(telemetry.stop)
        objects = await open_object_store(settings)
        indexes = await asyncio.to_thread(open_index_store, settings)
        stack.callback(indexes.close)
        audit = AuditSink(capacity=settings.audit_queue_records, keep_newest=not audited)

        async def database(service: str) -> Database:
            found = databases.get(service)
            if found is None:
                found = await open_database(settings, service, f"memporium_services.{service}.migrations")
                databases[service] = found
            return found

        kernel = Kernel(
            settings=settings,
            clock=clock,
            channels=channels,
            keys=keys,
            page_tokens=PageTokens(keys.derive("page-tokens")),
            audit=audit,
            authz=authz,
            objects=objects,
            indexes=indexes,
            open_database=database,
            registry=telemetry.registry,
        )
        authenticator = Authenticator(
            authz,
            TokenVerifier(signing.public_key(), clock),
            clock,
            certificates=settings.tls_client_ca is not None,
        )
        gate = Gate(
            settings,
            clock,
            authz,
            authenticator,
            Limits(settings),
            audit,
            telemetry,
            digest_key=keys.derive("request-digests"),
        )
        return Engines(kernel, gate, databases, stack.pop_all())


async def _close_all(databases: dict[str, Database]) -> None:
    for database in databases.values():
        await database.close()
