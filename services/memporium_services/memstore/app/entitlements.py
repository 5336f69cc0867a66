"""Uses under an agreement: reserved before, committed or released after, never more than was agreed.

The enforcing service asks on behalf of the user. Everything is decided in one serialisable transaction; a use id counts
once, however often it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.licence.evaluate import Use, evaluate
from memporium_platform.licence.terms import Action, Form
from memporium_platform.names import AGREEMENT, ORG
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.memstore.app.allowance import Allowance, give_back_overdue
from memporium_services.memstore.app.market import caller_org, parsed_terms, refuse, sees_all
from memporium_services.memstore.domain.agreements import AgreementState, require_usable
from memporium_services.memstore.domain.entitlements import (
    Reservation,
    ReservationState,
    Units,
    Usage,
    checked_units,
    merged_draws,
)

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_platform.licence.terms import Duty
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.entitlements import Balance
    from memporium_services.memstore.ports import Transaction

# Renewals in a row that are followed; more means a fault in the data.
_MAX_RENEWALS = 64


@dataclass(frozen=True, slots=True)
class UseRequest:
    """What is asked for."""

    agreement: str
    action: Action
    form: Form
    units: Units
    use_id: str
    purpose: str = ""
    region: str = ""
    organisation: str = ""
    recipients: frozenset[str] = frozenset()
    off_platform: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """A reservation and what goes with it."""

    reservation: Reservation
    attribution: str
    duties: frozenset[Duty]
    terms_sha256: str
    balances: tuple[Balance, ...]


class Entitlements:
    """The counters' keeper."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def reserve(self, request: UseRequest) -> Granted:
        """Decide whether a use is permitted and take it from the quotas.

        Raises:
            PlatformError: PERMISSION_DENIED, LICENCE_* or RATE_LIMITED.
        """
        AGREEMENT.parse(request.agreement, "agreement")
        units = checked_units(request.units)
        return await self._market.store.write(
            lambda tx: self._reserve(tx, replace(request, units=units), self._market.clock.now())
        )

    async def commit(self, agreement: str, use_id: str, units: Units | None) -> Reservation:
        """Meter a use that was made; a repeat changes nothing."""

        def work(tx: Transaction) -> Reservation:
            now = self._market.clock.now()
            reservation = _reservation(tx, agreement, use_id)
            if reservation.state is ReservationState.COMMITTED:
                return reservation
            if reservation.state is ReservationState.RELEASED:
                raise _gone(agreement, reservation.state)
            made = checked_units(units) if units is not None else reservation.units
            if not made.within(reservation.units):
                raise invalid("units", "must be at most what was reserved")
            if reservation.state is ReservationState.EXPIRED:
                reservation = self._again(tx, reservation, now)
            tx.meter.use_up(reservation.agreement, reservation.draws, made)
            after = replace(reservation, state=ReservationState.COMMITTED, units=made)
            tx.meter.put_reservation(after)
            tx.meter.record(_usage(after, to_us(now)))
            details = {"use_id": use_id, "action": after.action, "principal": after.principal}
            tx.audit(current_call(), reservation.agreement, details, now)
            return after

        return await self._market.store.write(work)

    async def release(self, agreement: str, use_id: str) -> Reservation:
        """Give back a use that was not made; a repeat changes nothing."""

        def work(tx: Transaction) -> Reservation:
            reservation = _reservation(tx, agreement, use_id)
            if reservation.state is ReservationState.COMMITTED:
                raise _gone(agreement, reservation.state)
            if reservation.state is not ReservationState.RESERVED:
                return reservation
            tx.meter.give_back(reservation.agreement, reservation.draws)
            after = replace(reservation, state=ReservationState.RELEASED)
            tx.meter.put_reservation(after)
            now = self._market.clock.now()
            tx.audit(current_call(), reservation.agreement, {"use_id": use_id}, now)
            return after

        return await self._market.store.write(work)

    async def sweep(self) -> int:
        """Give back reservations whose time is over; return how many."""
        now_us = to_us(self._market.clock.now())
        if not await self._market.store.read(lambda tx: tx.meter.overdue(now_us, limit=1)):
            return 0
        return await self._market.store.write(lambda tx: give_back_overdue(tx, now_us))

    def _reserve(self, tx: Transaction, request: UseRequest, now: datetime) -> Granted:
        agreement = successor(tx, request.agreement)
        if agreement is None or not _may_use(agreement, request.organisation):
            refuse(request.agreement)
        now_us = to_us(now)
        expires = from_us(agreement.expire_us).isoformat() if agreement.expire_us else ""
        require_usable(agreement, now_us, expires)
        terms = parsed_terms(tx.document(agreement.terms_sha256))
        decision = evaluate(terms, _use(request, agreement, now))
        if not decision.permitted:
            reason = Reason.LICENCE_EXPIRED if decision.term == "window" else Reason.LICENCE_NOT_PERMITTED
            metadata = {"agreement": agreement.name, "action": request.action.value, "term": decision.term}
            metadata |= {"expire_time": expires} if decision.term == "window" else {}
            raise PlatformError(reason, decision.message, metadata=metadata)
        rule = terms.rules[request.action, request.form]
        allowance = Allowance(tx, agreement.name, rule, now_us)
        known = tx.meter.reservation(agreement.name, request.use_id)
        if known is None or known.state in {ReservationState.RELEASED, ReservationState.EXPIRED}:
            known = self._new(tx, allowance, request, now)
        elif (known.action, known.form) != (request.action.value, request.form.value):
            raise invalid("use_id", "was used for another action")
        elif known.state is ReservationState.RESERVED and not request.units.within(known.units):
            known = _grown(tx, allowance, known, request.units)
        return Granted(known, terms.attribution, terms.duties, agreement.terms_sha256, allowance.balances())

    def _new(self, tx: Transaction, allowance: Allowance, request: UseRequest, now: datetime) -> Reservation:
        allowance.check_pace()
        draws = allowance.take(request.units)
        call = current_call()
        now_us = to_us(now)
        reservation = Reservation(
            agreement=allowance.agreement,
            use_id=request.use_id,
            state=ReservationState.RESERVED,
            action=request.action.value,
            form=request.form.value,
            principal=call.principal.name,
            purpose=request.purpose,
            units=request.units,
            draws=draws,
            reserve_us=now_us,
            expire_us=now_us + int(self._market.settings.reservation_ttl_s * 1e6),
        )
        tx.meter.put_reservation(reservation)
        details = {"use_id": request.use_id, "use": request.action.value, "form": request.form.value}
        tx.audit(call, reservation.agreement, details, now)
        return reservation

    def _again(self, tx: Transaction, reservation: Reservation, now: datetime) -> Reservation:
        """Take an expired reservation's units again, where there is still room for them."""
        agreement = tx.agreements.get(reservation.agreement)
        if agreement is None:
            refuse(reservation.agreement)
        terms = parsed_terms(tx.document(agreement.terms_sha256))
        rule = terms.rules[Action(reservation.action), Form(reservation.form)]
        draws = Allowance(tx, agreement.name, rule, to_us(now)).take(reservation.units)
        return replace(reservation, draws=draws)


