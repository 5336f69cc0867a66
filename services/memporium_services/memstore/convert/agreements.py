"""Negotiations, agreements and entitlements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import agreement_pb2, entitlement_calls_pb2, terms_pb2
from memporium_platform.errors import invalid
from memporium_platform.licence.codec import ACTIONS, FORMS
from memporium_platform.licence.terms import Form
from memporium_services.memstore.app.entitlements import UseRequest
from memporium_services.memstore.app.negotiations import Proposal
from memporium_services.memstore.convert.values import (
    document_out,
    duties_out,
    period_out,
    plan_in,
    plan_out,
    price_out,
    signed_out,
    steps_out,
    terms_in,
    time_out,
    unit_out,
    units_in,
    units_out,
)
from memporium_services.memstore.domain.statement import AGREEMENT_TYPE

if TYPE_CHECKING:
    from memporium_services.memstore.app.entitlements import Granted
    from memporium_services.memstore.app.market import Shown
    from memporium_services.memstore.app.usage import Entitlement
    from memporium_services.memstore.app.watch import Changes
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.entitlements import Balance, Reservation, Usage
    from memporium_services.memstore.domain.negotiations import Negotiation


def proposal_in(message: Any) -> Proposal:
    """Return what is put on the table."""
    price = plan_in(message.price, "price") if message.HasField("price") else None
    return Proposal(terms_in(message, "terms", "terms"), price)


def negotiation_out(shown: Shown[Negotiation]) -> agreement_pb2.Negotiation:
    """Return the message."""
    talks = shown.entity
    final = talks.state.value == "FINALIZED"
    return agreement_pb2.Negotiation(
        name=talks.name,
        provider=f"orgs/{talks.provider}",
        consumer=f"orgs/{talks.consumer}",
        listing=talks.listing,
        offer=talks.offer,
        state=agreement_pb2.Negotiation.State.Value(f"STATE_{talks.state.value}"),
        sequence=talks.sequence,
        terms_document=document_out(shown.terms),
        price=plan_out(talks.price),
        document=signed_out(AGREEMENT_TYPE, shown.document, talks.signatures),
        agreement=talks.agreement if final else "",
        renews=talks.renews,
        history=steps_out(shown.steps),
        create_time=time_out(talks.create_us),
        update_time=time_out(talks.update_us),
    )


def _state(agreement: Agreement) -> agreement_pb2.Agreement.State.ValueType:
    return agreement_pb2.Agreement.State.Value(f"STATE_{agreement.state.value}")


def agreement_out(shown: Shown[Agreement]) -> agreement_pb2.Agreement:
    """Return the message."""
    agreement = shown.entity
    return agreement_pb2.Agreement(
        name=agreement.name,
        provider=f"orgs/{agreement.provider}",
        consumer=f"orgs/{agreement.consumer}",
        listing=agreement.listing,
        offer=agreement.offer,
        negotiation=agreement.negotiation,
        release=agreement.release,
        state=_state(agreement),
        reason=agreement.reason,
        terms_document=document_out(shown.terms),
        price=plan_out(agreement.price),
        document=signed_out(AGREEMENT_TYPE, shown.document, agreement.signatures),
        activate_time=time_out(agreement.activate_us),
        expire_time=time_out(agreement.expire_us),
        renewed_by=agreement.renewed_by,
        renews=agreement.renews,
        history=steps_out(shown.steps),
        revision=agreement.revision,
        update_time=time_out(agreement.update_us),
        attribution=agreement.attribution,
        etag=agreement.etag,
    )


def use_in(message: entitlement_calls_pb2.ReserveUseRequest) -> UseRequest:
    """Return what is asked for."""
    action = ACTIONS.get(message.action)
    form = FORMS.get(message.form) if message.form else Form.PLAINTEXT
    if action is None or form is None:
        raise invalid("action" if action is None else "form", "has a value that this platform does not know")
    if any(value not in FORMS for value in message.further_forms):
        raise invalid("further_forms", "has a value that this platform does not know")
    further = [FORMS[value] for value in message.further_forms]
    return UseRequest(
        agreement=message.agreement,
        action=action,
        form=form,
        units=units_in(message.units),
        use_id=message.use_id,
        purpose=message.purpose,
        region=message.region,
        organisation=message.organisation,
        recipients=frozenset(message.recipients),
        off_platform=message.off_platform,
        further_forms=frozenset(further),
        units_follow=message.units_follow,
        onward_terms=message.onward_terms_sha256,
        onward_listing=message.onward_listing,
    )


def reservation_out(reservation: Reservation) -> agreement_pb2.Reservation:
    """Return the message."""
    return agreement_pb2.Reservation(
        use_id=reservation.use_id,
        agreement=reservation.agreement,
        state=agreement_pb2.Reservation.State.Value(f"STATE_{reservation.state.value}"),
        units=units_out(reservation.units),
        expire_time=time_out(reservation.expire_us),
    )


def granted_out(granted: Granted) -> entitlement_calls_pb2.ReserveUseResponse:
    """Return the message."""
    return entitlement_calls_pb2.ReserveUseResponse(
        reservation=reservation_out(granted.reservation),
        attribution=granted.attribution,
        duties=duties_out(granted.duties),
        terms_sha256=granted.terms_sha256,
        balances=[balance_out(each) for each in granted.balances],
        counted=granted.counted,
    )


def balance_out(balance: Balance) -> agreement_pb2.QuotaBalance:
    """Return the message."""
    quota = balance.quota
    return agreement_pb2.QuotaBalance(
        quota=terms_pb2.Quota(
            unit=unit_out(quota.unit), limit=quota.limit, period=period_out(quota.period), pool=quota.pool
        ),
        used=balance.used,
        reserved=balance.reserved,
        remaining=balance.remaining,
        reset_time=time_out(balance.reset_us),
    )


def usage_out(usage: Usage) -> agreement_pb2.UsageRecord:
    """Return the message."""
    return agreement_pb2.UsageRecord(
        use_id=usage.use_id,
        agreement=usage.agreement,
        principal=usage.principal,
        action=terms_pb2.LicenceAction.Value(f"LICENCE_ACTION_{usage.action}"),
        units=units_out(usage.units),
        purpose=usage.purpose,
        time=time_out(usage.time_us),
        form=cube_pb2.MemoryForm.Value(f"MEMORY_FORM_{usage.form}"),
    )


def entitlement_out(found: Entitlement) -> agreement_pb2.Entitlement:
    """Return the message."""
    agreement = found.agreement
    return agreement_pb2.Entitlement(
        agreement=agreement.name,
        state=_state(agreement),
        usable=found.usable,
        start_time=time_out(agreement.activate_us),
        expire_time=time_out(agreement.expire_us),
        balances=[balance_out(each) for each in found.balances],
        amount_due=price_out(found.due),
        summary=found.summary,
        duties=duties_out(found.duties),
    )


def changes_out(changes: Changes) -> entitlement_calls_pb2.WatchEntitlementsResponse:
    """Return the message."""
    return entitlement_calls_pb2.WatchEntitlementsResponse(
        entitlements=[
            entitlement_calls_pb2.EntitlementState(
                agreement=each.name,
                provider=f"orgs/{each.provider}",
                consumer=f"orgs/{each.consumer}",
                listing=each.listing,
                state=_state(each),
                revision=each.revision,
                reason=each.reason,
                terms_sha256=each.terms_sha256,
                expire_time=time_out(each.expire_us),
                delete_on_expiry=each.delete_on_expiry,
                renewed_by=each.renewed_by,
            )
            for each in changes.agreements
        ],
        revision=changes.revision,
        synced=changes.synced,
    )
