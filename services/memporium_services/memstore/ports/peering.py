"""What the trade with other platforms needs from outside: rows, keys, calls to peers, own logs and bundles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from memporium.memstore.v1 import peer_service_pb2
    from memporium_services.memstore.domain.peering.peers import Entry, Link, OrgKeys, Peer
    from memporium_services.memstore.domain.peering.speech import Said


class PeerRows(Protocol):
    """Peers, their keys, and what was exchanged with them; all within a transaction."""

    def peer(self, peer: str) -> Peer | None:
        """Return a peer, or None."""
        ...

    def peers(self, *, after: str = "", limit: int = 1000) -> list[Peer]:
        """Return peers by id, behind `after`."""
        ...

    def put_peer(self, peer: Peer) -> None:
        """Insert a peer, or take the place of the one of its id."""
        ...

    def delete_peer(self, peer: str) -> bool:
        """Remove a peer, its keys and its lease; return whether it was there."""
        ...

    def keys(self, peer: str, org: str, *, key_id: str = "") -> OrgKeys | None:
        """Return the newest keys of a peer's organisation, or those of an id; None where there are none."""
        ...

    def put_keys(self, keys: OrgKeys) -> None:
        """Keep keys of a peer's organisation."""
        ...

    def link(self, peer: str) -> Link:
        """Return how it stands with a peer."""
        ...

    def put_link(self, link: Link) -> None:
        """Keep how it stands with a peer."""
        ...

    def feed(self, peer: str, *, after: int, limit: int) -> list[tuple[int, str]]:
        """Return numbers and resources of a peer's feed behind `after`, by number."""
        ...

    def newest(self, peer: str) -> int:
        """Return the newest number of a peer's feed; 0: none."""
        ...

    def entry(self, peer: str, sha256: str) -> Entry | None:
        """Return what was exchanged under a digest, or None."""
        ...

    def put_entry(self, entry: Entry) -> Entry:
        """Keep an entry, at the end where it is new; return it with its number."""
        ...

    def at(self, peer: str, resource: str, sequence: int, *, sent: bool) -> list[Entry]:
        """Return what one side said about a step of a resource, oldest first."""
        ...

    def by_request(self, request_key: str) -> Entry | None:
        """Return the message that a request made, or None."""
        ...

    def account(self, accounts: Sequence[str]) -> list[Entry]:
        """Return everything about these resources, oldest first."""
        ...

    def newest_said(self, account: str, kind: str, *, sent: bool) -> Entry | None:
        """Return the newest entry of a kind about a resource that was not refused or rejected, or None."""
        ...

    def due(self, now_us: int, *, limit: int) -> list[Entry]:
        """Return messages that wait to be sent and whose time has come, oldest first, one of a kind a resource."""
        ...

    def waiting(self, peer: str) -> int:
        """Return how many messages wait to be sent to a peer."""
        ...

    def checkpoint(self, peer: str, org: str) -> tuple[int, str]:
        """Return size and note of the last checkpoint seen of a log; (0, "") where there is none."""
        ...

    def put_checkpoint(self, peer: str, org: str, *, size: int, note: str) -> None:
        """Remember a checkpoint."""
        ...

    def usage_lines(self, agreement: str) -> list[tuple[str, str, tuple[int, ...]]]:
        """Return the metered totals by action and form: calls, memories, tokens, bytes, derivations."""
        ...

    def mirrored(self, *, after: str, limit: int) -> list[str]:
        """Return names of agreements of which a peer is the provider's platform, behind `after`."""
        ...

    def mirrored_due(self, now_us: int, *, limit: int) -> list[str]:
        """Return names of those among them whose time is over and which are still in force or suspended."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """A peer's answer to the question for a lease."""

    newest: int
    life_ms: int


@dataclass(frozen=True, slots=True)
class ReleaseThere:
    """A release as its own platform shows it, with the publisher's certified keys."""

    name: str
    version: str
    number: int
    bundle: str
    statement: Said
    newest: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object of a bundle, from an offset on."""

    agreement: str
    bundle: str
    object: str
    offset: int


@dataclass(frozen=True, slots=True)
class Proof:
    """A record of a log, and the proof that it is there."""

    record: bytes
    salt: bytes
    index: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LedgerThere:
    """A peer's account of an agreement: entries with their proofs, where there are any, against one checkpoint."""

    entries: tuple[tuple[Entry, Proof | None], ...]
    note: str
    consistency: tuple[bytes, ...]


class PeerCalls(Protocol):
    """Calls to a peer's listener.

    Each raises PlatformError: the peer's own, or UNAVAILABLE where it does not answer.
    """

    async def greet(self, peer: Peer, nonce: bytes) -> Said:
        """Ask who answers."""
        ...

    async def organisation(self, peer: Peer, org: str) -> Said:
        """Ask for the keys of an organisation of the peer."""
        ...

    async def catalogue(self, peer: Peer, request: peer_service_pb2.QueryCatalogueRequest) -> Said:
        """Ask for the catalogue."""
        ...

    async def deliver(self, peer: Peer, message: Said, statement: Said) -> tuple[Said, Said | None]:
        """Say something; return the answer, and what it is about as it is now."""
        ...

    def watch(self, peer: Peer, after: int) -> AsyncIterator[tuple[int, Said | None]]:
        """Yield records by number, as they come; (0, None) says that the stream is alive."""
        ...

    async def lease(self, peer: Peer, applied: int) -> Lease:
        """Ask for a lease."""
        ...

    async def open_release(self, peer: Peer, agreement: str, release: str) -> ReleaseThere:
        """Ask for the release that an agreement covers."""
        ...

    def read_object(self, peer: Peer, wanted: Wanted, statement: Said) -> AsyncIterator[tuple[int, bytes]]:
        """Yield an object of a bundle: its size, then its bytes."""
        ...

    async def ledger(self, peer: Peer, agreement: str, seen_size: int) -> LedgerThere:
        """Ask for the peer's account of an agreement."""
        ...

    def forget(self, peer: str) -> None:
        """Drop the connection to a peer that is no longer one, or is another now."""
        ...


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """Public keys of an organisation of this platform, hexadecimal."""

    signing_key: str
    hpke_key: str
    hybrid_key: str


class OwnOrganisations(Protocol):
    """Public keys of this platform's organisations."""

    async def keys(self, org: str) -> OwnKeys:
        """Return an organisation's keys."""
        ...


@dataclass(frozen=True, slots=True)
class Proofs:
    """Records of one log, all held against one checkpoint."""

    records: dict[str, Proof]
    note: str
    size: int
    consistency: tuple[bytes, ...]


class OwnLogs(Protocol):
    """This platform's audit logs."""

    async def prove(self, org: str, decision_ids: Sequence[str], *, seen_size: int) -> Proofs:
        """Return proofs for those records that are in an organisation's log."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectOrder:
    """An object of a bundle of this platform, for a peer's organisation."""

    bundle: str
    wanted: str
    offset: int
    agreement: str
    listing: str
    terms_sha256: str
    recipient: str
    recipient_key: bytes
    recipient_hybrid_key: bytes
    end_time: datetime | None


class OwnBundles(Protocol):
    """This platform's bundles: the transfer service."""

    def read(self, order: ObjectOrder) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the size of an object, then its bytes in pieces."""
        ...
