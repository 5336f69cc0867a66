"""Values that several resources share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.memstore.v1 import agreement_pb2, listing_pb2, offer_pb2, terms_pb2
from memporium_platform.errors import invalid
from memporium_platform.licence.check import check_terms
from memporium_platform.licence.codec import PERIODS, UNITS, digest_of
from memporium_platform.licence.terms import Period, Unit
from memporium_services.memstore.domain.audience import Audience, Scope, audience
from memporium_services.memstore.domain.entitlements import Units
from memporium_services.memstore.domain.prices import PlanKind, Price, PricePlan, check_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from memporium_platform.licence.terms import Duty
    from memporium_services.memstore.domain.machine import Transition
    from memporium_services.memstore.domain.negotiations import Signature


def time_out(time_us: int) -> Timestamp | None:
    """Return a timestamp; None for 0."""
    if not time_us:
        return None
    stamp = Timestamp()
    stamp.FromMicroseconds(time_us)
    return stamp


def time_in(message: Message, field: str) -> int:
    """Return microseconds; 0 where the field is absent."""
    return int(getattr(message, field).ToMicroseconds()) if message.HasField(field) else 0


def enum_in(number: int, names: Any, prefix: str, *, default: str, field: str) -> str:
    """Return the name of an enum's value without its prefix; `default` where it was not given.

    Raises:
        PlatformError: INVALID_FIELD, where the value is not known.
    """
    if not number:
        return default
    if number not in names.values():
        raise invalid(field, "has a value that this platform does not know")
    return str(names.Name(number)).removeprefix(prefix)


def audience_in(message: listing_pb2.Audience, field: str) -> Audience:
    """Return a checked audience."""
    scope = enum_in(
        message.scope, listing_pb2.Audience.Scope, "SCOPE_", default=Scope.PRIVATE.value, field=f"{field}.scope"
    )
    return audience(Scope(scope), tuple(message.organisations), field)


def audience_out(value: Audience) -> listing_pb2.Audience:
    """Return the message."""
    scope = listing_pb2.Audience.Scope.Value(f"SCOPE_{value.scope.value}")
    return listing_pb2.Audience(scope=scope, organisations=[f"orgs/{org}" for org in value.orgs])


def terms_in(message: Any, field: str, path: str) -> bytes:
    """Return the bytes of new terms; b"" where the field is absent."""
    return check_terms(getattr(message, field), path) if message.HasField(field) else b""


def document_out(content: bytes) -> terms_pb2.TermsDocument | None:
    """Return agreed terms as they are stored; None where there are none."""
    if not content:
        return None
    terms = terms_pb2.LicenceTerms.FromString(content)
    return terms_pb2.TermsDocument(content=content, sha256=digest_of(content), terms=terms)


def duties_out(duties: Iterable[Duty]) -> list[terms_pb2.Duty]:
    """Return the messages, in order."""
    return [
        terms_pb2.Duty(kind=terms_pb2.DutyKind.Value(f"DUTY_KIND_{duty.kind.value}"), text=duty.text)
        for duty in sorted(duties)
    ]


def units_in(message: terms_pb2.UseUnits) -> Units:
    """Return the value."""
    return Units(message.calls, message.memories, message.tokens, message.bytes, message.derivations)


def units_out(units: Units) -> terms_pb2.UseUnits:
    """Return the message."""
    return terms_pb2.UseUnits(
        calls=units.calls,
        memories=units.memories,
        tokens=units.tokens,
        bytes=units.bytes,
        derivations=units.derivations,
    )


def price_out(price: Price) -> offer_pb2.Price:
    """Return the message."""
    return offer_pb2.Price(currency=price.currency, micros=price.micros)


def _price_in(message: offer_pb2.Price) -> Price:
    return Price(message.currency, message.micros)


def plan_in(message: offer_pb2.PricePlan, field: str) -> PricePlan:
    """Return a checked plan; none is free."""
    kind = message.WhichOneof("plan")
    if kind == "per_period":
        period = PERIODS.get(message.per_period.period)
        if period is None or period is Period.AGREEMENT:
            raise invalid(f"{field}.per_period.period", "must be an hour, a day, a month or a year")
        plan = PricePlan(PlanKind.PER_PERIOD, _price_in(message.per_period.price), period=period)
    elif kind == "per_use":
        unit = UNITS.get(message.per_use.unit)
        if unit is None:
            raise invalid(f"{field}.per_use.unit", "must be given")
        cap = _price_in(message.per_use.cap) if message.per_use.HasField("cap") else None
        plan = PricePlan(PlanKind.PER_USE, _price_in(message.per_use.price), unit=unit, cap=cap)
    elif kind == "trial":
        trial = message.trial
        plan = PricePlan(PlanKind.TRIAL, duration_s=trial.duration.seconds, release=trial.release)
    else:
        plan = PricePlan()
    if message.statements:
        every = PERIODS.get(message.statements)
        if every is None:
            raise invalid(f"{field}.statements", "is not known")
        plan = replace(plan, statements=every)
    return check_plan(plan, field)


def plan_out(plan: PricePlan) -> offer_pb2.PricePlan:
    """Return the message."""
    message = offer_pb2.PricePlan()
    if plan.kind is PlanKind.PER_PERIOD:
        message.per_period.price.CopyFrom(price_out(plan.price))
        message.per_period.period = period_out(plan.period)
    elif plan.kind is PlanKind.PER_USE:
        message.per_use.price.CopyFrom(price_out(plan.price))
        message.per_use.unit = unit_out(plan.unit)
        if plan.cap is not None:
            message.per_use.cap.CopyFrom(price_out(plan.cap))
    elif plan.kind is PlanKind.TRIAL:
        message.trial.CopyFrom(offer_pb2.TrialPlan(duration=Duration(seconds=plan.duration_s), release=plan.release))
    else:
        message.free.SetInParent()
    if plan.statements is not None:
        message.statements = period_out(plan.statements)
    return message


def period_out(period: Period) -> terms_pb2.QuotaPeriod.ValueType:
    """Return the enum's value."""
    return terms_pb2.QuotaPeriod.Value(f"QUOTA_PERIOD_{period.value}")


def unit_out(unit: Unit) -> terms_pb2.UseUnit.ValueType:
    """Return the enum's value."""
    return terms_pb2.UseUnit.Value(f"USE_UNIT_{unit.value}")


def steps_out(steps: Iterable[Transition]) -> list[listing_pb2.Transition]:
    """Return the messages, oldest first."""
    return [
        listing_pb2.Transition(
            sequence=step.sequence,
            from_state=step.from_state,
            to_state=step.to_state,
            trigger=step.trigger,
            actor=step.actor,
            organisation=step.organisation,
            reason=step.reason,
            time=time_out(step.time_us),
            statement=step.statement,
            signature=step.signature,
            key_id=step.key_id,
        )
        for step in steps
    ]


def signed_out(
    payload_type: str, payload: bytes, signatures: Iterable[Signature], *, detached: bool = False
) -> agreement_pb2.SignedDocument | None:
    """Return the envelope; None where nothing was written yet. `detached`: the payload lies elsewhere."""
    if not payload and not detached:
        return None
    return agreement_pb2.SignedDocument(
        payload_type=payload_type,
        payload=payload,
        signatures=[
            agreement_pb2.OrganisationSignature(
                organisation=each.organisation,
                key_id=each.key_id,
                signature=bytes.fromhex(each.value),
                time=time_out(each.time_us),
            )
            for each in signatures
        ],
    )
