"""The peer listener: mutual TLS always, and no service but `PeerService`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import grpc
import structlog

from memporium.common.v1 import access_pb2
from memporium.memstore.v1 import peer_service_pb2
from memporium.memstore.v1.peer_service_pb2_grpc import add_PeerServiceServicer_to_server
from memporium_platform.authz.ports import Decision
from memporium_platform.call import Principal, PrincipalKind
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.limits import Limits
from memporium_platform.rpc.gate import Gate
from memporium_platform.rpc.identity import Identity, Metadata
from memporium_platform.rpc.interceptor import KernelInterceptor
from memporium_platform.rpc.method_table import Row, rows_of
from memporium_platform.telemetry import Telemetry
from memporium_services.memstore.adapters.peering.certificates import peer_showing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from memporium.memstore.v1.peer_service_pb2_grpc import PeerServiceServicer
    from memporium_platform.kernel import Kernel
    from memporium_services.memstore.app.signals import Signal
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.settings import PeerSettings

_log = structlog.get_logger(__name__)
SERVICE = peer_service_pb2.DESCRIPTOR.services_by_name["PeerService"].full_name
# Organisation of a calling peer: no organisation of this platform can have it, so no role and no log is ever its.
_ORG = "peer."
# How often the listener looks whose certificates it trusts.
_REFRESH_S = 0.5
_GRACE_S = 1.0


def peer_id_calling(principal: Principal) -> str:
    """Return the id of the peer that makes the call in progress."""
    return principal.org.removeprefix(_ORG)


class _NoBearers:
    """A peer's identity is its certificate, found by the gate itself."""

    def identify(self, bearer: str, *, audience: str, context: Any) -> None:
        """Do nothing: a removed peer is cut off by the stream itself."""


@dataclass(frozen=True, slots=True)
class PeerGate(Gate):
    """Lets in who shows a registered peer's certificate, to methods for peers."""

    find: Callable[[bytes], Awaitable[Peer | None]]

    async def identify(self, row: Row, metadata: Metadata, context: Any) -> Identity:
        """Return which peer calls.

        Raises:
            PlatformError: CREDENTIAL_INVALID.
        """
        del row, metadata
        shown = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
        peer = await self.find(shown) if shown else None
        if peer is None:
            raise PlatformError(Reason.CREDENTIAL_INVALID, "the certificate is not that of a registered peer")
        principal = Principal(peer.name, f"{_ORG}{peer.id}", PrincipalKind.WORKLOAD)
        return Identity(principal, internal=False, purpose="")

    def decide(self, row: Row, identity: Identity, names: tuple[str, ...], *, purpose: str, region: str) -> Decision:
        """Allow what the proto says is for peers, and nothing else."""
        del names, purpose, region
        allowed = row.domain == access_pb2.ACCESS_DOMAIN_PEER and identity.principal.org.startswith(_ORG)
        return Decision(allowed=allowed, rule="peer", epoch=self.authz.epoch)


class PeerListener:
    """Listens for peers."""

    def __init__(
        self,
        kernel: Kernel,
        settings: PeerSettings,
        servicer: PeerServiceServicer,
        *,
        peers: Callable[[], Awaitable[list[Peer]]],
        changed: Signal,
    ) -> None:
        """Serve `servicer` to those of `peers`; `changed` fires when they are others."""
        self._kernel, self._settings, self._servicer = kernel, settings, servicer
        self._peers, self._changed = peers, changed
        self._server: grpc.aio.Server | None = None
        self._trusted = b""
        self._refreshing: asyncio.Task[None] | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen, where the settings say so."""
        settings = self._settings
        if not settings.listen:
            return
        if settings.tls_certificate is None or settings.tls_private_key is None:
            message = "MEMPORIUM_PEER_LISTEN needs MEMPORIUM_PEER_TLS_CERTIFICATE and MEMPORIUM_PEER_TLS_PRIVATE_KEY"
            raise ValueError(message)
        await self._refresh()
        kernel = self._kernel
        gate = PeerGate(
            kernel.settings,
            kernel.clock,
            kernel.authz,
            _NoBearers(),  # type: ignore[arg-type]
            Limits(kernel.settings),
            kernel.audit,
            Telemetry(),
            digest_key=kernel.keys.derive("request-digests"),
            find=self._find,
        )
        handlers = KernelInterceptor(gate, rows_of(SERVICE))
        add_PeerServiceServicer_to_server(self._servicer, cast("grpc.aio.Server", handlers))
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", kernel.settings.max_message_bytes),
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_time_ms", 10_000),
                ("grpc.keepalive_timeout_ms", 5_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.max_metadata_size", 16_384),
            ]
        )
        self._server.add_generic_rpc_handlers((handlers,))
        credentials = grpc.dynamic_ssl_server_credentials(
            self._configuration(), self._configuration, require_client_authentication=True
        )
        port = self._server.add_secure_port(settings.listen, credentials)
        await self._server.start()
        self.address = f"{settings.listen.rpartition(':')[0]}:{port}"
        self._refreshing = asyncio.create_task(self._keep_fresh())
        _log.info("peers.listening", address=self.address)

    async def stop(self) -> None:
        """Stop listening."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await self._refreshing
        if self._server is not None:
            await self._server.stop(_GRACE_S)

    async def _find(self, shown: bytes) -> Peer | None:
        return peer_showing(shown, await self._peers())

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return what the next handshake is held against; gRPC asks at each one, in a thread of its own."""
        settings = self._settings
        assert settings.tls_certificate is not None  # noqa: S101 - start() has looked
        assert settings.tls_private_key is not None  # noqa: S101 - start() has looked
        certificate = settings.tls_certificate.read_bytes()
        pair = (settings.tls_private_key.read_bytes(), certificate)
        # With nobody to trust yet, the own certificate stands in: who shows it is no peer.
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=self._trusted or certificate)

    async def _refresh(self) -> None:
        self._trusted = "\n".join(peer.certificates for peer in await self._peers()).encode()

    async def _keep_fresh(self) -> None:
        while True:
            ticket = self._changed.ticket()
            with suppress(PlatformError):
                await self._refresh()
            await self._changed.wait(ticket, _REFRESH_S)
