"""The marketplace's database: transactions over all of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from memporium_platform.call import Call
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.consents import Consent
    from memporium_services.memstore.domain.listings import Listing
    from memporium_services.memstore.domain.machine import Transition
    from memporium_services.memstore.domain.negotiations import Negotiation
    from memporium_services.memstore.domain.offers import Offer
    from memporium_services.memstore.domain.releases import Release
    from memporium_services.memstore.domain.subscriptions import Subscription
    from memporium_services.memstore.ports.peering import PeerRows
    from memporium_services.memstore.ports.rows import CatalogueQuery, EventRows, Meter, Rows, StatementRows

T = TypeVar("T")


class Transaction(Protocol):
    """Everything that is read and written in one transaction."""

    listings: Rows[Listing]
    releases: Rows[Release]
    offers: Rows[Offer]
    negotiations: Rows[Negotiation]
    agreements: Rows[Agreement]
    consents: Rows[Consent]
    subscriptions: Rows[Subscription]
    statements: StatementRows
    meter: Meter
    events: EventRows
    peering: PeerRows

    def put_document(self, content: bytes) -> str:
        """Keep bytes; return their SHA-256, hexadecimal."""
        ...

    def document(self, sha256: str) -> bytes:
        """Return kept bytes; b"" for the empty digest."""
        ...

    def set_audience(self, resource: str, orgs: Sequence[str]) -> None:
        """Say who may see a resource."""
        ...

    def may_see(self, resource: str, org: str, *, or_agreement: bool = False) -> bool:
        """Return whether an organisation may look at a resource, without a look at the resource itself."""
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
