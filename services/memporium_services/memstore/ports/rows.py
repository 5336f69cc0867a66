"""Rows of the marketplace, by kind; all within a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium_services.memstore.domain.entitlements import Draw, Reservation, Units, Usage
    from memporium_services.memstore.domain.seats import Seat
    from memporium_services.memstore.domain.statements import UsageStatement
    from memporium_services.memstore.domain.subscriptions import Delivery, MarketEvent, Subscription

E = TypeVar("E")


class Rows(Protocol[E]):
    """Entities of one kind, by name."""

    def get(self, name: str, *, party: str = "") -> E | None:
        """Return the entity of that name, or None; with `party` only where that organisation is provider or consumer.

        What is not the party's is never read, so that a refusal takes as long as for what does not exist.
        """
        ...

    def put(self, entity: E) -> None:
        """Insert an entity, or take the place of the one of its name."""
        ...

    def delete(self, name: str) -> bool:
        """Remove the entity of that name; return whether it was there."""
        ...

    def find(
        self,
        *,
        limit: int,
        after: str = "",
        newest: bool = False,
        party: str = "",
        visible_to: str | None = None,
        **equals: str | int,
    ) -> list[E]:
        """Return entities by the last part of their names; empty conditions do not count."""
        ...


@dataclass(frozen=True, slots=True)
class CatalogueQuery:
    """What to look for in the catalogue.

    Attributes:
        org: Who looks: only what it may see is found.
        words: Casefolded words that all occur.
        any_tags: Only with any of these tags; none: all.
        provider: Only of this organisation; "": all.
        offset: Skip so many.
        limit: At most so many.
    """

    org: str
    words: tuple[str, ...] = ()
    any_tags: tuple[str, ...] = ()
    provider: str = ""
    offset: int = 0
    limit: int = 50


class Meter(Protocol):
    """Counters, reservations and metered uses."""

    def reservation(self, agreement: str, use_id: str) -> Reservation | None:
        """Return a reservation, or None."""
        ...

    def put_reservation(self, reservation: Reservation) -> None:
        """Insert a reservation, or take the place of the one of its use id."""
        ...

    def take(self, agreement: str, draw: Draw, limit: int) -> bool:
        """Add to a counter's reserved part, unless that would go beyond the limit; return whether it was added."""
        ...

    def give_back(self, agreement: str, draws: Iterable[Draw]) -> None:
        """Take from the reserved parts what was never used."""
        ...

    def use_up(self, agreement: str, draws: Iterable[Draw], units: Units) -> None:
        """Move from reserved to used; what was reserved beyond `units` is given back."""
        ...

    def count(self, agreement: str, draw: Draw) -> tuple[int, int]:
        """Return used and reserved of a counter."""
        ...

    def open_uses(self, agreement: str, now_us: int) -> int:
        """Return the number of uses under way: neither over nor given back."""
        ...

    def nth_newest(self, agreement: str, since_us: int, number: int) -> int | None:
        """Return the time of the use before which `number` - 1 newer ones are, all after `since_us`; None: fewer."""
        ...

    def overdue(self, now_us: int, *, limit: int, agreement: str = "") -> list[Reservation]:
        """Return reservations whose time is over."""
        ...

    def record(self, usage: Usage) -> None:
        """Meter a use."""
        ...

    def usage(
        self, agreement: str, *, start_us: int, end_us: int, limit: int, before: tuple[int, str] | None
    ) -> list[Usage]:
        """Return metered uses, newest first, behind `before`; an `end_us` of 0 is no end."""
        ...

    def total(self, agreement: str, *, start_us: int, end_us: int, stated: bool = False) -> Units:
        """Return the sum of metered uses; an `end_us` of 0 is no end; `stated`: of those on statements alone."""
        ...

    def seats(self, agreement: str) -> frozenset[str]:
        """Return the principals that hold a seat of an agreement."""
        ...

    def all_seats(self, agreement: str, *, after: str = "", limit: int = 1_000_000) -> list[Seat]:
        """Return the seats of an agreement, those that were given back too, by principal."""
        ...

    def seat(self, agreement: str, principal: str) -> Seat | None:
        """Return the seat that a principal holds, or held last, or None."""
        ...

    def put_seat(self, seat: Seat) -> None:
        """Insert a seat, or take the place of the one of its principal."""
        ...

    def close(self, agreement: str, number: int, limit: int, *, before_us: int = 0) -> list[Usage]:
        """Put the oldest uses that stand on no statement on this one, at most `limit`; return them.

        `before_us`: only uses made before; 0: all.
        """
        ...

    def open_again(self, agreement: str, number: int) -> None:
        """Take the uses off a statement that does not count."""
        ...


class StatementRows(Rows["UsageStatement"], Protocol):
    """Usage statements."""

    def of_agreement(self, agreement: str, *, after: int, limit: int) -> list[UsageStatement]:
        """Return the statements of an agreement behind a number, by number."""
        ...

    def last(self, agreement: str) -> UsageStatement | None:
        """Return the newest statement of an agreement, or None."""
        ...

    def billed(self, org: str, *, start_us: int, end_us: int, limit: int) -> list[UsageStatement]:
        """Return the statements in which an organisation is a party, by time; an `end_us` of 0 is no end."""
        ...

    def due(self, now_us: int, *, limit: int) -> list[str]:
        """Return agreements whose next statement is due, the longest due first."""
        ...

    def next_due(self, agreement: str) -> int | None:
        """Return when the next statement of an agreement is due; 0: not told yet; None: never."""
        ...

    def set_due(self, agreement: str, due_us: int | None) -> None:
        """Say when the next statement of an agreement is due; None: never."""
        ...


class EventRows(Protocol):
    """Events, the cursors of subscriptions, and deliveries that wait."""

    def append(self, event: MarketEvent) -> MarketEvent:
        """Add an event at the end; return it with its cursor."""
        ...

    def after(self, cursor: int, limit: int) -> list[MarketEvent]:
        """Return the events behind a cursor, oldest first."""
        ...

    def newest(self) -> int:
        """Return the cursor of the newest event, or 0."""
        ...

    def cursor(self, subscription: str) -> tuple[int, int]:
        """Return up to where a subscription has acknowledged, and up to where it was handed events."""
        ...

    def set_cursor(self, subscription: str, *, acknowledged: int | None = None, handed: int | None = None) -> None:
        """Move a subscription's cursors forward; neither ever moves back."""
        ...

    def pushes(self) -> list[Subscription]:
        """Return the push subscriptions of all organisations."""
        ...

    def put_delivery(self, delivery: Delivery, *, done: bool = False) -> None:
        """Insert a delivery, or take the place of the one of its uid."""
        ...

    def due(self, now_us: int, limit: int) -> list[Delivery]:
        """Return deliveries whose time has come."""
        ...
