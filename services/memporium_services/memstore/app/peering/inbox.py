"""Messages of consumers on other platforms: verified, applied once by the code for callers here, answered for good."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from memporium_platform.call import Call, Principal, PrincipalKind, in_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.names import new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import Agreements
from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.app.negotiations import Negotiations, Proposal
from memporium_services.memstore.app.peering.asking import take_consent
from memporium_services.memstore.app.peering.history import MESSAGES
from memporium_services.memstore.app.peering.noting import NotingStore, PresentedSigner, PresentedSigners
from memporium_services.memstore.app.peering.peering import say, verify
from memporium_services.memstore.app.peering.records import account_of, entry_of, noted, record_of
from memporium_services.memstore.app.peering.settling import take_statement
from memporium_services.memstore.app.peering.statements import UsageBook
from memporium_services.memstore.app.peering.voiding import take_void
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.peers import Entry, EntryState
from memporium_services.memstore.domain.peering.speech import Said, SpeechError
from memporium_services.memstore.domain.prices import PricePlan, check_plan

if TYPE_CHECKING:
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.peering.peers import OrgKeys, Peer
    from memporium_services.memstore.ports import Transaction

_PRICE: TypeAdapter[PricePlan] = TypeAdapter(PricePlan)
_DELIVER = "/memporium.memstore.v1.PeerService/DeliverMessage"
# What may pass by itself: no answer is given, the sender tries again.
PASSING = frozenset(
    {
        Reason.UNAVAILABLE,
        Reason.DEADLINE_EXCEEDED,
        Reason.OVERLOADED,
        Reason.CANCELLED,
        Reason.RATE_LIMITED,
        Reason.INTERNAL,
        Reason.POLICY_STALE,
    }
)


@dataclass(frozen=True, slots=True)
class Message:
    """A consumer's message, read.

    Attributes:
        said: The signed bytes.
        org: The consumer, as its own platform calls it.
        kind: `request`, `amend`, `step`, `cancel`, `usage`, `consent-step` or `settlement`.
        resource: What it is about: an offer, a negotiation, an agreement or a consent.
        sequence: The sequence that it answers; 0 for a request.
        trigger: The step.
        fields: Everything.
    """

    said: Said
    org: str
    kind: str
    resource: str
    sequence: int
    trigger: str
    fields: dict[str, Any]


class Inbox:
    """Takes messages."""

    def __init__(self, peering: Peering) -> None:
        """Apply them to the market."""
        self._peering = peering

    async def deliver(self, peer: Peer, said: Said, statement: Said) -> tuple[Said, Said | None]:
        """Apply a message, once; return the signed answer, and the record of what it is about.

        Raises:
            PlatformError: Where it is not the peer's organisation that speaks, or another attempt may go better.
        """
        try:
            message = self._read(peer, said)
        except SpeechError as error:
            raise invalid("message", str(error)) from error
        keys = await self._peering.learn(peer, statement)
        if keys.org != message.org:
            raise PlatformError(Reason.PERMISSION_DENIED, "the statement is about another organisation")
        try:
            verify(said, keys.signing_key)
        except SpeechError as error:
            raise PlatformError(Reason.PERMISSION_DENIED, f"the message: {error}") from error
        store = self._peering.market.store
        known = await store.read(lambda tx: tx.peering.entry(peer.id, said.sha256))
        if known is None:
            known = await self._apply(peer, message, keys)
        return await self._answer(peer, known)

    async def _answer(self, peer: Peer, entry: Entry) -> tuple[Said, Said | None]:
        answer = answer_in(entry.answer)
        if entry.state is not EntryState.ACCEPTED:
            return answer, None
        record = await self._peering.market.store.write(lambda tx: record_of(tx, self._peering, peer.id, entry.result))
        return answer, record

    def _read(self, peer: Peer, said: Said) -> Message:
        fields = speech.read("message", said, speech.MESSAGE_TYPE)
        if speech.text(fields, "from") != peer.id or speech.text(fields, "to") != self._peering.me:
            raise SpeechError("it is from or for another platform")
        org = names.org_in(speech.text(fields, "organisation"))
        if not org or names.is_foreign(org):
            raise SpeechError("it is not of an organisation of the peer")
        resource = speech.text(fields, "resource")
        if names.names_foreign(resource):
            raise SpeechError("it is not about something of this platform")
        return Message(
            said=said,
            org=org,
            kind=speech.text(fields, "kind"),
            resource=resource,
            sequence=speech.number(fields, "sequence"),
            trigger=speech.text(fields, "trigger"),
            fields=fields,
        )

    async def _apply(self, peer: Peer, message: Message, keys: OrgKeys) -> Entry:
        """Apply a message and keep it with its answer, in one transaction; a refusal is an answer too."""
        now = self._peering.market.clock.now()
        org = names.org_here(message.org, platform=self._peering.me, peer=peer.id) if message.org else ""
        call = Call(
            principal=Principal(
                f"orgs/{org}{MESSAGES}{message.said.sha256}", org, PrincipalKind.USER, credential=keys.key_id
            ),
            method=_DELIVER,
            action="memstore.peering.deliver",
            resource=message.resource,
            request_id=message.said.sha256,
            request_digest=bytes.fromhex(message.said.sha256),
            decision_id=new_id(now),
        )

        def note(tx: Transaction, result: Any) -> None:
            shown = getattr(result, "entity", None)
            self._note(tx, peer, message, EntryState.ACCEPTED, about=shown.name if shown else message.resource)

        try:
            with in_call(call):
                await self._run(message, keys, note)
        except PlatformError as error:
            if error.reason in PASSING:
                raise
            reason, text = error.reason.value, error.message
            write = self._peering.market.store.write
            await write(
                lambda tx: self._note(
                    tx, peer, message, EntryState.REFUSED, about=message.resource, reason=reason, text=text
                )
            )
        found = await self._peering.market.store.read(lambda tx: tx.peering.entry(peer.id, message.said.sha256))
        if found is None:
            raise PlatformError(Reason.INTERNAL, "a message was applied and not kept")
        return found

    async def _run(self, message: Message, keys: OrgKeys, note: Any) -> None:
        fields, reason = message.fields, speech.text(message.fields, "reason", optional=True)
        signer = PresentedSigner(keys, str(fields.get("document_signature", "")), self._peering.voice)
        market = replace(
            self._peering.market,
            store=NotingStore(self._peering.market.store, note),
            signers=PresentedSigners(self._peering.market.signers, signer),
        )
        talks, name, sequence = Negotiations(market), message.resource, message.sequence
        if message.kind == "request":
            renews = speech.text(fields, "renews", optional=True)
            await talks.request(name, _proposal(fields), renews=renews, reason=reason)
        elif message.kind == "amend":
            await talks.amend(name, _proposal(fields), reason=reason)
        elif message.kind == "step" and message.trigger == "counter":
            await talks.counter(name, sequence, _proposal(fields), reason=reason)
        elif message.kind == "step" and message.trigger in {"accept", "verify", "terminate"}:
            await getattr(talks, message.trigger)(name, sequence, reason=reason)
        elif message.kind == "cancel" and message.trigger == "cancel":
            await Agreements(market).move(name, "cancel", reason=reason)
        elif message.kind == "usage" and message.trigger == "state":
            await UsageBook(market).take(name, fields)
        elif message.kind == speech.ASKING:
            await take_consent(market, name, message.trigger, fields, reason=reason)
        elif message.kind == speech.SETTLING and message.trigger == "settle":
            await take_statement(market, name, fields)
        elif message.kind == speech.SETTLING and message.trigger == "void":
            await take_void(market, name, fields)
        else:
            raise invalid("message", f"{message.kind} {message.trigger} is nothing that a consumer can ask for")

    def _note(
        self,
        tx: Transaction,
        peer: Peer,
        message: Message,
        state: EntryState,
        *,
        about: str,
        reason: str = "",
        text: str = "",
    ) -> None:
        if tx.peering.entry(peer.id, message.said.sha256) is not None:
            return
        now = self._peering.market.clock.now()
        payload = speech.written(
            "answer",
            platform=self._peering.me,
            peer=peer.id,
            message_sha256=message.said.sha256,
            outcome=state.value,
            reason=reason,
            text=text,
            resource=about,
            time_us=to_us(now),
        )
        answer = say(self._peering.voice, speech.ANSWER_TYPE, payload)
        entry = entry_of(
            message.said,
            peer=peer.id,
            sent=False,
            kind=message.kind,
            account=account_of(about),
            resource=message.resource,
            sequence=message.sequence,
            org=names.org_in(about),
            now=now,
        )
        kept = replace(
            entry, state=state, reason=reason, trigger=message.trigger, answer=answer_out(answer), result=about
        )
        noted(tx, kept, now)


def answer_out(answer: Said) -> bytes:
    """Return a signed answer as one text to keep."""
    parts = {
        "payload": answer.payload.decode(),
        "key_id": answer.key_id,
        "signature": answer.signature.hex(),
    }
    return json.dumps(parts).encode()


def answer_in(kept: bytes) -> Said:
    """Return the signed answer that was kept."""
    parts = json.loads(kept)
    return Said(speech.ANSWER_TYPE, parts["payload"].encode(), parts["key_id"], bytes.fromhex(parts["signature"]))


def _proposal(fields: dict[str, Any]) -> Proposal:
    """Return what is put on the table.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    try:
        terms = base64.b64decode(speech.text(fields, "terms", optional=True), validate=True)
        if terms:
            parsed_terms(terms)
    except (binascii.Error, PlatformError) as error:
        raise invalid("terms", "are malformed") from error
    price = fields.get("price")
    if price is None:
        return Proposal(terms)
    try:
        return Proposal(terms, check_plan(_PRICE.validate_python(price), "price"))
    except ValidationError as error:
        raise invalid("price", "is malformed") from error
