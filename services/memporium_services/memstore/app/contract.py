"""The document that both parties sign, and the agreement that it becomes."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.licence.terms import DutyKind
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.carrying import carry_seats
from memporium_services.memstore.app.market import PLATFORM_ACTOR, Move, parsed_terms, sign_step
from memporium_services.memstore.domain.agreements import AGREEMENT_MACHINE, Agreement, AgreementState, end_of
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import Signature
from memporium_services.memstore.domain.statement import AGREEMENT_TYPE, canonical_json, pre_authentication_encoding

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.domain.negotiations import Negotiation
    from memporium_services.memstore.ports import Signer, Transaction


def document_of(talks: Negotiation, now: datetime) -> bytes:
    """Return the bytes that both parties sign."""
    return canonical_json(
        {
            "format": "memporium-agreement-1",
            "agreement": talks.agreement,
            "negotiation": talks.name,
            "provider": f"orgs/{talks.provider}",
            "consumer": f"orgs/{talks.consumer}",
            "listing": talks.listing,
            "offer": talks.offer,
            "release": talks.price.release,
            "terms_sha256": talks.terms_sha256,
            "price": asdict(talks.price),
            "renews": talks.renews,
            "time_us": to_us(now),
        }
    )


def sign_document(tx: Transaction, talks: Negotiation, signer: Signer, org: str, now: datetime) -> Negotiation:
    """Return the negotiation with the organisation's signature under its document."""
    message = pre_authentication_encoding(AGREEMENT_TYPE, tx.document(talks.document_sha256))
    signature = Signature(f"orgs/{org}", signer.key_id, signer.sign(message).hex(), to_us(now))
    return replace(talks, signatures=(*talks.signatures, signature))


def put_in_force(tx: Transaction, talks: Negotiation, move: Move, platform: Signer, now: datetime) -> Agreement:
    """Make the agreement that was negotiated; it takes the place of the one that it renews."""
    terms = parsed_terms(tx.document(talks.terms_sha256))
    end = end_of(terms, talks.price, now)
    agreement = Agreement(
        name=talks.agreement,
        provider=talks.provider,
        consumer=talks.consumer,
        listing=talks.listing,
        offer=talks.offer,
        negotiation=talks.name,
        release=talks.price.release,
        terms_sha256=talks.terms_sha256,
        price=talks.price,
        document_sha256=talks.document_sha256,
        signatures=talks.signatures,
        attribution=terms.attribution,
        delete_on_expiry=terms.has_duty(DutyKind.DELETE_ON_EXPIRY),
        reason=move.reason,
        revision=tx.next_number("entitlements"),
        activate_us=to_us(now),
        expire_us=to_us(end) if end is not None else 0,
        renews=talks.renews,
        update_us=to_us(now),
    )
    tx.agreements.put(agreement)
    states = ("", agreement.state.value, "finalize")
    sign_step(tx, move, resource=agreement.name, sequence=1, states=states)
    old = tx.agreements.get(talks.renews) if talks.renews else None
    if old is not None:
        by_platform = Move(platform, PLATFORM_ACTOR, "", f"renewed by {agreement.name}", to_us(now))
        if old.state is not AgreementState.ACTIVE:
            metadata = {"resource": old.name, "state": old.state.value}
            raise PlatformError(Reason.FAILED_PRECONDITION, f"{old.name} is no longer active", metadata=metadata)
        change_state(tx, old, "renew", side=Side.PLATFORM, move=by_platform, renewed_by=agreement.name)
        carry_seats(tx, agreement)
    return agreement


def change_state(
    tx: Transaction, before: Agreement, trigger: str, *, side: Side, move: Move, renewed_by: str = ""
) -> Agreement:
    """Move an agreement to another state, with its step signed and a new revision for those who watch."""
    state = AGREEMENT_MACHINE.move(before.name, before.state, trigger, side)
    after = replace(
        before,
        state=state,
        sequence=before.sequence + 1,
        reason=move.reason,
        revision=tx.next_number("entitlements"),
        update_us=move.time_us,
        renewed_by=renewed_by or before.renewed_by,
    )
    tx.agreements.put(after)
    states = (before.state.value, state.value, trigger)
    sign_step(tx, move, resource=before.name, sequence=after.sequence, states=states)
    tell_of_predecessors(tx, after)
    return after


def tell_of_predecessors(tx: Transaction, agreement: Agreement) -> None:
    """Give those that it renewed a new revision: memory that came under them stands and falls with it."""
    name = agreement.renews
    while name and (old := tx.agreements.get(name)) is not None:
        tx.agreements.put(replace(old, revision=tx.next_number("entitlements")))
        name = old.renews
