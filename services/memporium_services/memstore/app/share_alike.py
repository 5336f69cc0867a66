"""Share alike: what is made of a memory is passed on under the memory's own terms, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.licence.terms import Action, DutyKind

if TYPE_CHECKING:
    from memporium_platform.licence.terms import Terms
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.listings import Listing
    from memporium_services.memstore.ports import Transaction


def demand_same_terms(agreement: Agreement, terms: Terms, action: Action, onward_terms: str) -> None:
    """Refuse to pass something on under other terms than it came under.

    Raises:
        PlatformError: LICENCE_NOT_PERMITTED.
    """
    if action is not Action.REDISTRIBUTE or not terms.has_duty(DutyKind.SHARE_ALIKE):
        return
    if onward_terms == agreement.terms_sha256:
        return
    text = f"the licence allows passing it on under the same terms only: those with the digest {agreement.terms_sha256}"
    metadata = {"agreement": agreement.name, "action": action.value, "term": "share_alike"}
    raise PlatformError(Reason.LICENCE_NOT_PERMITTED, text, metadata=metadata)


def bind_listing(tx: Transaction, agreement: Agreement, terms: Terms, action: str, listing_name: str) -> None:
    """Let a listing be had under an agreement's terms alone, once something shared alike was sealed for it."""
    listing = tx.listings.get(listing_name) if listing_name else None
    if listing is None or action != Action.REDISTRIBUTE.value or not terms.has_duty(DutyKind.SHARE_ALIKE):
        return
    listing.demand_terms(agreement.terms_sha256)
    tx.listings.put(replace(listing, bound_terms=agreement.terms_sha256, revision=listing.revision + 1))


def bound_listing(tx: Transaction, listing_name: str, terms_sha256: str) -> Listing | None:
    """Return a listing, if an agreement on it may have these terms.

    Raises:
        PlatformError: LICENCE_NOT_PERMITTED.
    """
    listing = tx.listings.get(listing_name)
    if listing is not None:
        listing.demand_terms(terms_sha256)
    return listing
