"""Two platforms that the story of two talks to: each a process with data, keys and a certificate of its own."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from memporium.client import Client, MemporiumError
from memporium.demo.server import free_port, platform
from memporium.demo.stage import UnexpectedError
from memporium.memstore.v1.peer_pb2 import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from memporium.demo.server import Running

SERVICES = ("governance", "vault", "memstore", "transfer", "inference", "reader")
# Usage is stated each second, so that the story need not wait for it.
_PEER = {"USAGE_S": "1", "RETRY_S": "0.1"}
_WAIT_S = 180.0
_LEASE_S = 60


@dataclass
class Side:
    """One platform, its operator, and the organisation that lives on it.

    Attributes:
        id: Id of the platform among others.
        org: Its organisation.
        running: The process.
        peer_port: Where it listens for the other one.
        clients: Every client, to be closed at the end.
    """

    id: str
    org: str
    running: Running
    peer_port: int
    clients: list[Client] = field(default_factory=list)
    owner: Client = field(init=False)

    def client(self, key: str) -> Client:
        """Return a client with a key."""
        made = Client(self.running.address, api_key=key)
        self.clients.append(made)
        return made

    def close(self) -> None:
        """Close every client."""
        for client in self.clients:
            client.close()

    def settle(self) -> None:
        """Make the organisation."""
        made = self.operator.governance.create_organisation(organisation_id=self.org, owner_id="owner")
        self.owner = self.client(made.owner_secret)

    @property
    def operator(self) -> Client:
        """A client of the platform's operator."""
        return self.client(self.running.operator_key)

    def introduce(self, other: Side) -> None:
        """Register another platform here: who it is, its certificate and key, and where it listens."""
        shown = other.operator.memstore.get_platform_identity()
        address = f"127.0.0.1:{other.peer_port}"
        peer = Peer(address=address, certificates=shown.certificate, platform_key=shown.platform_key)
        peer.lease.FromSeconds(_LEASE_S)
        self.operator.memstore.create_peer(peer_id=other.id, peer=peer)


@contextlib.contextmanager
def two_sides(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[Side, Side]]:
    """Run `north`, where `press` publishes, and `south`, where `globex` subscribes; both end with the block."""
    with contextlib.ExitStack() as stack:
        sides = []
        for platform_id, org in (("north", "press"), ("south", "globex")):
            port = free_port()
            own = folder / platform_id
            own.mkdir()
            peer = {**_PEER, "PLATFORM_ID": platform_id, "LISTEN": f"127.0.0.1:{port}", **_certified(own, platform_id)}
            values = {**settings, **{f"MEMPORIUM_PEER_{name}": value for name, value in peer.items()}}
            running = stack.enter_context(platform(own, values, services=SERVICES))
            side = Side(platform_id, org, running, port)
            stack.callback(side.close)
            side.settle()
            sides.append(side)
        yield sides[0], sides[1]


def wait_for(what: str, check: Callable[[], Any]) -> Any:
    """Return what `check` returns once that is true; a refusal on the way counts as not yet.

    Raises:
        UnexpectedError: It did not come to that.
    """
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(MemporiumError):
            found = check()
            if found:
                return found
        time.sleep(0.05)
    raise UnexpectedError(f"{what} did not come within {_WAIT_S:.0f} s")


def _certified(folder: Path, name: str) -> dict[str, str]:
    """Write a certificate that bears the platform's id; return the settings that name it."""
    key = ec.generate_private_key(ec.SECP256R1())
    common, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(common)
        .issuer_name(common)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret, public = folder / "peer.key", folder / "peer.pem"
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    secret.chmod(0o600)
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return {"TLS_CERTIFICATE": str(public), "TLS_PRIVATE_KEY": str(secret)}