def successor(tx: Transaction, name: str) -> Agreement | None:
    """Return the agreement that stands in the place of this one after renewals, or None where there is none."""
    agreement = tx.agreements.get(name)
    for _ in range(_MAX_RENEWALS):
        if agreement is None or agreement.state is not AgreementState.RENEWED:
            return agreement
        agreement = tx.agreements.get(agreement.renewed_by)
    return None


def _may_use(agreement: Agreement, organisation: str) -> bool:
    if not sees_all():
        return caller_org() == agreement.consumer
    return bool(organisation) and ORG.parse(organisation, "organisation")["org"] == agreement.consumer


def _use(request: UseRequest, agreement: Agreement, now: datetime) -> Use:
    return Use(
        action=request.action,
        form=request.form,
        now=now,
        activated=from_us(agreement.activate_us),
        purpose=request.purpose,
        region=request.region,
        workload=current_call().principal.name,
        recipients=request.recipients,
        off_platform=request.off_platform,
        memories=request.units.memories or None,
    )


def _grown(tx: Transaction, allowance: Allowance, known: Reservation, units: Units) -> Reservation:
    """Let a reservation cover what a second service needs for the same call of the user."""
    more = allowance.take(units.beyond(known.units))
    grown = replace(known, units=known.units.joined(units), draws=merged_draws((*known.draws, *more)))
    tx.meter.put_reservation(grown)
    return grown


def _reservation(tx: Transaction, agreement: str, use_id: str) -> Reservation:
    """Return a reservation of the caller's organisation."""
    AGREEMENT.parse(agreement, "agreement")
    bound = successor(tx, agreement)
    # Where a renewal came between, the use was reserved under the agreement before it.
    for name in [agreement] if bound is None else [bound.name, agreement]:
        found, owner = tx.meter.reservation(name, use_id), tx.agreements.get(name)
        if found is not None and owner is not None and (sees_all() or owner.consumer == caller_org()):
            return found
    return refuse(agreement)


def _gone(agreement: str, state: ReservationState) -> PlatformError:
    metadata = {"resource": agreement, "state": state.value}
    return PlatformError(Reason.FAILED_PRECONDITION, f"the use is {state.value.lower()}", metadata=metadata)


def _usage(reservation: Reservation, now_us: int) -> Usage:
    return Usage(
        agreement=reservation.agreement,
        use_id=reservation.use_id,
        principal=reservation.principal,
        action=reservation.action,
        form=reservation.form,
        purpose=reservation.purpose,
        units=reservation.units,
        time_us=now_us,
    )
