"""Uses under an agreement: reserved before, committed or released after, never more than was agreed.

The enforcing service asks on behalf of the user. Everything is decided in one serialisable transaction; a use id counts
once, however often it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

from memporium_platform import audit
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.licence.evaluate import Use, evaluate
from memporium_platform.licence.meet import meet_constraints
from memporium_platform.licence.terms import Action, Form, Unit
from memporium_platform.names import AGREEMENT, ORG
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.memstore.app.allowance import Allowance
from memporium_services.memstore.app.consents import Consents, demand_consent
from memporium_services.memstore.app.market import caller_org, parsed_terms, refuse, sees_all
from memporium_services.memstore.app.share_alike import demand_same_terms
from memporium_services.memstore.domain.agreements import AgreementState, require_usable
from memporium_services.memstore.domain.entitlements import (
    Reservation,
    ReservationState,
    Units,
    checked_units,
    merged_draws,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from memporium_platform.licence.terms import Constraints, Duty, Terms
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.entitlements import Balance
    from memporium_services.memstore.ports import Transaction

# Units that are known before a use is made; of the others a search knows the number only when it has found something.
KNOWN_AT_ONCE = frozenset({Unit.CALLS, Unit.DERIVATIONS})
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
    further_forms: frozenset[Form] = frozenset()
    units_follow: bool = False
    onward_terms: str = ""
    onward_listing: str = ""

    @property
    def forms(self) -> frozenset[Form]:
        """All forms that are used."""
        return self.further_forms | {self.form}


@dataclass(frozen=True, slots=True)
class Granted:
    """A reservation and what goes with it."""

    reservation: Reservation
    attribution: str
    duties: frozenset[Duty]
    terms_sha256: str
    balances: tuple[Balance, ...]
    counted: bool = False


class Entitlements:
    """The counters' keeper."""

    def __init__(self, market: Market, consents: Consents | None = None) -> None:
        """Work on the market; uses that lack a consent ask for it by `consents`."""
        self._market = market
        self._consents = consents or Consents(market)

    async def reserve(self, request: UseRequest) -> Granted:
        """Decide whether a use is permitted and take it from the quotas.

        Raises:
            PlatformError: PERMISSION_DENIED, LICENCE_* or RATE_LIMITED.
        """
        AGREEMENT.parse(request.agreement, "agreement")
        units = checked_units(request.units)
        asked = replace(request, units=units)
        try:
            return await self._market.store.write(lambda tx: self._reserve(tx, asked, self._market.clock.now()))
        except PlatformError as error:
            told = {key: error.metadata[key] for key in ("term", "unit") if key in error.metadata}
            audit.note(current_call(), {"action": request.action.value, "form": request.form.value} | told)
            if error.metadata.get("term") == "obtain_consent":
                bound, name = error.metadata["agreement"], error.metadata["consent"]
                await self._consents.ask_for(name, bound, request.action.value, request.purpose)
            raise

    def _reserve(self, tx: Transaction, request: UseRequest, now: datetime) -> Granted:
        agreement = successor(tx, request.agreement)
        if agreement is None or not _may_use(agreement, request.organisation):
            refuse(request.agreement)
        now_us = to_us(now)
        expires = from_us(agreement.expire_us).isoformat() if agreement.expire_us else ""
        require_usable(agreement, now_us, expires)
        terms = parsed_terms(tx.document(agreement.terms_sha256))
        for form in sorted(request.forms):
            _demand(terms, request, form, agreement, now)
        known = tx.meter.reservation(agreement.name, request.use_id)
        # A later step of one use, for instance of its tensors, need not say again how it is passed on.
        onward = request.onward_terms or (known.onward_terms if known is not None else "")
        demand_same_terms(agreement, terms, request.action, onward)
        demand_consent(tx, agreement, terms, request.action.value, request.purpose, now_us)
        rule = rule_of(terms, request.action, request.forms)
        allowance = Allowance(tx, agreement.name, rule, now_us)
        if known is None or known.state in {ReservationState.RELEASED, ReservationState.EXPIRED}:
            known = self._new(tx, allowance, request, now)
        elif known.action != request.action.value:
            raise invalid("use_id", "was used for another action")
        elif known.state is ReservationState.RESERVED:
            known = _grown(tx, allowance, known, request)
        return Granted(
            reservation=known,
            attribution=terms.attribution,
            duties=terms.duties,
            terms_sha256=agreement.terms_sha256,
            balances=allowance.balances(),
            counted=bool(rule.min_aggregation or allowance.counted - KNOWN_AT_ONCE),
        )

    def _new(self, tx: Transaction, allowance: Allowance, request: UseRequest, now: datetime) -> Reservation:
        call = current_call()
        allowance.take_seat(call.principal.name)
        allowance.check_pace()
        draws = allowance.take(request.units)
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
            untold=request.units_follow,
            onward_terms=request.onward_terms,
            onward_listing=request.onward_listing,
        )
        tx.meter.put_reservation(reservation)
        details = {"use_id": request.use_id, "use": request.action.value, "form": request.form.value}
        tx.audit(call, reservation.agreement, details, now)
        return reservation


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


def rule_of(terms: Terms, action: Action, forms: Iterable[Form]) -> Constraints:
    """Return the constraints of an action on several forms, each of which the terms permit: all hold."""
    return reduce(meet_constraints, (terms.rules[action, form] for form in sorted(forms)))


def _demand(terms: Terms, request: UseRequest, form: Form, agreement: Agreement, now: datetime) -> None:
    use = Use(
        action=request.action,
        form=form,
        now=now,
        activated=from_us(agreement.activate_us),
        purpose=request.purpose,
        region=request.region,
        workload=current_call().principal.name,
        recipients=request.recipients,
        off_platform=request.off_platform,
        memories=request.units.memories or None,
        memories_follow=request.units_follow,
    )
    decision = evaluate(terms, use)
    if decision.permitted:
        return
    metadata = {"agreement": agreement.name, "action": request.action.value, "term": decision.term}
    if decision.term != "window":
        raise PlatformError(Reason.LICENCE_NOT_PERMITTED, decision.message, metadata=metadata)
    metadata["expire_time"] = from_us(agreement.expire_us).isoformat() if agreement.expire_us else ""
    raise PlatformError(Reason.LICENCE_EXPIRED, decision.message, metadata=metadata)


def _grown(tx: Transaction, allowance: Allowance, known: Reservation, request: UseRequest) -> Reservation:
    """Let a reservation cover what a second service needs for the same call of the user, or what was told later."""
    untold = known.untold and request.units_follow
    if request.units.within(known.units) and untold == known.untold:
        return known
    more = allowance.take(request.units.beyond(known.units))
    units = known.units.joined(request.units)
    grown = replace(known, units=units, draws=merged_draws((*known.draws, *more)), untold=untold)
    tx.meter.put_reservation(grown)
    return grown
