"""Records: a negotiation or an agreement as its provider's platform has it, with all that proves it, signed once."""

from __future__ import annotations

import base64
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from memporium_platform.call import Call, Principal, PrincipalKind
from memporium_platform.names import new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.peering.peering import say
from memporium_services.memstore.domain.agreements import Agreement
from memporium_services.memstore.domain.consents import Consent
from memporium_services.memstore.domain.negotiations import Negotiation
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.peers import Entry, EntryState
from memporium_services.memstore.domain.peering.speech import Said
from memporium_services.memstore.domain.statements import UsageStatement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.machine import Transition
    from memporium_services.memstore.ports import Transaction

NEGOTIATION, AGREEMENT, CONSENT, STATEMENT = "negotiation", "agreement", "consent", "statement"
Recorded = Negotiation | Agreement | Consent | UsageStatement
ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    NEGOTIATION: TypeAdapter(Negotiation),
    AGREEMENT: TypeAdapter(Agreement),
    CONSENT: TypeAdapter(Consent),
    STATEMENT: TypeAdapter(UsageStatement),
}
_PLACES = (("/consents/", CONSENT), ("/statements/", STATEMENT), ("/agreements/", AGREEMENT))


def kind_of(resource: str) -> str:
    """Return which kind of record a resource has."""
    return next((kind for place, kind in _PLACES if place in resource), NEGOTIATION)


def account_of(resource: str) -> str:
    """Return the negotiation or agreement in whose account a resource stands."""
    return resource.partition("/consents/")[0].partition("/statements/")[0]


def entity_of(tx: Transaction, resource: str) -> Recorded | None:
    """Return what has this name here, or None."""
    kind = kind_of(resource)
    if kind == CONSENT:
        return tx.consents.get(resource)
    if kind == STATEMENT:
        return tx.statements.get(resource)
    return tx.agreements.get(resource) if kind == AGREEMENT else tx.negotiations.get(resource)


def noted(tx: Transaction, entry: Entry, now: datetime) -> Entry:
    """Keep an entry, and its digest in the audit log of its organisation, in this transaction."""
    principal = Principal(f"peers/{entry.peer}", entry.org, PrincipalKind.SERVICE)
    action = "memstore.peering.sent" if entry.sent else "memstore.peering.received"
    call = Call(principal=principal, action=action, resource=entry.account, decision_id=entry.decision_id)
    details = {
        "peer": entry.peer,
        "kind": entry.kind,
        "sha256": entry.sha256,
        "signed_resource": entry.resource,
        "sequence": str(entry.sequence),
        "state": entry.state.value,
    }
    if entry.answer:
        details["answer_sha256"] = speech.key_id_of(entry.answer)
    tx.audit(call, entry.account, details, now)
    return tx.peering.put_entry(entry)


def entry_of(
    said: Said, *, peer: str, sent: bool, kind: str, account: str, resource: str, sequence: int, org: str, now: datetime
) -> Entry:
    """Return a new entry of the ledger."""
    return Entry(
        peer=peer,
        sha256=said.sha256,
        sent=sent,
        kind=kind,
        account=account,
        resource=resource,
        sequence=sequence,
        trigger="",
        state=EntryState.SAID,
        time_us=to_us(now),
        payload_type=said.payload_type,
        payload=said.payload,
        key_id=said.key_id,
        signature=said.signature,
        decision_id=new_id(now),
        org=org,
    )


def said_of(entry: Entry) -> Said:
    """Return what an entry holds."""
    return Said(entry.payload_type, entry.payload, entry.key_id, entry.signature)


def record_of(tx: Transaction, peering: Peering, peer: str, resource: str) -> Said | None:
    """Return the record of what a resource is now; made, signed and kept once for each sequence."""
    entity = entity_of(tx, resource)
    if entity is None:
        return None
    kind = kind_of(resource)
    known = [each for each in tx.peering.at(peer, resource, entity.sequence, sent=True) if each.kind == kind]
    if known:
        return said_of(known[0])
    now = peering.market.clock.now()
    digests = [getattr(entity, key, "") for key in ("terms_sha256", "document_sha256")]
    payload = speech.written(
        "record",
        platform=peering.me,
        peer=peer,
        kind=kind,
        resource=resource,
        sequence=entity.sequence,
        entity=ADAPTERS[kind].dump_python(entity, mode="json"),
        steps=[_step(step) for step in tx.steps(resource)],
        documents={each: base64.b64encode(tx.document(each)).decode() for each in digests if each},
        time_us=to_us(now),
    )
    said = say(peering.voice, speech.RECORD_TYPE, payload)
    org = names.org_in(resource)
    entry = entry_of(
        said, peer=peer, sent=True, kind=kind, account=account_of(resource), resource=resource,
        sequence=entity.sequence, org=org, now=now,
    )  # fmt: skip
    noted(tx, entry, now)
    return said


def _step(step: Transition) -> dict[str, Any]:
    return {
        **asdict(replace(step, statement=b"", signature=b"")),
        "statement": step.statement.decode(),
        "signature": step.signature.hex(),
    }
