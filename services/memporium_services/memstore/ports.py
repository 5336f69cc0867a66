"""What the marketplace needs from outside: rows in transactions, keys, the sealer, and the scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from memporium_platform.call import Call
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.entitlements import Draw, Reservation, Units, Usage
    from memporium_services.memstore.domain.listings import Listing
    from memporium_services.memstore.domain.machine import Transition
    from memporium_services.memstore.domain.negotiations import Negotiation
    from memporium_services.memstore.domain.offers import Offer
    from memporium_services.memstore.domain.releases import Release
    from memporium_services.memstore.domain.subscriptions import Delivery, MarketEvent, Subscription

T = TypeVar("T")
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
        """Return the number of reservations that are neither used nor given back."""
        ...

    def since(self, agreement: str, since_us: int, limit: int) -> list[int]:
        """Return times of the newest uses after `since_us`, newest first, at most `limit`."""
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

    def total(self, agreement: str, *, start_us: int, end_us: int) -> Units:
        """Return the sum of metered uses; an `end_us` of 0 is no end."""
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


class Transaction(Protocol):
    """Everything that is read and written in one transaction."""

    listings: Rows[Listing]
    releases: Rows[Release]
    offers: Rows[Offer]
    negotiations: Rows[Negotiation]
    agreements: Rows[Agreement]
    subscriptions: Rows[Subscription]
    meter: Meter
    events: EventRows

    def put_document(self, content: bytes) -> str:
        """Keep bytes; return their SHA-256, hexadecimal."""
        ...

    def document(self, sha256: str) -> bytes:
        """Return kept bytes; b"" for the empty digest."""
        ...

    def set_audience(self, resource: str, orgs: Sequence[str]) -> None:
        """Say who may see a resource."""
        ...

    def search(self, query: CatalogueQuery) -> list[Listing]:
        """Return published listings, best match first, then newest."""
        ...

    def versions(self, listing: str) -> list[Release]:
        """Return all releases of a listing, newest first."""
        ...

    def has_agreement(self, listing: str, consumer: str) -> bool:
        """Return whether an organisation has an agreement on a listing that is active or suspended."""
        ...

    def active_agreement(self, listing: str, consumer: str) -> Agreement | None:
        """Return the newest active agreement of an organisation on a listing, or None."""
        ...

    def agreements_after(self, revision: int, limit: int) -> list[Agreement]:
        """Return agreements changed after a revision, in its order."""
        ...

    def agreements_due(self, now_us: int, limit: int) -> list[Agreement]:
        """Return agreements in force or suspended whose time is over."""
        ...

    def next_expiry(self) -> int:
        """Return when the next agreement in force or suspended ends; 0: none does."""
        ...

    def next_number(self, key: str) -> int:
        """Return the next number of a sequence, from 1."""
        ...

    def add_step(self, step: Transition) -> None:
        """Keep a signed step."""
        ...

    def steps(self, resource: str) -> list[Transition]:
        """Return the steps of a resource, oldest first."""
        ...

    def audit(self, call: Call, resource: str, details: Mapping[str, str], now: datetime) -> None:
        """Write the call's audit record in this transaction."""
        ...

    def once(self, call: Call, now: datetime, run: Callable[[], str]) -> str:
        """Run a mutation at most once for its request id; `run` returns the name of what it made or changed."""
        ...


class Store(Protocol):
    """The marketplace's database."""

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` on one snapshot."""
        ...

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in a durable, serialisable transaction; it may run more than once."""
        ...


class Signer(Protocol):
    """Signs for one organisation, or for the platform."""

    @property
    def key_id(self) -> str:
        """SHA-256 of the raw public key, hexadecimal."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature."""
        ...


class Signers(Protocol):
    """Keys by organisation."""

    async def of(self, org: str) -> Signer:
        """Return the signer of an organisation; "" is the platform."""
        ...


@dataclass(frozen=True, slots=True)
class SealOrder:
    """What to seal as which release."""

    org: str
    vault: str
    cubes: tuple[str, ...]
    any_tags: tuple[str, ...]
    listing: str
    version: str
    number: int
    terms_sha256: str
    mask_pii: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed."""

    bundle: str
    manifest_sha256: str
    cube_count: int
    sealed_bytes: int


class Sealer(Protocol):
    """Seals releases: the transfer service."""

    async def seal(self, order: SealOrder) -> Sealed:
        """Seal; the same request id seals once."""
        ...

    async def revoke(self, bundle: str, reason: str, request_id: str) -> None:
        """Take a bundle back."""
        ...


class DeliveryQueue(Protocol):
    """Takes deliveries over: the scheduler."""

    async def deliver(self, delivery: Delivery, listing: str) -> None:
        """Hand a delivery over on behalf of the subscription's owner; the same uid is taken once."""
        ...
