"""Offers: terms and a price; only their state ever changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from memporium_services.memstore.domain.audience import Audience  # noqa: TC001 - rows are read by these types
from memporium_services.memstore.domain.machine import Machine, Side
from memporium_services.memstore.domain.prices import PricePlan  # noqa: TC001 - rows are read by these types


class OfferState(StrEnum):
    """The state of an offer."""

    OPEN = "OPEN"
    WITHDRAWN = "WITHDRAWN"


OFFER_MACHINE: Machine[OfferState] = Machine({(OfferState.OPEN, "withdraw", Side.PROVIDER): OfferState.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class Offer:
    """Terms and price under which a listing may be used.

    Attributes:
        name: `orgs/{org}/listings/{listing}/offers/{offer}`.
        uid: Unique for life.
        listing: The listing.
        org: Id of its organisation.
        title: What people read.
        terms_sha256: Digest of the terms.
        price: The price.
        audience: Who may see it, within the listing's audience.
        auto_agree: Agrees to unchanged terms by itself.
        state: The state.
        sequence: Number of its last step.
        create_us: When it was made.
        withdraw_us: When it was withdrawn; 0: not.
    """

    name: str
    uid: str
    listing: str
    org: str
    title: str
    terms_sha256: str
    price: PricePlan
    audience: Audience
    auto_agree: bool = False
    state: OfferState = OfferState.OPEN
    sequence: int = 1
    create_us: int = 0
    withdraw_us: int = 0

    def visible_to(self, org: str) -> bool:
        """Return whether an organisation may look at it, as far as the offer itself says."""
        return org == self.org or (self.state is OfferState.OPEN and self.audience.includes(org, self.org))
