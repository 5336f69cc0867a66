"""What a provider's platform says of its negotiations and agreements with organisations here: checked, then kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from memporium_platform.errors import PlatformError
from memporium_services.memstore.app.carrying import carry_seats
from memporium_services.memstore.app.contract import tell_of_predecessors
from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.app.peering.asking import check_consent, tell_decided
from memporium_services.memstore.app.peering.history import check_history
from memporium_services.memstore.app.peering.peering import verify
from memporium_services.memstore.app.peering.records import ADAPTERS, Recorded, account_of, entity_of, entry_of, noted
from memporium_services.memstore.app.peering.settling import countersigned
from memporium_services.memstore.app.peering.voiding import take_back
from memporium_services.memstore.domain.agreements import Agreement, AgreementState
from memporium_services.memstore.domain.consents import Consent
from memporium_services.memstore.domain.machine import Transition
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.peering.speech import SpeechError
from memporium_services.memstore.domain.statements import UsageStatement

if TYPE_CHECKING:
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.negotiations import Negotiation
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.domain.peering.speech import Said
    from memporium_services.memstore.ports import Transaction

_log = structlog.get_logger(__name__)
_LIVING = frozenset({AgreementState.ACTIVE, AgreementState.SUSPENDED})
# What people wrote: never a name, whatever it looks like.
_WORDS = ("reason", "purpose")


class Replicas:
    """Negotiations, agreements, consents and statements of which a peer is the provider's platform."""

    def __init__(self, peering: Peering) -> None:
        """Keep them in the market."""
        self._peering = peering

    async def take(self, peer: Peer, said: Said, *, number: int = 0) -> str:
        """Check a record and apply it; return why it was rejected, or "".

        One that does not verify is kept as evidence and changes nothing. `number` is its place in the peer's feed.
        """
        try:
            verify(said, peer.platform_key)
            fields = speech.read("record", said, speech.RECORD_TYPE)
            await self._learn_keys(peer, fields)
        except SpeechError as error:
            # Nobody's word: not even evidence.
            _log.warning("peer.record_unsigned", peer=peer.id, problem=str(error))
            return str(error)
        problem = await self._peering.market.store.write(lambda tx: self._take(tx, peer, said, fields, number))
        self._peering.market.entitlements_changed.fire()
        self._peering.market.events_added.fire()
        if problem:
            _log.warning("peer.record_rejected", peer=peer.id, problem=problem)
        return problem

    async def _learn_keys(self, peer: Peer, fields: dict[str, Any]) -> None:
        """Know the key of the provider's organisation that signed the steps."""
        org = names.org_in(speech.text(fields, "resource"))
        steps = fields.get("steps")
        if not isinstance(steps, list):
            raise SpeechError("it has no steps")
        wanted = {str(each.get("key_id", "")) for each in steps if isinstance(each, dict)}
        wanted -= {speech.key_id_of(bytes.fromhex(peer.platform_key))}

        def unknown(tx: Transaction) -> bool:
            return any(tx.peering.keys(peer.id, org, key_id=key_id) is None for key_id in wanted)

        if await self._peering.market.store.read(unknown):
            await self._peering.learn(peer, await self._peering.calls.organisation(peer, org))

    def _take(self, tx: Transaction, peer: Peer, said: Said, fields: dict[str, Any], number: int) -> str:
        if tx.peering.entry(peer.id, said.sha256) is not None:
            self._applied(tx, peer, number)
            return ""
        now, problem = self._peering.market.clock.now(), ""
        try:
            resource, sequence = speech.text(fields, "resource"), speech.number(fields, "sequence")
            kind, entity, steps, documents = self._read(peer, fields)
            account = account_of(self._peering.here(resource, peer.id))
        except (SpeechError, ValidationError, KeyError, TypeError, ValueError) as error:
            problem = f"a record cannot be read: {error}"
            self._applied(tx, peer, number, problem=problem)
            return problem
        entry = entry_of(
            said, peer=peer.id, sent=False, kind=kind, account=account, resource=resource, sequence=sequence,
            org=entity.consumer, now=now,
        )  # fmt: skip
        try:
            self._check_alone(tx, peer, resource, sequence, kind)
            self._apply(tx, peer, entity, steps, documents)
        except SpeechError as error:
            problem = str(error)
            entry = replace(entry, state=EntryState.REJECTED, reason=problem)
        noted(tx, entry, now)
        self._applied(tx, peer, number, problem=problem)
        return problem

    def _applied(self, tx: Transaction, peer: Peer, number: int, *, problem: str = "") -> None:
        link = tx.peering.link(peer.id)
        if number > link.applied or problem:
            tx.peering.put_link(replace(link, applied=max(link.applied, number), problem=problem or link.problem))

    def _check_alone(self, tx: Transaction, peer: Peer, resource: str, sequence: int, kind: str) -> None:
        said = tx.peering.at(peer.id, resource, sequence, sent=False)
        if any(each.kind == kind and each.state is EntryState.SAID for each in said):
            raise SpeechError(f"it says something else about step {sequence} of {resource} than before")

    def _read(self, peer: Peer, fields: dict[str, Any]) -> tuple[str, Recorded, list[Transition], dict[str, bytes]]:
        """Return what a record says, by the names here."""
        if fields["platform"] != peer.id or fields["peer"] != self._peering.me:
            raise SpeechError("it is of or for another platform")
        kind = speech.text(fields, "kind")
        if kind not in ADAPTERS:
            raise SpeechError("it is about something that is not known here")
        body = fields["entity"]
        orgs = {"platform": self._peering.me, "peer": peer.id}
        parties = {side: names.org_here(body[side], **orgs) for side in ("provider", "consumer")}
        words = {key: body[key] for key in _WORDS if key in body}
        entity: Recorded = ADAPTERS[kind].validate_python(names.all_here(body, **orgs) | parties | words)
        resource = speech.text(fields, "resource")
        if entity.name != self._peering.here(resource, peer.id) or entity.sequence != fields["sequence"]:
            raise SpeechError("it contradicts itself")
        if names.peer_of(entity.provider) != peer.id or names.is_foreign(entity.consumer):
            raise SpeechError("it is not between an organisation of the peer and one of this platform")
        if names.org_in(entity.name) != entity.provider:
            raise SpeechError("it is not the provider's")
        documents = {}
        for digest, content in fields["documents"].items():
            documents[digest] = _content(digest, content)
        return kind, entity, [_step(each, entity.name) for each in fields["steps"]], documents

    def _apply(
        self,
        tx: Transaction,
        peer: Peer,
        entity: Recorded,
        steps: list[Transition],
        documents: dict[str, bytes],
    ) -> None:
        if isinstance(entity, UsageStatement):
            if entity.void is not None:
                take_back(tx, peer, entity, self._peering.there(entity.agreement, peer.id))
            else:
                tx.statements.put(countersigned(tx, peer, entity))
            return
        known = entity_of(tx, entity.name)
        if known is not None and entity.sequence <= known.sequence:
            raise SpeechError(f"step {known.sequence} is known already")
        had = tx.steps(entity.name)
        check_history(tx, self._peering, peer, entity, steps, had)
        for content in documents.values():
            tx.put_document(content)
        if not isinstance(entity, Consent):
            _check_documents(tx, entity)
        for step in steps[len(had) :]:
            tx.add_step(step)
        if isinstance(entity, Consent):
            check_consent(tx, entity)
            tx.consents.put(entity)
            tell_decided(tx, entity, steps[-1], self._peering.market.clock.now())
        elif isinstance(entity, Agreement):
            _check_agreed(tx, entity)
            tx.agreements.put(_kept(tx, entity, known))
            tell_of_predecessors(tx, entity)
            for renewal in (entity, tx.agreements.get(entity.renewed_by)):
                carry_seats(tx, renewal)
        else:
            tx.negotiations.put(entity)


