"""Listings: made, changed, moved through their states, found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, already_exists, etag_mismatch, not_found
from memporium_platform.names import LISTING, ORG, check_id, new_id, org_of
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.market import (
    Page,
    Shown,
    caller_org,
    last_part,
    move_by,
    refuse,
    sees_all,
    sign_step,
)
from memporium_services.memstore.domain.listings import LISTING_MACHINE, Listing, ListingState, check_texts
from memporium_services.memstore.domain.subscriptions import EventKind, MarketEvent

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.audience import Audience
    from memporium_services.memstore.ports import CatalogueQuery, Transaction

_EVENTS = {
    "publish": EventKind.LISTING_PUBLISHED,
    "resume": EventKind.LISTING_PUBLISHED,
    "suspend": EventKind.LISTING_SUSPENDED,
    "deprecate": EventKind.LISTING_DEPRECATED,
    "retire": EventKind.LISTING_RETIRED,
}


@dataclass(frozen=True, slots=True)
class ListingChange:
    """New values; None leaves a field as it is. Empty terms take them away."""

    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    audience: Audience | None = None
    terms: bytes | None = None


def own_listing(tx: Transaction, name: str) -> Listing:
    """Return a listing that the caller's role was checked on.

    Raises:
        PlatformError: NOT_FOUND.
    """
    LISTING.parse(name)
    listing = tx.listings.get(name)
    if listing is None:
        raise not_found(name)
    return listing


def visible_listing(tx: Transaction, name: str, *, asked: str = "") -> Listing:
    """Return a listing that the caller may see, or has an agreement on.

    Args:
        tx: The transaction.
        name: The listing.
        asked: What the caller asked for, where that is below the listing: all that a refusal may name.

    Raises:
        PlatformError: PERMISSION_DENIED, also where it does not exist.
    """
    org = caller_org()
    # Whoever may not see it learns nothing by the time that it takes: the listing is read only after this.
    if not (sees_all() or org_of(name) == org or tx.may_see(name, org, or_agreement=True)):
        refuse(asked or name)
    listing = tx.listings.get(name)
    if listing is None or not (sees_all() or listing.visible_to(org) or tx.has_agreement(name, org)):
        refuse(asked or name)
    return listing


def show_listing(tx: Transaction, listing: Listing) -> Shown[Listing]:
    """Return a listing with its terms; with its steps for its own organisation."""
    steps = tuple(tx.steps(listing.name)) if caller_org() == listing.org else ()
    return Shown(listing, terms=tx.document(listing.terms_sha256), steps=steps)


class Listings:
    """The catalogue's entries."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def create(self, parent: str, listing_id: str, change: ListingChange) -> Shown[Listing]:
        """Make a listing, in state DRAFT."""
        org = ORG.parse(parent, "parent")["org"]
        name = LISTING.format(org=org, listing=check_id(listing_id, "listing_id"))
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            if tx.listings.get(name) is not None:
                raise already_exists(name)
            now_us = to_us(now)
            empty = Listing(name, new_id(now), org, "", "", (), change.audience, "")  # type: ignore[arg-type]
            listing = _changed(tx, replace(empty, create_us=now_us, update_us=now_us), change)
            tx.listings.put(listing)
            tx.set_audience(name, listing.seen_by())
            call = current_call()
            states = ("", listing.state.value, "create")
            sign_step(tx, move_by(call, signer, reason="", now=now), resource=name, sequence=1, states=states)
            tx.audit(call, name, {"state": listing.state.value}, now)
            return name

        return await self._market.mutate(work, _show)

    async def update(self, name: str, change: ListingChange, etag: str) -> Shown[Listing]:
        """Change a listing's fields."""

        def work(tx: Transaction, now: datetime) -> str:
            before = own_listing(tx, name)
            if etag and etag != before.etag:
                raise etag_mismatch(name)
            if before.state is ListingState.RETIRED:
                metadata = {"resource": name, "state": before.state.value}
                raise PlatformError(Reason.FAILED_PRECONDITION, f"{name} is retired", metadata=metadata)
            after = _changed(tx, replace(before, update_us=to_us(now), revision=before.revision + 1), change)
            tx.listings.put(after)
            tx.set_audience(name, after.seen_by())
            tx.audit(current_call(), name, {"etag": after.etag}, now)
            return name

        return await self._market.mutate(work, _show)

    async def move(self, name: str, trigger: str, *, reason: str, etag: str) -> Shown[Listing]:
        """Move a listing to another state; tells the subscribers where they could see it."""
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            before = own_listing(tx, name)
            if etag and etag != before.etag:
                raise etag_mismatch(name)
            state = LISTING_MACHINE.move(name, before.state, trigger)
            now_us = to_us(now)
            after = replace(
                before, state=state, sequence=before.sequence + 1, revision=before.revision + 1, update_us=now_us
            )
            if state is ListingState.PUBLISHED:
                after = replace(after, publish_us=now_us)
            tx.listings.put(after)
            tx.set_audience(name, after.seen_by())
            call = current_call()
            move = move_by(call, signer, reason=reason, now=now)
            states = (before.state.value, state.value, trigger)
            sign_step(tx, move, resource=name, sequence=after.sequence, states=states)
            if trigger in _EVENTS:
                tx.events.append(
                    MarketEvent(
                        new_id(now), _EVENTS[trigger], name, after.org, tags=after.tags, text=reason, time_us=now_us
                    )
                )
            tx.audit(call, name, {"from": before.state.value, "to": state.value}, now)
            return name

        shown = await self._market.mutate(work, _show)
        self._market.events_added.fire()
        return shown

    async def get(self, name: str) -> Shown[Listing]:
        """Return a listing that the caller may see."""
        return await self._market.store.read(lambda tx: show_listing(tx, visible_listing(tx, name)))

    async def list_own(self, parent: str, *, size: int, token: str) -> Page[Shown[Listing]]:
        """Return an organisation's own listings, by name."""
        org, limit = ORG.parse(parent, "parent")["org"], page_size(size)
        scope = f"ListListings/{org}"
        after = self._market.after(scope, token)

        def fetch(tx: Transaction) -> list[Shown[Listing]]:
            return [show_listing(tx, found) for found in tx.listings.find(limit=limit + 1, after=after, org=org)]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda shown: last_part(shown.entity.name))

    async def search(self, query: CatalogueQuery, *, size: int, token: str) -> Page[Shown[Listing]]:
        """Return published listings that the caller may see, best match first."""
        limit = page_size(size)
        scope = f"SearchListings/{query}"
        offset = int(self._market.after(scope, token) or 0)
        asked = replace(query, limit=limit + 1, offset=offset)
        found = await self._market.store.read(lambda tx: [show_listing(tx, each) for each in tx.search(asked)])
        return self._market.page(scope, found, limit, lambda _: str(offset + limit))


def _show(tx: Transaction, name: str) -> Shown[Listing]:
    return show_listing(tx, own_listing(tx, name))


def _changed(tx: Transaction, listing: Listing, change: ListingChange) -> Listing:
    after = replace(
        listing,
        title=listing.title if change.title is None else change.title,
        description=listing.description if change.description is None else change.description,
        tags=listing.tags if change.tags is None else change.tags,
        audience=listing.audience if change.audience is None else change.audience,
    )
    if change.terms is not None:
        after = replace(after, terms_sha256=tx.put_document(change.terms) if change.terms else "")
        after.demand_terms(after.terms_sha256)
    check_texts(after.title, after.description, after.tags)
    return after
