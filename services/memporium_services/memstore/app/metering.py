"""Uses that were made: committed once, counted for good; and uses that were not: given back.

A use that goes on after it was committed, for instance a generation, keeps its place among the uses at the same time
until it is released or its time is over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.licence.terms import Action, DutyKind, Form
from memporium_platform.names import AGREEMENT, new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.allowance import Allowance, give_back_overdue
from memporium_services.memstore.app.entitlements import successor
from memporium_services.memstore.app.market import caller_org, parsed_terms, refuse, sees_all
from memporium_services.memstore.app.share_alike import bind_listing
from memporium_services.memstore.domain.entitlements import (
    Reservation,
    ReservationState,
    Units,
    Usage,
    checked_units,
    told_of,
)
from memporium_services.memstore.domain.subscriptions import EventKind, MarketEvent

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_platform.licence.terms import Constraints, Terms
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction

_S = ReservationState


class Metering:
    """Ends of uses."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def commit(self, agreement: str, use_id: str, units: Units | None, *, running: bool = False) -> Reservation:
        """Meter a use that was made; a repeat changes nothing, but keeps a use that is `running` going."""

        def work(tx: Transaction) -> tuple[Reservation, bool]:
            now = self._market.clock.now()
            reservation = _reservation(tx, agreement, use_id)
            if reservation.state is _S.COMMITTED or (reservation.state is _S.RUNNING and not running):
                return reservation, False
            if reservation.state is _S.RELEASED:
                raise _gone(agreement, reservation.state)
            expire_us = to_us(now) + int(self._market.settings.reservation_ttl_s * 1e6) if running else 0
            if reservation.state is _S.RUNNING:
                going = replace(reservation, expire_us=expire_us)
                tx.meter.put_reservation(going)
                return going, False
            return self._made(tx, reservation, units, expire_us, now)

        after, told = await self._market.store.write(work)
        if told:
            self._market.events_added.fire()
        return after

    async def release(self, agreement: str, use_id: str) -> Reservation:
        """Give back a use that was not made, or end one that is under way; a repeat changes nothing."""

        def work(tx: Transaction) -> Reservation:
            reservation = _reservation(tx, agreement, use_id)
            if reservation.state is _S.RUNNING:
                over = replace(reservation, state=_S.COMMITTED)
                tx.meter.put_reservation(over)
                return over
            if reservation.state is _S.COMMITTED:
                raise _gone(agreement, reservation.state)
            if reservation.state is not _S.RESERVED:
                return reservation
            tx.meter.give_back(reservation.agreement, reservation.draws)
            after = replace(reservation, state=_S.RELEASED)
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

    def _made(
        self, tx: Transaction, reservation: Reservation, units: Units | None, expire_us: int, now: datetime
    ) -> tuple[Reservation, bool]:
        agreement = tx.agreements.get(reservation.agreement)
        if agreement is None:
            refuse(reservation.agreement)
        terms = parsed_terms(tx.document(agreement.terms_sha256))
        rule = terms.rules[Action(reservation.action), Form(reservation.form)]
        allowance = Allowance(tx, agreement.name, rule, to_us(now))
        made = checked_units(units) if units is not None else reservation.units
        # What no quota counts may be told when all is done; it is metered all the same.
        if not made.within(reservation.units, allowance.counted):
            raise invalid("units", "must be at most what was reserved")
        _demand_enough(rule, reservation, made)
        if reservation.state is _S.EXPIRED:
            # Nobody came back in time: the units are taken again, where there is still room for them.
            reservation = replace(reservation, draws=allowance.take(reservation.units))
        tx.meter.use_up(reservation.agreement, reservation.draws, made)
        state = _S.RUNNING if expire_us else _S.COMMITTED
        expire_us = expire_us or reservation.expire_us
        after = replace(reservation, state=state, units=made, expire_us=expire_us, untold=False)
        tx.meter.put_reservation(after)
        bind_listing(tx, agreement, terms, after.action, after.onward_listing)
        usage = _usage(after, to_us(now))
        tx.meter.record(usage)
        details = {"use_id": after.use_id, "action": after.action, "principal": after.principal}
        tx.audit(current_call(), reservation.agreement, details, now)
        return after, _inform(tx, agreement, terms, usage, now)


def _demand_enough(rule: Constraints, reservation: Reservation, made: Units) -> None:
    """Refuse a result that stands on too few memories, where their number was not told before.

    Raises:
        PlatformError: LICENCE_NOT_PERMITTED.
    """
    if reservation.untold and made.memories < rule.min_aggregation:
        text = f"the licence asks for at least {rule.min_aggregation} memories behind a result"
        metadata = {"agreement": reservation.agreement, "action": reservation.action, "term": "min_aggregation"}
        raise PlatformError(Reason.LICENCE_NOT_PERMITTED, text, metadata=metadata)


def _inform(tx: Transaction, agreement: Agreement, terms: Terms, usage: Usage, now: datetime) -> bool:
    """Tell the provider of a use where the licensee owes that; return whether it was told."""
    if not terms.has_duty(DutyKind.INFORM):
        return False
    tx.events.append(
        MarketEvent(
            event_id=new_id(now),
            kind=EventKind.USE_MADE,
            listing=agreement.listing,
            org=agreement.provider,
            text=told_of(usage, agreement.consumer),
            time_us=to_us(now),
            only_for=agreement.provider,
            agreement=agreement.name,
        )
    )
    return True


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
