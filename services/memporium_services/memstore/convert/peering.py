"""Peers, ledgers and what is read from peers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import peer_calls_pb2, peer_service_pb2
from memporium.memstore.v1.peer_pb2 import AccountComparison, LedgerEntry, LedgerProof, Peer, SignedBytes
from memporium_services.memstore.app.peering.inbox import answer_in
from memporium_services.memstore.app.peering.records import said_of
from memporium_services.memstore.convert.values import time_out
from memporium_services.memstore.domain.peering import names
from memporium_services.memstore.domain.peering.peers import DEFAULT_LEASE_S
from memporium_services.memstore.domain.peering.peers import Peer as PeerRow
from memporium_services.memstore.domain.peering.speech import Said
from memporium_services.memstore.ports.peering import Wanted

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from memporium_platform.call import Call, Principal
    from memporium_services.memstore.app.peering.accounts import Account
    from memporium_services.memstore.app.peering.comparison import Compared
    from memporium_services.memstore.app.peering.goods import Resolved
    from memporium_services.memstore.app.peering.registry import PeerState
    from memporium_services.memstore.domain.peering.peers import Entry


def said_out(said: Said) -> SignedBytes:
    """Return the message."""
    return SignedBytes(
        payload_type=said.payload_type, payload=said.payload, key_id=said.key_id, signature=said.signature
    )


def said_in(message: SignedBytes) -> Said:
    """Return what a message says."""
    return Said(message.payload_type, message.payload, message.key_id, message.signature)


def peer_in(peer_id: str, message: Peer) -> PeerRow:
    """Return the peer to register."""
    return PeerRow(
        id=peer_id,
        address=message.address,
        certificates=message.certificates,
        tls_name=message.tls_name,
        platform_key=message.platform_key.lower(),
        organisations=tuple(dict.fromkeys(message.organisations)),
        lease_s=message.lease.ToNanoseconds() / 1e9 if message.HasField("lease") else DEFAULT_LEASE_S,
    )


def peer_out(state: PeerState) -> Peer:
    """Return the message."""
    peer, link = state.peer, state.link
    message = Peer(
        name=peer.name,
        address=peer.address,
        certificates=peer.certificates,
        tls_name=peer.tls_name,
        platform_key=peer.platform_key,
        organisations=peer.organisations,
        create_time=time_out(peer.create_us),
        contact_time=time_out(link.contact_us),
        lease_time=time_out(link.lease_us),
        waiting_messages=state.waiting,
        problem=link.problem,
    )
    message.lease.FromNanoseconds(round(peer.lease_s * 1e9))
    return message


def entry_out(entry: Entry) -> LedgerEntry:
    """Return the message."""
    return LedgerEntry(
        sha256=entry.sha256,
        direction=LedgerEntry.DIRECTION_SENT if entry.sent else LedgerEntry.DIRECTION_RECEIVED,
        kind=entry.kind,
        resource=entry.resource,
        sequence=entry.sequence,
        state=entry.state.value,
        time=time_out(entry.time_us),
        said=said_out(said_of(entry)),
        answer=said_out(answer_in(entry.answer)) if entry.answer else None,
        decision_id=entry.decision_id,
    )


def ledger_out(account: Account) -> peer_service_pb2.ReadLedgerResponse:
    """Return an account with its proofs."""
    response = peer_service_pb2.ReadLedgerResponse(
        checkpoint=account.proofs.note, consistency=account.proofs.consistency
    )
    for entry in account.entries:
        proved = response.entries.add(entry=entry_out(entry))
        proof = account.proofs.records.get(entry.decision_id)
        if proof is not None:
            proved.proof.CopyFrom(
                LedgerProof(record=proof.record, salt=proof.salt, index=proof.index, hashes=proof.hashes)
            )
    return response


def comparison_out(compared: Compared) -> AccountComparison:
    """Return the message."""
    return AccountComparison(
        equal=compared.equal,
        entries=compared.entries,
        open_entries=compared.open_entries,
        differences=compared.differences,
        evidence=[said_out(each) for each in compared.evidence],
        peer_checkpoint=compared.peer_checkpoint,
        own_checkpoint=compared.own_checkpoint,
    )


def resolved_out(found: Resolved) -> peer_calls_pb2.ResolvePeerReleaseResponse:
    """Return the message."""
    return peer_calls_pb2.ResolvePeerReleaseResponse(
        release=found.release,
        version=found.version,
        bundle=found.bundle,
        number=found.number,
        signed_bundle=found.signed_bundle,
        signed_publisher=found.signed_publisher,
        signed_recipient=found.signed_recipient,
        signed_agreement=found.signed_agreement,
        signed_listing=found.signed_listing,
        publisher_keys=found.publisher_keys,
        newest=found.newest,
    )


def wanted_in(request: Any) -> Wanted:
    """Return the object that is asked for."""
    return Wanted(request.agreement, request.bundle, request.object, request.offset)


def as_principal(call: Call, principal: Principal) -> Call:
    """Return a call as another principal makes it."""
    return replace(call, principal=principal)


def names_here(message: Message, *, platform: str, peer: str) -> None:
    """Write every name in a message of a peer as this platform writes it."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            if field.is_repeated:
                value[:] = [names.to_here(each, platform=platform, peer=peer) for each in value]
            else:
                setattr(message, field.name, names.to_here(value, platform=platform, peer=peer))
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for child in value if field.is_repeated else (value,):
                names_here(child, platform=platform, peer=peer)
