"""Seats of a licence: taken by a first use, held for a time at least, then given back or passed on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_services.memstore.domain.machine import Machine, Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium_platform.licence.terms import Terms


class SeatState(StrEnum):
    """The state of a principal's seat."""

    TAKEN = "TAKEN"
    GIVEN_BACK = "GIVEN_BACK"


_S = SeatState
SEAT_MACHINE: Machine[SeatState] = Machine(
    {
        (_S.TAKEN, "release", Side.CONSUMER): _S.GIVEN_BACK,
        (_S.TAKEN, "release", Side.PROVIDER): _S.GIVEN_BACK,
        # By its next use.
        (_S.GIVEN_BACK, "take", Side.PLATFORM): _S.TAKEN,
    }
)


@dataclass(frozen=True, slots=True)
class Seat:
    """One principal's seat.

    Attributes:
        agreement: The agreement.
        principal: Who holds it.
        take_us: Since when.
        end_us: When it was given back; 0: it was not.
    """

    agreement: str
    principal: str
    take_us: int
    end_us: int = 0

    @property
    def state(self) -> SeatState:
        """Its state."""
        return SeatState.GIVEN_BACK if self.end_us else SeatState.TAKEN

    @property
    def name(self) -> str:
        """Where the steps of its record are kept."""
        return f"{self.agreement}/seats/{self.principal}"


def hold_of(terms: Terms) -> int | None:
    """Return for how many microseconds a seat is held by the strictest rule that counts seats; None: for good."""
    holds = [rule.seat_hold for rule in terms.rules.values() if rule.max_seats is not None]
    known = [hold for hold in holds if hold is not None]
    return int(max(known).total_seconds() * 1e6) if known and len(known) == len(holds) else None


def seats_of(terms: Terms) -> int | None:
    """Return how many seats there are by the strictest rule; None: they are not counted."""
    return min((rule.max_seats for rule in terms.rules.values() if rule.max_seats is not None), default=None)


def carried(before: Iterable[Seat], known: Iterable[Seat], agreement: str, limit: int) -> list[Seat]:
    """Return the seats that pass to an agreement from the one that it renews: since when they are held goes with them.

    Args:
        before: The seats of the one before.
        known: Those that the new one has by now.
        agreement: The new one.
        limit: How many it has; where that is fewer, those who took theirs first keep them.
    """
    there = list(known)
    room = limit - sum(not seat.end_us for seat in there)
    principals = {seat.principal for seat in there}
    waiting = [seat for seat in before if not seat.end_us and seat.principal not in principals]
    waiting.sort(key=lambda seat: (seat.take_us, seat.principal))
    return [replace(seat, agreement=agreement) for seat in waiting[: max(room, 0)]]
