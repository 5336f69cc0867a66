"""Usage statements between two platforms: made where memory is used, held against what was stated, countersigned.

The consumer's platform meters, so it makes the statements. The provider's takes one only if it follows the one before,
sums up no more than the usage that was stated before, and owes no less than the price plan says; both then keep the
same bytes, with the consumer's signature and the provider's platform's.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import PLATFORM_ACTOR, Shown
from memporium_services.memstore.app.peering.peering import signed_by
from memporium_services.memstore.app.peering.statements import UNITS, USAGE, Lines, lines_in, stated_lines
from memporium_services.memstore.app.usage import ended_us
from memporium_services.memstore.domain.entitlements import Units
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import Signature
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.peering.speech import SpeechError, key_id_of
from memporium_services.memstore.domain.prices import PlanKind, Price, amount_due
from memporium_services.memstore.domain.statement import pre_authentication_encoding
from memporium_services.memstore.domain.statements import STATEMENT_TYPE, UsageStatement
from memporium_services.memstore.domain.voids import STATEMENT_MACHINE, StatementState

if TYPE_CHECKING:
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.peering.peers import Entry, Peer
    from memporium_services.memstore.ports import Transaction

_STATEMENT: TypeAdapter[UsageStatement] = TypeAdapter(UsageStatement)
# Statements of one agreement.
ALL = 1_000_000


async def take_statement(market: Market, name: str, fields: dict[str, Any]) -> None:
    """Take and countersign a statement of the consumer's platform.

    Raises:
        PlatformError: CONFLICT where it does not follow the last one, INVALID_FIELD where it contradicts itself or the
            price plan, PERMISSION_DENIED where its signature is not good, UNAVAILABLE until the usage is stated.
    """
    content, statement = _read(fields)
    keys = (await market.signers.of(statement.consumer), await market.signers.of(""))

    def work(tx: Transaction) -> Shown[UsageStatement]:
        agreement, now_us = party_agreement(tx, name), to_us(market.clock.now())
        made = tx.statements.of_agreement(agreement.name, after=0, limit=ALL)
        before = [one for one in made if one.void is None]
        _check_place(agreement, statement, made[-1] if made else None, before[-1] if before else None, now_us)
        sums = _sums([*before, statement])
        last = tx.peering.newest_said(agreement.name, USAGE, sent=False)
        stated = stated_lines(last.payload) if last is not None else {}
        if any(not units.within(stated.get(line, Units())) for line, units in sums.items()):
            _refuse_ahead(tx, agreement.name, statement.number, last)
        _check_amount(agreement, statement, before[-1].due if before else None, sums)
        orgs = (f"orgs/{agreement.consumer}", PLATFORM_ACTOR)
        message = pre_authentication_encoding(STATEMENT_TYPE, content)
        signatures = tuple(
            Signature(org, key.key_id, key.sign(message).hex(), now_us) for org, key in zip(orgs, keys, strict=True)
        )
        kept = replace(statement, document_sha256=tx.put_document(content), signatures=signatures)
        tx.statements.put(kept)
        details = {"statement": kept.document_sha256, "uses": str(kept.uses)}
        tx.audit(current_call(), kept.name, details, market.clock.now())
        return Shown(kept, document=content)

    await market.store.write(work)


def _read(fields: dict[str, Any]) -> tuple[bytes, UsageStatement]:
    try:
        content = base64.b64decode(speech.text(fields, "document"), validate=True)
        body = json.loads(content)
        parties = {side: names.org_in(body[side]) for side in ("provider", "consumer")}
        statement = _STATEMENT.validate_python(body | parties)
        lines = [{"action": one.action, "form": one.form, **_units(one.units)} for one in statement.lines]
        for line in lines:
            lines_in({"lines": [line]})
    except (binascii.Error, ValidationError, ValueError, KeyError, TypeError, SpeechError) as error:
        raise invalid("document", "is malformed") from error
    # Nothing else may stand in what is signed.
    if statement.payload != content:
        raise invalid("document", "says more, or other, than a statement does")
    return content, statement


def _units(units: Units) -> dict[str, int]:
    return {unit: getattr(units, unit) for unit in UNITS}


def _refuse_ahead(tx: Transaction, agreement: str, number: int, accepted: Entry | None) -> NoReturn:
    """Refuse a statement that sums up more than was stated: for good, where what was stated last was itself refused.

    Raises:
        PlatformError: FAILED_PRECONDITION; UNAVAILABLE where the usage may yet come.
    """
    said = [each for each in tx.peering.account([agreement]) if each.kind == USAGE and not each.sent]
    if said and said[-1].state is EntryState.REFUSED and (accepted is None or said[-1].number > accepted.number):
        text = f"statement {number} is ahead of the usage that was stated, and more was refused: {said[-1].reason}"
        raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": agreement})
    text = f"statement {number} is ahead of the usage that was stated so far"
    raise PlatformError(Reason.UNAVAILABLE, text, retry_after_s=1.0)


def _check_place(
    agreement: Agreement,
    statement: UsageStatement,
    newest: UsageStatement | None,
    last: UsageStatement | None,
    now_us: int,
) -> None:
    """Demand that a statement follows the newest one, and goes on from the last that counts."""
    number, digest = (newest.number, newest.link) if newest is not None else (0, "")
    if (statement.number, statement.previous_sha256) != (number + 1, digest):
        text = f"statement {statement.number} does not follow statement {number}"
        raise PlatformError(Reason.CONFLICT, text, metadata={"resource": agreement.name})
    expected = {
        "name": f"{agreement.name}/statements/{statement.number}",
        "agreement": agreement.name,
        "provider": agreement.provider,
        "consumer": agreement.consumer,
        "listing": agreement.listing,
        "start_us": agreement.activate_us if last is None else last.end_us,
    }
    wrong = [key for key, value in expected.items() if getattr(statement, key) != value]
    if not statement.start_us <= statement.end_us <= now_us + speech.SKEW_US:
        wrong.append("end_us")
    if wrong:
        raise invalid("document", f"is not of this agreement: {', '.join(wrong)}")


def _sums(statements: list[UsageStatement]) -> Lines:
    found: Lines = {}
    for line in (line for statement in statements for line in statement.lines):
        before = found.get((line.action, line.form), Units())
        sums = (getattr(before, unit) + getattr(line.units, unit) for unit in UNITS)
        found[line.action, line.form] = Units(*sums)
    return found


def _check_amount(agreement: Agreement, statement: UsageStatement, before: Price | None, sums: Lines) -> None:
    """Demand that no less is owed than by the price plan, and that the amount is what came to be owed since."""
    plan = agreement.price
    used = sum(units.of(plan.unit) for units in sums.values()) if plan.kind is PlanKind.PER_USE else 0
    until_us = ended_us(agreement, statement.end_us - 1)
    owed = amount_due(plan, used=used, start_us=agreement.activate_us, until_us=until_us)
    due, micros = statement.due, before.micros if before is not None else 0
    since = Price(due.currency, due.micros - micros)
    if due.currency != owed.currency or due.micros < owed.micros or statement.amount != since:
        raise invalid("document", "owes less than the price plan says, or does not add up")


def countersigned(tx: Transaction, peer: Peer, told: UsageStatement) -> UsageStatement:
    """Return a statement that was made here with the signature of the provider's platform.

    Raises:
        SpeechError: It is not one that was made here, or it is not signed.
    """
    known = tx.statements.get(told.name)
    if known is None or known.document_sha256 != told.document_sha256:
        raise SpeechError("the statement is not the one that was made here")
    key_id = key_id_of(bytes.fromhex(peer.platform_key))
    theirs = [each for each in told.signatures if each.key_id == key_id]
    if known.state is StatementState.SETTLED:
        return known
    message = pre_authentication_encoding(STATEMENT_TYPE, tx.document(known.document_sha256))
    if not theirs or not signed_by(peer.platform_key, message, bytes.fromhex(theirs[0].value)):
        raise SpeechError("the statement is not signed by the provider's platform")
    STATEMENT_MACHINE.move(told.name, known.state, "settle", Side.PROVIDER)
    return replace(known, signatures=(*known.signatures, replace(theirs[0], organisation=peer.name)))
