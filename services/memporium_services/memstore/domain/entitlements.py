"""What a use takes from which counter, and when counters begin anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_platform.licence.terms import Period, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium_platform.licence.terms import Quota

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Units:
    """How much a use takes of each unit."""

    calls: int = 0
    memories: int = 0
    tokens: int = 0
    bytes: int = 0
    derivations: int = 0

    def of(self, unit: Unit) -> int:
        """Return the number of one unit."""
        return int(getattr(self, unit.value.lower()))

    def joined(self, other: Units) -> Units:
        """Return the greater number of each unit."""
        return Units(*(max(self.of(unit), other.of(unit)) for unit in Unit))

    def beyond(self, other: Units) -> Units:
        """Return by how much each number is above the other's."""
        return Units(*(max(self.of(unit) - other.of(unit), 0) for unit in Unit))

    def within(self, other: Units, units: Iterable[Unit] = tuple(Unit)) -> bool:
        """Return whether no number of these units is above the other's."""
        return all(self.of(unit) <= other.of(unit) for unit in units)


def checked_units(units: Units, field: str = "units") -> Units:
    """Return units of one use: at least one call.

    Raises:
        PlatformError: INVALID_FIELD, where a number is negative.
    """
    if any(units.of(unit) < 0 for unit in Unit):
        raise invalid(field, "must not be negative")
    return Units(max(units.calls, 1), units.memories, units.tokens, units.bytes, units.derivations)


class ReservationState(StrEnum):
    """The state of a reservation."""

    RESERVED = "RESERVED"
    COMMITTED = "COMMITTED"
    # Committed, and still under way.
    RUNNING = "RUNNING"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Draw:
    """An amount taken from one counter.

    Attributes:
        unit: What is counted.
        period: When the counter begins anew.
        pool: The counter's pool.
        window_us: Start of the present period; 0 for the whole agreement.
        amount: How much.
    """

    unit: Unit
    period: Period
    pool: str
    window_us: int
    amount: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """A use that was asked for.

    Attributes:
        agreement: The agreement that it counts on.
        use_id: Key of idempotency.
        state: The state.
        action: What is done.
        form: On which form.
        principal: Who.
        purpose: Declared purpose.
        units: How much.
        draws: What was taken from which counter.
        reserve_us: When it was asked for.
        expire_us: When it is given back unless it is used; where it is under way, when it no longer counts as that.
        untold: How much it takes was not told yet.
        onward_terms: Digest of the terms under which it is passed on; "": it is not.
        onward_listing: The listing by which it is passed on; "": none.
    """

    agreement: str
    use_id: str
    state: ReservationState
    action: str
    form: str
    principal: str
    purpose: str
    units: Units
    draws: tuple[Draw, ...]
    reserve_us: int
    expire_us: int
    untold: bool = False
    onward_terms: str = ""
    onward_listing: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """A use that was made: what is billed."""

    agreement: str
    use_id: str
    principal: str
    action: str
    form: str
    purpose: str
    units: Units
    time_us: int


def told_of(usage: Usage, consumer: str) -> str:
    """Return what a provider is told of a use that it must be informed of."""
    action, form = usage.action.lower().replace("_", " "), usage.form.lower()
    purpose = f" for {usage.purpose}" if usage.purpose else ""
    return f"orgs/{consumer}: {action} on {usage.units.memories} {form} memories{purpose}"


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left of one quota; `reset_us` is 0 where it never begins anew."""

    quota: Quota
    used: int
    reserved: int
    reset_us: int

    @property
    def remaining(self) -> int:
        """What is left, 0 or more."""
        return max(self.quota.limit - self.used - self.reserved, 0)


def window_of(period: Period, now_us: int) -> tuple[int, int]:
    """Return start and end of the present period in microseconds; (0, 0) for the whole agreement."""
    if period is Period.AGREEMENT:
        return 0, 0
    now = _EPOCH + timedelta(microseconds=now_us)
    start = now.replace(minute=0, second=0, microsecond=0)
    if period is Period.HOUR:
        return _us(start), _us(start + timedelta(hours=1))
    start = start.replace(hour=0)
    if period is Period.DAY:
        return _us(start), _us(start + timedelta(days=1))
    start = start.replace(day=1)
    if period is Period.MONTH:
        return _us(start), _us((start + timedelta(days=32)).replace(day=1))
    start = start.replace(month=1)
    return _us(start), _us(start.replace(year=start.year + 1))


def draws_of(quotas: Iterable[Quota], units: Units, now_us: int) -> tuple[Draw, ...]:
    """Return what a use takes; counters in one order everywhere, so that two uses never wait for each other."""
    return tuple(
        Draw(quota.unit, quota.period, quota.pool, window_of(quota.period, now_us)[0], units.of(quota.unit))
        for quota in sorted(quotas)
        if units.of(quota.unit) > 0
    )


def merged_draws(draws: Iterable[Draw]) -> tuple[Draw, ...]:
    """Return draws with one for each counter."""
    amounts: dict[Draw, int] = {}
    for draw in draws:
        counter = replace(draw, amount=0)
        amounts[counter] = amounts.get(counter, 0) + draw.amount
    return tuple(replace(counter, amount=amount) for counter, amount in amounts.items())


def used_of(draws: Iterable[Draw], units: Units) -> tuple[Draw, ...]:
    """Return what a use of `units` takes for good of what was drawn, counter by counter.

    Where a period began between two draws, the earlier period's counter is filled first.
    """
    left: dict[tuple[Unit, Period, str], int] = {}
    taken = []
    for draw in sorted(draws, key=lambda each: each.window_us):
        key = (draw.unit, draw.period, draw.pool)
        amount = min(left.get(key, units.of(draw.unit)), draw.amount)
        left[key] = left.get(key, units.of(draw.unit)) - amount
        taken.append(replace(draw, amount=amount))
    return tuple(taken)


def _us(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
