"""Statements that the provider's platform refused: voided by the consumer, on both sides, and their uses stated anew.

Only what was refused, by the message in both ledgers, can be voided. The bytes that say so are signed by the consumer
and the provider's platform; the next statement names their digest, so numbers have no gap and no use counts twice.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import PLATFORM_ACTOR, Shown
from memporium_services.memstore.app.peering.peering import signed_by
from memporium_services.memstore.app.peering.settling import ALL
from memporium_services.memstore.app.statements import signed
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import Signature
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.peering.speech import SpeechError, key_id_of
from memporium_services.memstore.domain.prices import Price, amount_due
from memporium_services.memstore.domain.statement import pre_authentication_encoding
from memporium_services.memstore.domain.statements import UsageStatement
from memporium_services.memstore.domain.voids import STATEMENT_MACHINE, VOID_TYPE, StatementState, Void, VoidDocument

if TYPE_CHECKING:
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.peering.peers import Entry, Peer
    from memporium_services.memstore.ports import Transaction

_DOCUMENT: TypeAdapter[VoidDocument] = TypeAdapter(VoidDocument)
MAX_REASON = 1000


def note_refusal(tx: Transaction, entry: Entry) -> None:
    """Write on the statement in a message that was refused why it was."""
    if entry.kind != speech.SETTLING or entry.trigger != "settle" or entry.state is not EntryState.REFUSED:
        return
    statement = tx.statements.get(f"{entry.account}/statements/{entry.sequence}")
    # What is settled, or voided, before its own refusal comes a second time stays as it is.
    if statement is None or statement.state is not StatementState.ISSUED:
        return
    if _said(entry)[1] == statement.document_sha256:
        STATEMENT_MACHINE.move(statement.name, statement.state, "refuse", Side.PROVIDER)
        tx.statements.put(replace(statement, refusal=entry.reason or "refused"))


def _said(entry: Entry) -> tuple[bytes, str]:
    """Return the statement in a message, and its digest; nothing where the message has none that can be read."""
    try:
        content = base64.b64decode(json.loads(entry.payload)["document"], validate=True)
    except (binascii.Error, ValueError, KeyError, TypeError):
        return b"", ""
    return content, sha256(content).hexdigest()


async def take_void(market: Market, name: str, fields: dict[str, Any]) -> None:
    """Void a statement that was refused here, on the word of the consumer's platform.

    Raises:
        PlatformError: CONFLICT where it is not the next one, FAILED_PRECONDITION where it was not refused here,
            INVALID_FIELD where it contradicts itself, PERMISSION_DENIED where its signature is not good.
    """
    content, void = _read(fields)
    now_us = to_us(market.clock.now())

    def work(tx: Transaction) -> Shown[UsageStatement]:
        agreement = party_agreement(tx, name)
        made = tx.statements.of_agreement(agreement.name, after=0, limit=ALL)
        _check_place(agreement, void, made[-1] if made else None, now_us)
        refused = tx.peering.entry(names.peer_of(agreement.consumer), void.message_sha256)
        place = (agreement.name, void.number, EntryState.REFUSED)
        if refused is None or (refused.resource, refused.sequence, refused.state) != place or refused.sent:
            text = f"statement {void.number} was not refused here"
            raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": agreement.name})
        document, digest = _said(refused)
        if digest != void.statement_sha256:
            raise invalid("document", "is about another statement than the one that was refused")
        orgs = (f"orgs/{agreement.consumer}", PLATFORM_ACTOR)
        signatures = tuple(signed(key, org, VOID_TYPE, content, now_us) for org, key in zip(orgs, keys, strict=True))
        kept = _placeholder(agreement, void, [one for one in made if one.void is None][-1:], refused.reason)
        kept = replace(
            kept,
            document_sha256=tx.put_document(document),
            void=Void(void.reason, void.time_us, void.message_sha256, tx.put_document(content), signatures),
        )
        STATEMENT_MACHINE.move(kept.name, StatementState.REFUSED, "void", Side.CONSUMER)
        tx.statements.put(kept)
        details = {"statement": kept.document_sha256, "void": kept.link}
        tx.audit(current_call(), kept.name, details, market.clock.now())
        return Shown(kept, document=document, further=content)

    consumer = await market.store.read(lambda tx: party_agreement(tx, name).consumer)
    keys = (await market.signers.of(consumer), await market.signers.of(""))
    await market.store.write(work)


def _read(fields: dict[str, Any]) -> tuple[bytes, VoidDocument]:
    try:
        content = base64.b64decode(speech.text(fields, "document"), validate=True)
        void = _DOCUMENT.validate_python(json.loads(content))
    except (binascii.Error, ValidationError, ValueError, TypeError, SpeechError) as error:
        raise invalid("document", "is malformed") from error
    if void.payload != content or not 0 < len(void.reason) <= MAX_REASON:
        raise invalid("document", "says more, or other, than that a statement is voided")
    return content, void


def _check_place(agreement: Agreement, void: VoidDocument, newest: UsageStatement | None, now_us: int) -> None:
    number, digest = (newest.number, newest.link) if newest is not None else (0, "")
    if (void.number, void.previous_sha256) != (number + 1, digest):
        text = f"statement {void.number} does not follow statement {number}, so it cannot be voided"
        raise PlatformError(Reason.CONFLICT, text, metadata={"resource": agreement.name})
    named = (agreement.name, f"{agreement.name}/statements/{void.number}")
    if (void.agreement, void.statement) != named or not 0 <= void.start_us <= void.end_us < 1 << 62:
        raise invalid("document", "is not of this agreement")
    if not 0 <= void.time_us <= now_us + speech.SKEW_US:
        raise invalid("document", "is of the future")


def _placeholder(agreement: Agreement, void: VoidDocument, last: list[UsageStatement], refusal: str) -> UsageStatement:
    """Return what holds a voided statement's place: its number and nothing that it claimed."""
    currency = amount_due(agreement.price, used=0, start_us=0, until_us=0).currency
    return UsageStatement(
        name=void.statement,
        number=void.number,
        agreement=agreement.name,
        provider=agreement.provider,
        consumer=agreement.consumer,
        listing=agreement.listing,
        start_us=void.start_us,
        end_us=void.end_us,
        lines=(),
        amount=Price(currency, 0),
        due=last[0].due if last else Price(currency, 0),
        uses_sha256="",
        previous_sha256=void.previous_sha256,
        refusal=refusal,
    )


