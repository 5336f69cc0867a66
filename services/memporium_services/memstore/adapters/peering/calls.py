"""Calls to peers: mutual TLS, each peer held against its own certificates and no other."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from memporium.memstore.v1 import peer_service_pb2 as pb
from memporium.memstore.v1.peer_service_pb2_grpc import PeerServiceStub
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.memstore.adapters.peering.certificates import name_shown
from memporium_services.memstore.adapters.peering.wire import ledger_in, said_in, said_out
from memporium_services.memstore.ports.peering import Lease, ReleaseThere

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from memporium.memstore.v1.peer_service_pb2_grpc import PeerServiceAsyncStub
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.domain.peering.speech import Said
    from memporium_services.memstore.ports.peering import LedgerThere, Wanted
    from memporium_services.memstore.settings import PeerSettings


class GrpcPeerCalls:
    """Calls over one connection a peer."""

    def __init__(self, settings: PeerSettings, *, max_message_bytes: int) -> None:
        """Show the certificate of the settings."""
        self._settings, self._max_message_bytes = settings, max_message_bytes
        self._open: dict[str, tuple[Peer, grpc.aio.Channel, PeerServiceAsyncStub]] = {}
        self._dropped: list[grpc.aio.Channel] = []

    async def greet(self, peer: Peer, nonce: bytes) -> Said:
        """Ask who answers."""
        with _errors():
            return said_in(
                (
                    await self._stub(peer).Greet(pb.GreetRequest(nonce=nonce), timeout=self._settings.call_timeout_s)
                ).greeting
            )

    async def organisation(self, peer: Peer, org: str) -> Said:
        """Ask for the keys of an organisation of the peer."""
        request = pb.GetPeerOrganisationRequest(organisation=org)
        with _errors():
            return said_in(
                (await self._stub(peer).GetPeerOrganisation(request, timeout=self._settings.call_timeout_s)).statement
            )

    async def catalogue(self, peer: Peer, request: pb.QueryCatalogueRequest) -> Said:
        """Ask for the catalogue."""
        with _errors():
            return said_in(
                (await self._stub(peer).QueryCatalogue(request, timeout=self._settings.call_timeout_s)).catalogue
            )

    async def deliver(self, peer: Peer, message: Said, statement: Said) -> tuple[Said, Said | None]:
        """Say something; return the answer, and what it is about as it is now."""
        request = pb.DeliverMessageRequest(message=said_out(message), statement=said_out(statement))
        with _errors():
            response = await self._stub(peer).DeliverMessage(request, timeout=self._settings.call_timeout_s)
        record = said_in(response.record) if response.HasField("record") else None
        return said_in(response.answer), record

    async def watch(self, peer: Peer, after: int) -> AsyncIterator[tuple[int, Said | None]]:
        """Yield records by number, as they come; (0, None) says that the stream is alive."""
        with _errors():
            async for response in self._stub(peer).WatchRecords(pb.WatchRecordsRequest(after=after)):
                yield response.number, said_in(response.record) if response.HasField("record") else None

    async def lease(self, peer: Peer, applied: int) -> Lease:
        """Ask for a lease."""
        with _errors():
            response = await self._stub(peer).RenewLease(
                pb.RenewLeaseRequest(applied=applied), timeout=self._settings.call_timeout_s
            )
        return Lease(response.newest, response.life_ms)

    async def open_release(self, peer: Peer, agreement: str, release: str) -> ReleaseThere:
        """Ask for the release that an agreement covers."""
        request = pb.OpenReleaseRequest(agreement=agreement, release=release)
        with _errors():
            response = await self._stub(peer).OpenRelease(request, timeout=self._settings.call_timeout_s)
        found = response.release
        statement = said_in(response.statement)
        return ReleaseThere(found.name, found.version, found.number, found.bundle, statement, response.newest)

    async def read_object(self, peer: Peer, wanted: Wanted, statement: Said) -> AsyncIterator[tuple[int, bytes]]:
        """Yield an object of a bundle: its size, then its bytes."""
        request = pb.ReadObjectRequest(
            agreement=wanted.agreement,
            bundle=wanted.bundle,
            object=wanted.object,
            offset=wanted.offset,
            statement=said_out(statement),
        )
        with _errors():
            async for response in self._stub(peer).ReadObject(request):
                yield response.size_bytes, response.data

    async def ledger(self, peer: Peer, agreement: str, seen_size: int) -> LedgerThere:
        """Ask for the peer's account of an agreement."""
        request = pb.ReadLedgerRequest(agreement=agreement, seen_size=seen_size)
        with _errors():
            return ledger_in(await self._stub(peer).ReadLedger(request, timeout=self._settings.call_timeout_s), peer.id)

    def forget(self, peer: str) -> None:
        """Drop the connection to a peer that is no longer one, or is another now."""
        found = self._open.pop(peer, None)
        if found is not None:
            self._dropped.append(found[1])

    async def close(self) -> None:
        """Close all connections."""
        for peer in list(self._open):
            self.forget(peer)
        for channel in self._dropped:
            await channel.close()
        self._dropped.clear()

    def _stub(self, peer: Peer) -> PeerServiceAsyncStub:
        known = self._open.get(peer.id)
        if known is not None and known[0] == peer:
            return known[2]
        self.forget(peer.id)
        channel = self._channel(peer)
        stub = PeerServiceStub(channel)
        self._open[peer.id] = (peer, channel, stub)
        return stub

    def _channel(self, peer: Peer) -> grpc.aio.Channel:
        settings = self._settings
        if not peer.address:
            raise PlatformError(Reason.UNAVAILABLE, f"{peer.name} has no address")
        if settings.tls_certificate is None or settings.tls_private_key is None:
            raise PlatformError(Reason.UNAVAILABLE, "no certificate for calls to peers is set")
        credentials = grpc.ssl_channel_credentials(
            peer.certificates.encode(), settings.tls_private_key.read_bytes(), settings.tls_certificate.read_bytes()
        )
        options: list[tuple[str, int | str]] = [
            ("grpc.max_receive_message_length", self._max_message_bytes),
            ("grpc.max_send_message_length", self._max_message_bytes),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            # Two platforms of one process must not share a connection that bears one's certificate.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        name = peer.tls_name or name_shown(peer)
        if name:
            options.append(("grpc.ssl_target_name_override", name))
        return grpc.aio.secure_channel(peer.address, credentials, options=options)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise reason_of(error) from error
