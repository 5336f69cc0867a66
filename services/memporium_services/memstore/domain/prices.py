"""Price plans and what is owed by them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from memporium_platform.errors import invalid
from memporium_platform.licence.terms import Period, Unit

_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Price:
    """An amount: ISO 4217 code and millionths of the unit."""

    currency: str = ""
    micros: int = 0


class PlanKind(StrEnum):
    """Which plan."""

    FREE = "FREE"
    PER_PERIOD = "PER_PERIOD"
    PER_USE = "PER_USE"
    TRIAL = "TRIAL"


@dataclass(frozen=True, slots=True)
class PricePlan:
    """What a licence costs.

    Attributes:
        kind: Which plan.
        price: For each period or unit.
        period: For PER_PERIOD.
        unit: For PER_USE.
        cap: For PER_USE: at most this in all; None: no cap.
        duration_s: For TRIAL: seconds from activation.
        release: For TRIAL: the sample; "": the whole.
        statements: How often statements are made by themselves; AGREEMENT: once it has ended; None: as the plan says.
    """

    kind: PlanKind = PlanKind.FREE
    price: Price = Price()
    period: Period = Period.AGREEMENT
    unit: Unit = Unit.CALLS
    cap: Price | None = None
    duration_s: int = 0
    release: str = ""
    statements: Period | None = None

    @property
    def statement_period(self) -> Period | None:
        """At the ends of which periods statements are made by themselves; None: never.

        A price for a period is stated for each, a price for uses each month, and what is free not at all, unless the
        plan says otherwise.
        """
        if self.statements is not None:
            return self.statements
        if self.kind is PlanKind.PER_PERIOD:
            return self.period
        return Period.MONTH if self.kind is PlanKind.PER_USE else None


def check_plan(plan: PricePlan, field: str) -> PricePlan:
    """Return the plan if it can be billed.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if plan.kind in {PlanKind.PER_PERIOD, PlanKind.PER_USE}:
        for price in (plan.price, plan.cap):
            if price is not None and (price.micros < 0 or not _CURRENCY.fullmatch(price.currency)):
                raise invalid(field, "prices must have an ISO 4217 currency and not be negative")
        if plan.cap is not None and plan.cap.currency != plan.price.currency:
            raise invalid(field, "the cap must be in the price's currency")
    if plan.kind is PlanKind.TRIAL and plan.duration_s <= 0:
        raise invalid(field, "a trial must have a duration of at least one second")
    return plan


def periods_begun(period: Period, start_us: int, now_us: int) -> int:
    """Return how many periods have begun since the start; the first begins with it."""
    if now_us < start_us:
        return 0
    start, now = (datetime.fromtimestamp(value / 1e6, UTC) for value in (start_us, now_us))
    if period is Period.HOUR:
        return int((now_us - start_us) // 3_600_000_000) + 1
    if period is Period.DAY:
        return int((now_us - start_us) // 86_400_000_000) + 1
    if period is Period.MONTH:
        return (now.year - start.year) * 12 + now.month - start.month + (1 if now.day >= start.day else 0)
    if period is Period.YEAR:
        return now.year - start.year + (1 if (now.month, now.day) >= (start.month, start.day) else 0)
    return 1


def amount_due(plan: PricePlan, *, used: int, start_us: int, until_us: int) -> Price:
    """Return what is owed; `used` counts the plan's unit, `until_us` is now or the agreement's end."""
    if plan.kind is PlanKind.PER_PERIOD:
        begun = max(periods_begun(plan.period, start_us, until_us), 1)
        return Price(plan.price.currency, plan.price.micros * begun)
    if plan.kind is PlanKind.PER_USE:
        micros = plan.price.micros * used
        return Price(plan.price.currency, micros if plan.cap is None else min(micros, plan.cap.micros))
    return Price()
