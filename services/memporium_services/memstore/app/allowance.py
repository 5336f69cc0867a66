"""What one rule of an agreement still allows at this moment: quotas, rates, concurrency."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_services.memstore.domain.entitlements import Balance, Draw, ReservationState, draws_of, window_of
from memporium_services.memstore.domain.seats import Seat

if TYPE_CHECKING:
    from memporium_platform.licence.terms import Constraints, Quota, Unit
    from memporium_services.memstore.domain.entitlements import Units
    from memporium_services.memstore.ports import Transaction

# Reservations that one transaction gives back.
_OVERDUE_BATCH = 200


def give_back_overdue(tx: Transaction, now_us: int, *, agreement: str = "") -> int:
    """Give back reservations whose time is over; return how many."""
    overdue = tx.meter.overdue(now_us, limit=_OVERDUE_BATCH, agreement=agreement)
    for reservation in overdue:
        if reservation.state is ReservationState.RUNNING:
            # It was metered; only its place among the uses at the same time is free again.
            tx.meter.put_reservation(replace(reservation, state=ReservationState.COMMITTED))
            continue
        tx.meter.give_back(reservation.agreement, reservation.draws)
        tx.meter.put_reservation(replace(reservation, state=ReservationState.EXPIRED))
    return len(overdue)


class Allowance:
    """One rule's counters within one transaction."""

    def __init__(self, tx: Transaction, agreement: str, rule: Constraints, now_us: int) -> None:
        """Look at an agreement's counters at a time."""
        self.agreement = agreement
        self._tx, self._rule, self._now_us = tx, rule, now_us

    def check_pace(self) -> None:
        """Refuse a use that comes too soon, or while too many are under way.

        Raises:
            PlatformError: RATE_LIMITED, with the time after which a retry may help.
        """
        for rate in sorted(self._rule.rates):
            since_us = self._now_us - rate.interval_s * 1_000_000
            # The oldest of as many as are allowed: when it is out of the interval, there is room again.
            oldest = self._tx.meter.nth_newest(self.agreement, since_us, rate.limit) if rate.limit else since_us
            if oldest is not None:
                wait_s = (oldest - since_us) / 1e6 if rate.limit else float(rate.interval_s)
                text = f"the licence allows {rate.limit} uses in {rate.interval_s} s"
                raise PlatformError(
                    Reason.RATE_LIMITED, text, metadata={"limit": str(rate.limit)}, retry_after_s=max(wait_s, 0.001)
                )
        limit = self._rule.max_concurrency
        if limit is not None and self._tx.meter.open_uses(self.agreement, self._now_us) >= limit:
            text = f"the licence allows {limit} uses at the same time"
            raise PlatformError(Reason.RATE_LIMITED, text, metadata={"limit": str(limit)}, retry_after_s=0.1)

    def check_seat(self, principal: str) -> bool:
        """Refuse a principal for which no seat is left; return whether it still has to take one.

        Raises:
            PlatformError: LICENCE_NOT_PERMITTED.
        """
        limit = self._rule.max_seats
        if limit is None:
            return False
        seats = self._tx.meter.seats(self.agreement)
        if principal in seats:
            return False
        if len(seats) >= limit:
            text = f"the licence has {limit:,} seats, and all are taken"
            metadata = {"agreement": self.agreement, "term": "seats", "limit": str(limit)}
            raise PlatformError(Reason.LICENCE_NOT_PERMITTED, text, metadata=metadata)
        return True

    def take_seat(self, principal: str) -> None:
        """Give a principal a seat where seats are counted and it has none."""
        if self.check_seat(principal):
            self._tx.meter.put_seat(Seat(self.agreement, principal, self._now_us))

    def take(self, units: Units) -> tuple[Draw, ...]:
        """Take units from every counter of the rule; return what was taken from which.

        Raises:
            PlatformError: LICENCE_QUOTA_EXHAUSTED; the transaction takes back what was taken before.
        """
        draws = draws_of(self._rule.quotas, units, self._now_us)
        for draw in draws:
            quota = next(each for each in self._rule.quotas if _belongs(each, draw))
            if self._tx.meter.take(self.agreement, draw, quota.limit):
                continue
            # What nobody came back for is given back before anyone is refused.
            give_back_overdue(self._tx, self._now_us, agreement=self.agreement)
            if not self._tx.meter.take(self.agreement, draw, quota.limit):
                raise self._exhausted(quota)
        return draws

    def short_of(self, units: Units) -> list[tuple[Quota, int]]:
        """Return the quotas of which less is left than units take, with what is left."""
        balances = self.balances()
        return [(one.quota, one.remaining) for one in balances if one.remaining < units.of(one.quota.unit)]

    @property
    def counted(self) -> frozenset[Unit]:
        """The units that the rule's quotas count."""
        return frozenset(quota.unit for quota in self._rule.quotas)

    def balances(self) -> tuple[Balance, ...]:
        """Return what is left of each quota of the rule."""
        return tuple(self._balance(quota) for quota in sorted(self._rule.quotas))

    def _balance(self, quota: Quota) -> Balance:
        start_us, end_us = window_of(quota.period, self._now_us)
        used, reserved = self._tx.meter.count(self.agreement, Draw(quota.unit, quota.period, quota.pool, start_us, 0))
        return Balance(quota, used, reserved, end_us)

    def _exhausted(self, quota: Quota) -> PlatformError:
        unit = quota.unit.value.lower()
        period = "" if quota.period.value == "AGREEMENT" else f" a {quota.period.value.lower()}"
        end_us = window_of(quota.period, self._now_us)[1]
        return PlatformError(
            Reason.LICENCE_QUOTA_EXHAUSTED,
            f"the licence's {quota.limit} {unit}{period} are used up",
            metadata={"agreement": self.agreement, "limit": str(quota.limit), "unit": unit},
            retry_after_s=(end_us - self._now_us) / 1e6 if end_us else None,
        )


def _belongs(quota: Quota, draw: Draw) -> bool:
    return (quota.unit, quota.period, quota.pool) == (draw.unit, draw.period, draw.pool)
