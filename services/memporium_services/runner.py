"""Runs services: all in one process on one port, or some of them, the others by their addresses."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import structlog

from memporium_platform import idempotency
from memporium_platform.audit_relay import AuditRelay
from memporium_platform.errors import PlatformError
from memporium_platform.rpc.server import RpcServer
from memporium_platform.settings import SERVICES
from memporium_services.engines import Engines, open_engines
from memporium_services.operator_key import write_operator_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from memporium_platform.authz.ports import Authorizer
    from memporium_platform.clock import Clock
    from memporium_platform.kernel import ServiceModule
    from memporium_platform.rpc.channels import Channels
    from memporium_platform.settings import PlatformSettings

_log = structlog.get_logger("memporium.runner")

_SWEEP_S = 3600.0


# In split mode governance may start later than the others.
_AUTHZ_READY_S = 120.0


@runtime_checkable
class _Following(Protocol):
    """An authoriser that follows governance's stream."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def ready(self, timeout_s: float) -> None: ...


class UnknownServiceError(Exception):
    """There is no service of that name."""


@dataclass(frozen=True)
class Running:
    """A process's running services.

    Attributes:
        address: Where they are reached, host:port.
        engines: What they stand on.
        server: The server.
        modules: The services, by name.
    """

    address: str
    engines: Engines
    server: RpcServer
    modules: dict[str, ServiceModule]


@asynccontextmanager
async def running(
    settings: PlatformSettings,
    services: Sequence[str] = SERVICES,
    *,
    clock: Clock | None = None,
    authorizer: Callable[[Channels, Clock], Authorizer] | None = None,
    modules: Sequence[ServiceModule] = (),
) -> AsyncIterator[Running]:
    """Run services for the block; at its end health says so, calls in progress end, and everything is closed.

    Args:
        settings: The platform's settings.
        services: Which services; the others are reached by their addresses.
        clock: Time; the system's where None.
        authorizer: Makes another authoriser than governance's.
        modules: More services, already built; for tests of the kernel.

    Raises:
        UnknownServiceError: A name is no service's.
    """
    for service in services:
        if service not in SERVICES:
            message = f"there is no service {service!r}; there are {', '.join(SERVICES)}"
            raise UnknownServiceError(message)
    governed = "governance" in services or bool(settings.governance_address)
    async with AsyncExitStack() as stack:
        engines = await open_engines(settings, audited=governed, authorizer=authorizer or _authz_client, clock=clock)
        await stack.enter_async_context(engines.cleanup)
        built = {module.name: module for module in modules}
        for service in services:
            code = importlib.import_module(f"memporium_services.{service}.module")
            built[service] = await code.build(engines.kernel_for(service))
            await _bootstrap(built[service], settings)
        server = RpcServer(settings, engines.gate)
        for module in built.values():
            module.add_to(server)
        folder = tempfile.mkdtemp(prefix="memporium-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        await server.start(internal_target=f"unix:{folder}/rpc.sock")
        engines.kernel.channels.set_own_address(f"unix:{folder}/rpc.sock", server.here)
        stack.push_async_callback(server.stop)
        await _begin(engines, built, stack, governed=governed)
        await server.serving()
        address = f"{settings.listen.rpartition(':')[0]}:{server.port}"
        _log.info("platform.serving", address=address, services=list(built))
        yield Running(address, engines, server, built)
        _log.info("platform.stopping")


async def _begin(engines: Engines, modules: dict[str, ServiceModule], stack: AsyncExitStack, *, governed: bool) -> None:
    """Start background work in the order of need; the stack ends it in the opposite one."""
    authz = engines.kernel.authz
    if isinstance(authz, _Following):
        await authz.start()
        stack.push_async_callback(authz.stop)
        await authz.ready(_AUTHZ_READY_S)
    if governed:
        from memporium_platform.audit_shipper import GovernanceShipper

        relay = AuditRelay(engines.kernel.audit, GovernanceShipper(engines.kernel.channels), engines.databases)
        # What calls that end during the stop still record is shipped at the next start.
        engines.cleanup.push_async_callback(relay.save)
        stack.push_async_callback(_cancel, asyncio.create_task(relay.run()))
    stack.push_async_callback(_cancel, asyncio.create_task(_sweep(engines)))
    for module in modules.values():
        await module.start()
        stack.push_async_callback(module.stop)


async def _bootstrap(module: ServiceModule, settings: PlatformSettings) -> None:
    """Let a service make what a first start needs; an operator's key that it returns is kept in a file."""
    bootstrap = getattr(module, "bootstrap", None)
    if bootstrap is not None:
        key = await bootstrap()
        if key:
            path = write_operator_key(settings.data_dir, key)
            _log.info("operator_key.created", path=str(path))


async def _sweep(engines: Engines) -> None:
    """Delete notes of request ids past their retention."""
    while True:
        await asyncio.sleep(_SWEEP_S)
        for database in tuple(engines.databases.values()):
            now = engines.kernel.clock.now()
            try:
                await database.write(lambda conn, now=now: idempotency.sweep(conn, now=now))  # type: ignore[misc]
            except PlatformError as error:
                # The store may be away for a while; in an hour there is just more to delete.
                _log.warning("idempotency.sweep_failed", reason=error.reason.value)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _authz_client(channels: Channels, clock: Clock) -> Authorizer:
    from memporium_platform.authz.client import AuthzClient

    return AuthzClient(clock=clock, channels=channels)
