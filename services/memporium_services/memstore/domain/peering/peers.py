"""Peers and their organisations, as they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_LEASE_S = 60.0
LONGEST_LEASE_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another platform.

    Attributes:
        id: The id that it gives itself.
        address: host:port of its peer listener; "": it only calls here.
        certificates: PEM certificates trusted for it.
        tls_name: Name in its certificate; "": the address's host.
        platform_key: Its Ed25519 public key, hexadecimal.
        organisations: Ids of its organisations that may trade; none: all.
        lease_s: How long it may go on without word from here.
        create_us: When it was registered.
    """

    id: str
    address: str
    certificates: str
    tls_name: str
    platform_key: str
    organisations: tuple[str, ...] = ()
    lease_s: float = DEFAULT_LEASE_S
    create_us: int = 0

    @property
    def name(self) -> str:
        """`peers/{peer}`."""
        return f"peers/{self.id}"

    def admits(self, org: str) -> bool:
        """Return whether one of its organisations may trade here."""
        return not self.organisations or org in self.organisations


@dataclass(frozen=True, slots=True)
class Link:
    """How this platform stands with a peer that it calls.

    Attributes:
        peer: The peer's id.
        applied: Number of the last record of its feed that was applied.
        lease_us: Until when memory of its organisations may be used here.
        contact_us: When it last answered.
        problem: What went wrong at the last attempt; "": nothing.
    """

    peer: str
    applied: int = 0
    lease_us: int = 0
    contact_us: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class OrgKeys:
    """Public keys of a peer's organisation, as its platform has certified them.

    Attributes:
        peer: The peer's id.
        org: The organisation, as its platform calls it.
        issue_us: When they were certified, by its platform's clock; later ones take the place of earlier ones.
        signing_key: Ed25519, hexadecimal.
        hpke_key: X25519, hexadecimal.
        key_id: Id of the signing key.
        hybrid_key: ML-KEM-768, then X25519, hexadecimal; "": it has published none.
    """

    peer: str
    org: str
    issue_us: int
    signing_key: str
    hpke_key: str
    key_id: str
    hybrid_key: str = ""


class EntryState(StrEnum):
    """What became of something that was said."""

    # A message that its sender has no answer to yet.
    WAITING = "WAITING"
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    # A record, which is not answered.
    SAID = "SAID"
    # A record that did not verify, or says something else than another one of its sequence.
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was exchanged.

    Attributes:
        peer: With whom.
        sha256: Digest of the signed payload, hexadecimal.
        sent: Said here; False: said there.
        kind: What it is.
        account: The negotiation or agreement that it is about, or belongs to, by the name here.
        resource: The same by the name that was signed.
        sequence: What it answers, or brings.
        trigger: Step that a message asks for.
        state: What became of it.
        reason: Why it was refused or rejected.
        time_us: When it was kept.
        payload_type: DSSE payload type.
        payload: The signed bytes.
        key_id: Whose signature.
        signature: The signature.
        answer: The peer's signed answer, serialised; b"": none.
        decision_id: Id of its audit record.
        org: Organisation here whose log has it.
        attempts: How often it was sent.
        next_us: When to send it again.
        number: Order in which entries were kept.
        request_key: Request that made it: principal and request id; "": none.
        result: The resource that it made or moved, by the name here; "": none yet.
    """

    peer: str
    sha256: str
    sent: bool
    kind: str
    account: str
    resource: str
    sequence: int
    trigger: str
    state: EntryState
    time_us: int
    payload_type: str
    payload: bytes
    key_id: str
    signature: bytes
    decision_id: str
    org: str
    reason: str = ""
    answer: bytes = b""
    attempts: int = 0
    next_us: int = 0
    number: int = 0
    request_key: str = ""
    result: str = ""