def _check_documents(tx: Transaction, entity: Negotiation | Agreement) -> None:
    """Demand that the terms and what was signed are there."""
    try:
        parsed_terms(tx.document(entity.terms_sha256))
        tx.document(entity.document_sha256)
    except PlatformError as error:
        raise SpeechError("a document is missing or no licence") from error


def _check_agreed(tx: Transaction, agreement: Agreement) -> None:
    """Demand that it is what the consumer here signed."""
    talks = tx.negotiations.get(agreement.negotiation)
    same = talks is not None and (talks.document_sha256, talks.terms_sha256, talks.price, talks.agreement) == (
        agreement.document_sha256,
        agreement.terms_sha256,
        agreement.price,
        agreement.name,
    )
    if not same:
        raise SpeechError("the agreement is not the one that was negotiated")


def _kept(tx: Transaction, entity: Agreement, known: Any) -> Agreement:
    """Return the agreement to keep: what has ended here by its time, or by the consumer, does not come back."""
    revision = tx.next_number("entitlements")
    if isinstance(known, Agreement) and known.state not in _LIVING and entity.state in _LIVING:
        entity = replace(entity, state=known.state, reason=known.reason)
    return replace(entity, revision=revision)


def _content(digest: str, content: str) -> bytes:
    try:
        data = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise SpeechError("a document is malformed") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise SpeechError("a document is not what its digest says")
    return data


def _step(fields: dict[str, Any], resource: str) -> Transition:
    return Transition(
        resource=resource,
        sequence=speech.number(fields, "sequence"),
        from_state=speech.text(fields, "from_state", optional=True),
        to_state=speech.text(fields, "to_state"),
        trigger=speech.text(fields, "trigger"),
        actor=speech.text(fields, "actor"),
        organisation=speech.text(fields, "organisation", optional=True),
        reason=speech.text(fields, "reason", optional=True),
        time_us=speech.number(fields, "time_us"),
        statement=speech.text(fields, "statement").encode(),
        signature=bytes.fromhex(speech.text(fields, "signature")),
        key_id=speech.text(fields, "key_id"),
    )