def take_back(tx: Transaction, peer: Peer, told: UsageStatement, there: str) -> None:
    """Void a statement that was made here, as the provider's platform has: its uses stand on none until the next one.

    Args:
        tx: The transaction.
        peer: The provider's platform.
        told: The statement as it has it.
        there: What it calls the agreement.

    Raises:
        SpeechError: Nobody here asked for it, or it is not signed.
    """
    known, void = tx.statements.get(told.name), told.void
    if known is None or void is None or known.document_sha256 != told.document_sha256:
        raise SpeechError("the statement is not the one that was made here")
    if known.void is not None:
        return
    asked = [each for each in tx.peering.at(peer.id, there, known.number, sent=True) if each.trigger == "void"]
    found = [(each, content) for each in asked for content, digest in [_said(each)] if digest == void.document_sha256]
    if not found:
        raise SpeechError("nobody here has asked that the statement be voided")
    entry, content = found[0]
    key_id = key_id_of(bytes.fromhex(peer.platform_key))
    theirs = [each for each in void.signatures if each.key_id == key_id]
    message = pre_authentication_encoding(VOID_TYPE, content)
    if not theirs or not signed_by(peer.platform_key, message, bytes.fromhex(theirs[0].value)):
        raise SpeechError("that the statement is void is not signed by the provider's platform")
    STATEMENT_MACHINE.move(known.name, known.state, "void", Side.CONSUMER)
    document, ours = _DOCUMENT.validate_json(content), str(json.loads(entry.payload)["document_signature"])
    signatures = (
        Signature(f"orgs/{known.consumer}", entry.key_id, ours, entry.time_us),
        replace(theirs[0], organisation=peer.name),
    )
    kept = Void(document.reason, document.time_us, document.message_sha256, tx.put_document(content), signatures)
    tx.statements.put(replace(known, void=kept))
    tx.meter.open_again(known.agreement, known.number)
    agreement = tx.agreements.get(known.agreement)
    if agreement is not None and agreement.price.statement_period is not None:
        # The period of the statement is stated anew, also where the agreement has ended and no other was due.
        tx.statements.set_due(agreement.name, 0)
