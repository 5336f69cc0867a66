"""Offers: made, shown to those in the audience, withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, already_exists, invalid, not_found
from memporium_platform.names import LISTING, OFFER, check_id, new_id, org_of
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.listings import own_listing, visible_listing
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
from memporium_services.memstore.domain.listings import ListingState
from memporium_services.memstore.domain.offers import OFFER_MACHINE, Offer, OfferState

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.audience import Audience
    from memporium_services.memstore.domain.listings import Listing
    from memporium_services.memstore.domain.prices import PricePlan
    from memporium_services.memstore.ports import Transaction


@dataclass(frozen=True, slots=True)
class OfferDraft:
    """What an offer is made from; empty terms are the listing's, no audience is the listing's."""

    title: str
    terms: bytes
    price: PricePlan
    audience: Audience | None
    auto_agree: bool


def open_offer(tx: Transaction, name: str) -> tuple[Offer, Listing]:
    """Return an offer that the caller's organisation may ask for.

    Raises:
        PlatformError: PERMISSION_DENIED where it may not see it; FAILED_PRECONDITION where it takes no agreements.
    """
    offer, listing = visible_offer(tx, name)
    if offer.state is not OfferState.OPEN or listing.state is not ListingState.PUBLISHED:
        metadata = {"resource": name, "state": f"{offer.state.value} in a {listing.state.value} listing"}
        raise PlatformError(Reason.FAILED_PRECONDITION, f"{name} takes no new agreements", metadata=metadata)
    return offer, listing


def visible_offer(tx: Transaction, name: str) -> tuple[Offer, Listing]:
    """Return an offer that the caller may see, with its listing.

    Raises:
        PlatformError: PERMISSION_DENIED, also where it does not exist.
    """
    org = caller_org()
    own = sees_all() or org_of(name) == org
    if not own and not (tx.may_see(name.partition("/offers/")[0], org) and tx.may_see(name, org)):
        refuse(name)
    offer = tx.offers.get(name)
    listing = tx.listings.get(offer.listing) if offer is not None else None
    if offer is None or listing is None:
        refuse(name)
    if not (sees_all() or (offer.visible_to(org) and listing.visible_to(org))):
        refuse(name)
    return offer, listing


class Offers:
    """Offers of listings."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def create(self, parent: str, offer_id: str, draft: OfferDraft) -> Shown[Offer]:
        """Make an offer for a listing."""
        ids = LISTING.parse(parent, "parent")
        name = OFFER.format(**ids, offer=check_id(offer_id, "offer_id"))
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            listing = own_listing(tx, parent)
            if tx.offers.get(name) is not None:
                raise already_exists(name)
            terms = tx.put_document(draft.terms) if draft.terms else listing.terms_sha256
            if not terms:
                raise invalid("offer.terms", "must be given, since the listing has none")
            listing.demand_terms(terms)
            _check_sample(tx, listing, draft.price)
            offer = Offer(
                name=name,
                uid=new_id(now),
                listing=parent,
                org=listing.org,
                title=draft.title,
                terms_sha256=terms,
                price=draft.price,
                audience=draft.audience or listing.audience,
                auto_agree=draft.auto_agree,
                create_us=to_us(now),
            )
            tx.offers.put(offer)
            tx.set_audience(name, offer.audience.rows(offer.org))
            call = current_call()
            move = move_by(call, signer, reason="", now=now)
            sign_step(tx, move, resource=name, sequence=1, states=("", offer.state.value, "create"))
            tx.audit(call, name, {"terms_sha256": terms}, now)
            return name

        return await self._market.mutate(work, _show)

    async def withdraw(self, name: str, reason: str) -> Shown[Offer]:
        """Take no new agreements on an offer."""
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            before = _own(tx, name)
            state = OFFER_MACHINE.move(name, before.state, "withdraw")
            after = replace(before, state=state, sequence=before.sequence + 1, withdraw_us=to_us(now))
            tx.offers.put(after)
            tx.set_audience(name, ())
            call = current_call()
            move = move_by(call, signer, reason=reason, now=now)
            states = (before.state.value, state.value, "withdraw")
            sign_step(tx, move, resource=name, sequence=after.sequence, states=states)
            tx.audit(call, name, {"to": state.value}, now)
            return name

        return await self._market.mutate(work, _show)

    async def get(self, name: str) -> Shown[Offer]:
        """Return an offer that the caller may see."""
        return await self._market.store.read(lambda tx: _shown(tx, visible_offer(tx, name)[0]))

    async def list_visible(self, parent: str, *, size: int, token: str) -> Page[Shown[Offer]]:
        """Return the offers of a listing that the caller may see."""
        limit, org = page_size(size), caller_org()
        scope = f"ListOffers/{parent}/{org}"
        after = self._market.after(scope, token)

        def fetch(tx: Transaction) -> list[Shown[Offer]]:
            listing = visible_listing(tx, parent)
            if org == listing.org or sees_all():
                found = tx.offers.find(limit=limit + 1, after=after, listing=parent)
            else:
                state = OfferState.OPEN.value
                found = tx.offers.find(limit=limit + 1, after=after, visible_to=org, listing=parent, state=state)
            return [_shown(tx, offer) for offer in found]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda shown: last_part(shown.entity.name))


def _own(tx: Transaction, name: str) -> Offer:
    OFFER.parse(name)
    offer = tx.offers.get(name)
    if offer is None:
        raise not_found(name)
    return offer


def _show(tx: Transaction, name: str) -> Shown[Offer]:
    return _shown(tx, _own(tx, name))


def _shown(tx: Transaction, offer: Offer) -> Shown[Offer]:
    steps = tuple(tx.steps(offer.name)) if caller_org() == offer.org else ()
    return Shown(offer, terms=tx.document(offer.terms_sha256), steps=steps)


def _check_sample(tx: Transaction, listing: Listing, price: PricePlan) -> None:
    if not price.release:
        return
    release = tx.releases.get(price.release)
    if release is None or release.listing != listing.name or not release.sample:
        raise invalid("offer.price.trial.release", "must be a sample release of the listing")
