"""Platforms as whole processes with certificates of their own, that can be killed at any moment, and the story of two."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from memporium.client import Client
from memporium.client.errors import MemporiumError, from_rpc_error
from memporium.memstore.v1 import consent_pb2, listing_pb2, offer_pb2
from memporium.memstore.v1.peer_pb2 import Peer
from memporium.transfer.v1.transfer_service_pb2 import PullBundleRequest
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import cubes_pb2, vault_pb2
from support.market import licence
from support.peers import FAST, certify
from support.processes import free_port
from support.vaults import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("governance", "vault", "memstore", "transfer", "inference")
START_S = 240.0
PULL_S = 300.0
# By a command, not a function that runs in the child: that forks, and gRPC loses the calls of other threads in a fork.
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
TEXTS = (
    "A with statement closes the file also when its block raises.",
    "A generator suspends at yield and goes on when next is called.",
    "The walrus operator assigns within an expression.",
)


@dataclass
class Deployment:
    """One platform in a process of its own: same ports and folder at every start."""

    folder: Path
    id: str
    org: str
    port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    key: str = ""
    process: subprocess.Popen[bytes] | None = None
    clients: list[Client] = field(default_factory=list)

    def start(self) -> None:
        """Start, and return once it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        peer = {**FAST, "PLATFORM_ID": self.id, "LISTEN": f"127.0.0.1:{self.peer_port}"}
        if not (self.folder / "certificates").exists():
            certify(self.folder / "certificates", self.id)
        peer["TLS_CERTIFICATE"] = str(self.folder / "certificates" / "peer.pem")
        peer["TLS_PRIVATE_KEY"] = str(self.folder / "certificates" / "peer.key")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("platform", "services")),
            "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384",
            "MEMPORIUM_DATA_DIR": str(self.folder / "data"),
            "MEMPORIUM_LISTEN": f"127.0.0.1:{self.port}",
            **{f"MEMPORIUM_PEER_{name}": value for name, value in peer.items()},
            **self.settings,
        }
        log = (self.folder / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [*_DIES_WITH_US, sys.executable, "-m", "memporium", "serve", *SERVICES],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self._await()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Leave nothing behind."""
        for client in self.clients:
            client.close()
        self.kill()

    def client(self, key: str) -> Client:
        """Return a client with a key."""
        made = Client(f"127.0.0.1:{self.port}", api_key=key)
        self.clients.append(made)
        return made

    @property
    def operator(self) -> Client:
        return self.client((self.folder / "data" / "operator.key").read_text().strip())

    @property
    def owner(self) -> Client:
        if not self.key:
            made = self.operator.governance.create_organisation(organisation_id=self.org, owner_id="owner")
            self.key = made.owner_secret
        return self.client(self.key)

    @property
    def peer_address(self) -> str:
        return f"127.0.0.1:{self.peer_port}"

    def register(self, other: Deployment, **fields: Any) -> Peer:
        """Register another platform here."""
        shown = other.operator.memstore.get_platform_identity()
        given = {"address": other.peer_address, "certificates": shown.certificate, "platform_key": shown.platform_key}
        peer = Peer(**{**given, **fields})
        peer.lease.FromMilliseconds(int(fields.get("lease_ms", 120_000)))
        return self.operator.memstore.create_peer(peer_id=other.id, peer=peer).peer

    def _await(self) -> None:
        deadline = time.monotonic() + START_S
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < deadline and self.process is not None and self.process.poll() is None:
                with contextlib.suppress(grpc.RpcError):
                    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                time.sleep(0.05)
        raise RuntimeError((self.folder / "serve.log").read_text(errors="replace")[-3000:])


@contextlib.contextmanager
def two_deployments(folder: Path, **settings: str) -> Iterator[tuple[Deployment, Deployment]]:
    """Run `north`, where `press` publishes, and `south`, where `globex` subscribes; each knows the other."""
    north = Deployment(folder / "north", "north", "press", settings=settings)
    south = Deployment(folder / "south", "south", "globex", settings=settings)
    try:
        north.start()
        south.start()
        assert north.owner
        assert south.owner
        north.register(south)
        south.register(north)
        yield north, south
    finally:
        north.stop()
        south.stop()


@dataclass
class Story:
    """What happens between the two, step by step; each step may be made again after a crash."""

    north: Deployment
    south: Deployment
    offer: str = ""
    negotiation: str = ""
    agreement: str = ""
    pack: str = ""
    duties: tuple[str, ...] = ()

    def publish(self) -> None:
        """Write memories and offer them; the publisher's own business, so it is not made twice."""
        owner, org = self.north.owner, "orgs/press"
        vault = owner.vault.create_vault(parent=org, vault_id="library", vault=vault_pb2.Vault()).vault.name
        for text in TEXTS:
            owner.vault.create_cube(parent=vault, cube=document("", text))
        public = listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC)
        terms = licence("READ", "RETRIEVE", calls=20, attribution="by Press", duties=self.duties)
        listing = owner.memstore.create_listing(
            parent=org,
            listing_id="guide",
            listing=listing_pb2.Listing(title="A guide", audience=public, terms=terms),
        ).listing.name
        owner.memstore.create_release(parent=listing, version="1.0.0", vault=vault)
        offer = offer_pb2.Offer(title="Twenty calls", terms=terms, audience=public)
        owner.memstore.create_offer(parent=listing, offer_id="calls", offer=offer)
        owner.memstore.submit_listing(name=listing)
        owner.memstore.publish_listing(name=listing)

    def find(self) -> None:
        """Find the offer in the other platform's catalogue."""
        found = self.south.owner.memstore.search_listings(query="guide", peer="peers/north").listings
        self.offer = self.south.owner.memstore.list_offers(parent=found[0].name).offers[0].name

    def request(self) -> None:
        """Ask for an agreement."""
        talks = self.south.owner.memstore.request_negotiation(offer=self.offer, request_id=_id("request"))
        self.negotiation = talks.negotiation.name

    def agree(self) -> None:
        """Agree, at the provider's platform."""
        self._step(self.north, self.negotiation.replace("press.north", "press"), "agree", "AGREED")

    def verify(self) -> None:
        """Sign, at the consumer's."""
        self._step(self.south, self.negotiation, "verify", "VERIFIED")

    def finalize(self) -> None:
        """Close, at the provider's; the agreement then comes to the consumer's."""
        self._step(self.north, self.negotiation.replace("press.north", "press"), "finalize", "FINALIZED")
        talks = wait_for(lambda: self._at(self.south, self.negotiation, "FINALIZED"))
        self.agreement = talks.agreement
        wait_for(lambda: self.state(self.south) == "ACTIVE")

    def pull(self) -> None:
        """Pull the pack."""
        # Not by the client: in a stream that gRPC retries by itself, the end of a killed server may never be noticed.
        request = PullBundleRequest(parent="orgs/globex", agreement=self.agreement)
        keyed = (("authorization", f"Bearer {self.south.key}"),)
        try:
            with grpc.insecure_channel(f"127.0.0.1:{self.south.port}") as channel:
                for response in TransferServiceStub(channel).PullBundle(request, metadata=keyed, timeout=PULL_S):
                    if response.WhichOneof("event") == "result":
                        self.pack = response.result.vault
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def consent(self) -> None:
        """Ask for consent to read, and give it at the provider's platform."""
        asked = self.south.owner.memstore.request_consent(
            parent=self.agreement, action="LICENCE_ACTION_READ", request_id=_id("consent")
        ).consent
        if asked.state != consent_pb2.Consent.STATE_GRANTED:
            memstore, name = self.north.owner.memstore, self.agreement.replace("press.north", "press")
            [there] = memstore.list_consents(parent=name).consents
            if there.state != consent_pb2.Consent.STATE_GRANTED:
                memstore.grant_consent(name=there.name, request_id=_id("grant"))
        wait_for(lambda: self._consent().state == consent_pb2.Consent.STATE_GRANTED)

    def _consent(self) -> consent_pb2.Consent:
        return self.south.owner.memstore.list_consents(parent=self.agreement).consents[0]

    def settle(self) -> None:
        """Close what was used into a statement; the provider's platform signs it."""
        self.south.owner.memstore.create_statement(parent=self.agreement, request_id=_id("settle"))
        wait_for(lambda: [len(one.document.signatures) for one in self.statements(self.south)] == [3])

    def statements(self, side: Deployment) -> list[Any]:
        """Return the statements at one side."""
        name = self.agreement if side is self.south else self.agreement.replace("press.north", "press")
        return list(side.owner.memstore.list_statements(parent=name).statements)

    def use(self) -> int:
        """Read the pack; return how many memories there are."""
        cubes = self.south.owner.vault.list_cubes(parent=self.pack, view=cubes_pb2.CUBE_VIEW_FULL).cubes
        assert all(cube.payload.plaintext.document.text in TEXTS for cube in cubes)
        return len(cubes)

    def stated(self) -> bool:
        """Whether the publisher's platform knows what was used."""
        name = self.agreement.replace("press.north", "press")
        ours = self.south.owner.memstore.list_usage(parent=self.agreement).total
        theirs = self.north.owner.memstore.list_usage(parent=name).total
        return bool(ours.calls) and ours == theirs

    def revoke(self) -> None:
        """End it, at the provider's platform."""
        if self.state(self.north) != "REVOKED":
            name = self.agreement.replace("press.north", "press")
            self.north.owner.memstore.revoke_agreement(name=name, reason="the end", request_id=_id("revoke"))

    def state(self, side: Deployment) -> str:
        """Return the agreement's state at one side; "" where it is not known."""
        name = self.agreement if side is self.south else self.agreement.replace("press.north", "press")
        try:
            agreement = side.owner.memstore.get_agreement(name=name).agreement
        except MemporiumError:
            return ""
        return type(agreement).State.Name(agreement.state).removeprefix("STATE_")

    def _at(self, side: Deployment, name: str, state: str) -> Any:
        talks = side.owner.memstore.get_negotiation(name=name).negotiation
        return talks if type(talks).State.Name(talks.state) == f"STATE_{state}" else None

    def _step(self, side: Deployment, name: str, trigger: str, state: str) -> None:
        """Make a step at one side, once what comes before it has arrived there; nothing where it was made before."""
        before = {"AGREED": "REQUESTED", "VERIFIED": "AGREED", "FINALIZED": "VERIFIED"}[state]
        talks = wait_for(lambda: self._at(side, name, before) or self._at(side, name, state))
        if type(talks).State.Name(talks.state) == f"STATE_{before}":
            call = getattr(side.owner.memstore, f"{trigger}_negotiation")
            call(name=name, sequence=talks.sequence, request_id=_id(trigger))


def wait_for(check: Callable[[], Any], *, limit_s: float = 180.0) -> Any:
    """Return what `check` returns once that is true; errors on the way count as not yet."""
    limit = time.monotonic() + limit_s
    while True:
        with contextlib.suppress(MemporiumError):
            found = check()
            if found:
                return found
        assert time.monotonic() < limit, "it did not come to that in time"
        time.sleep(0.05)


def _id(what: str) -> str:
    return f"00000000-0000-4000-8000-{what.encode().hex():0<12.12}"
