"""Subscriptions and the events that they are for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How events reach the subscriber."""

    PULL = "PULL"
    PUSH = "PUSH"


class EventKind(StrEnum):
    """What happened."""

    RELEASE_PUBLISHED = "RELEASE_PUBLISHED"
    RELEASE_REVOKED = "RELEASE_REVOKED"
    LISTING_PUBLISHED = "LISTING_PUBLISHED"
    LISTING_SUSPENDED = "LISTING_SUSPENDED"
    LISTING_DEPRECATED = "LISTING_DEPRECATED"
    LISTING_RETIRED = "LISTING_RETIRED"
    USE_MADE = "USE_MADE"
    CONSENT_REQUESTED = "CONSENT_REQUESTED"
    CONSENT_DECIDED = "CONSENT_DECIDED"


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """Something that happened.

    Attributes:
        event_id: The same at each repeat.
        kind: What.
        listing: The listing.
        org: Id of the listing's organisation.
        release: The release; "": none.
        version: Version of the release.
        tags: Tags of the listing at that time.
        text: Changelog, reason, or what happened.
        time_us: When.
        cursor: Its place in the order of all events.
        only_for: Id of the only organisation that is told; "": everybody who may see the listing.
        agreement: The agreement that it is about; "": none.
    """

    event_id: str
    kind: EventKind
    listing: str
    org: str
    release: str = ""
    version: str = ""
    tags: tuple[str, ...] = ()
    text: str = ""
    time_us: int = 0
    cursor: int = 0
    only_for: str = ""
    agreement: str = ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A standing order of one organisation.

    Attributes:
        name: `orgs/{org}/subscriptions/{subscription}`.
        uid: Unique for life.
        org: Id of the subscriber.
        listings: Only these; none: all.
        any_tags: Only with any of these tags; none: all.
        mode: How events arrive.
        vault: The pack vault that releases go into; for PUSH; "": the pack's own.
        owner: Principal that made it: deliveries are made on its behalf.
        from_beginning: Begins with the oldest event.
        create_us: When it was made.
    """

    name: str
    uid: str
    org: str
    listings: tuple[str, ...]
    any_tags: tuple[str, ...]
    mode: Mode
    vault: str
    owner: str
    from_beginning: bool
    create_us: int

    def wants(self, event: MarketEvent) -> bool:
        """Return whether an event is for its organisation and passes the filter."""
        if event.only_for not in {"", self.org}:
            return False
        if self.listings and event.listing not in self.listings:
            return False
        return not self.any_tags or bool(set(self.any_tags) & set(event.tags))


@dataclass(frozen=True, slots=True)
class Delivery:
    """A release that a push subscription is to get: waits until the scheduler has taken it."""

    uid: str
    subscription: str
    org: str
    owner: str
    vault: str
    agreement: str
    release: str
    attempts: int = 0
    next_us: int = 0
