"""Signed bytes and ledgers on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.memstore.v1.peer_pb2 import LedgerEntry, SignedBytes
from memporium_services.memstore.domain.peering.peers import Entry, EntryState
from memporium_services.memstore.domain.peering.speech import Said
from memporium_services.memstore.ports.peering import LedgerThere, Proof

if TYPE_CHECKING:
    from memporium.memstore.v1.peer_service_pb2 import ProvedEntry, ReadLedgerResponse


def said_out(said: Said) -> SignedBytes:
    """Return the message."""
    return SignedBytes(
        payload_type=said.payload_type, payload=said.payload, key_id=said.key_id, signature=said.signature
    )


def said_in(message: SignedBytes) -> Said:
    """Return what a message says."""
    return Said(message.payload_type, message.payload, message.key_id, message.signature)


def ledger_in(response: ReadLedgerResponse, peer: str) -> LedgerThere:
    """Return a peer's account."""
    entries = tuple((_entry(each.entry, peer), _proof(each)) for each in response.entries)
    return LedgerThere(entries, response.checkpoint, tuple(response.consistency))


def _entry(message: LedgerEntry, peer: str) -> Entry:
    said = said_in(message.said)
    known = message.state in EntryState.__members__
    return Entry(
        peer=peer,
        # Of the bytes themselves: what the peer calls their digest proves nothing.
        sha256=said.sha256,
        sent=message.direction == LedgerEntry.Direction.DIRECTION_SENT,
        kind=message.kind,
        account="",
        resource=message.resource,
        sequence=message.sequence,
        trigger="",
        state=EntryState(message.state) if known else EntryState.REJECTED,
        time_us=message.time.ToMicroseconds(),
        payload_type=said.payload_type,
        payload=said.payload,
        key_id=said.key_id,
        signature=said.signature,
        decision_id=message.decision_id,
        org="",
        answer=message.answer.payload,
    )


def _proof(proved: ProvedEntry) -> Proof | None:
    proof = proved.proof
    return Proof(proof.record, proof.salt, proof.index, tuple(proof.hashes)) if proof.record else None
