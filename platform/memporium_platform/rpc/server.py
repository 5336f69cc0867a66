"""The gRPC server: registration, health, reflection, TLS, limits of the transport, and the order of stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from memporium_platform.rpc.in_process import InProcess
from memporium_platform.rpc.interceptor import KernelInterceptor
from memporium_platform.rpc.method_table import Row, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.rpc.gate import Gate
    from memporium_platform.rpc.in_process import Handler
    from memporium_platform.settings import PlatformSettings

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class InsecureListenError(Exception):
    """The server would listen beyond loopback without TLS."""


class RpcServer:
    """One process's server: its public address, and a Unix socket on which its services reach each other."""

    def __init__(self, settings: PlatformSettings, gate: Gate) -> None:
        """Prepare the server; services register in it before it starts."""
        self._settings = settings
        self._table: dict[str, Row] = {}
        self._services: list[str] = []
        self._health = HealthServicer()
        self._handlers = KernelInterceptor(gate, self._table)
        self._server = grpc.aio.server(options=_options(settings))
        self._server.add_generic_rpc_handlers((self._handlers,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, cast("grpc.aio.Server", self._handlers))
        self._serving = False
        # What the process's own services call one another by.
        self.here = InProcess(self._within, max_message_bytes=settings.max_message_bytes)
        self.port = 0

    @property
    def methods(self) -> dict[str, Row]:
        """The method table of all registered services."""
        return self._table

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Register a service (generated code calls this), and read its method table."""
        for handler in handlers:
            self._table.update(rows_of(handler.service_name()))
            self._services.append(handler.service_name())
        self._handlers.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service_name: str, handlers: dict[str, Any]) -> None:
        """Do nothing, as the interceptor says."""

    async def start(self, *, internal_target: str = "") -> None:
        """Listen on the configured address and on `internal_target`, for instance `unix:/path`.

        Raises:
            InsecureListenError: The address is not loopback, and there is neither TLS nor the insecure setting.
        """
        settings = self._settings
        if settings.reflection:
            names = (*self._services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
            servicer = ReflectionServicer((*names, reflection.SERVICE_NAME))
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, self._handlers)  # type: ignore[no-untyped-call]
        credentials = _credentials(settings)
        host = settings.listen.rpartition(":")[0]
        if credentials is not None:
            self.port = self._server.add_secure_port(settings.listen, credentials)
        elif host in _LOOPBACK or settings.insecure_listen_without_tls:
            self.port = self._server.add_insecure_port(settings.listen)
        else:
            message = f"{settings.listen} is not loopback: set a TLS certificate, or insecure_listen_without_tls"
            raise InsecureListenError(message)
        if internal_target:
            self._server.add_insecure_port(internal_target)
        # Of itself the servicer says from the first that all is well; what begins has yet to be up.
        await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()
        self._serving = True

    async def serving(self) -> None:
        """Tell health checks that all services are up."""
        await self._tell(health_pb2.HealthCheckResponse.SERVING)

    async def _tell(self, status: Any) -> None:
        for name in ("", *self._services):
            await self._health.set(name, status)

    async def stop(self) -> None:
        """Tell health checks that it is over, let running calls end, then close."""
        # From now on gRPC refuses new calls: those from within, too.
        self._serving = False
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.grace_s)

    def _within(self, method: str) -> Handler | None:
        return self._handlers.within(method) if self._serving else None

    async def wait(self) -> None:
        """Return once the server has stopped."""
        await self._server.wait_for_termination()


def _options(settings: PlatformSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Two servers on one port would each get part of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Clients may ping idle streams this often; the default would cut them off.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Headers come before identity: keep them small.
        ("grpc.max_metadata_size", 16_384),
    ]


def _credentials(settings: PlatformSettings) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None or settings.tls_private_key is None:
        return None
    authorities = settings.tls_client_ca.read_bytes() if settings.tls_client_ca is not None else None
    return grpc.ssl_server_credentials(
        [(settings.tls_private_key.read_bytes(), settings.tls_certificate.read_bytes())],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )
