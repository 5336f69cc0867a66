"""Listings: what stands in the catalogue, and its states."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.memstore.domain.audience import Audience  # noqa: TC001 - rows are read by these types
from memporium_services.memstore.domain.machine import Machine, Side
from memporium_services.memstore.domain.tracing import Tracing  # noqa: TC001 - rows are read by these types

_MAX_TITLE = 200
_MAX_DESCRIPTION = 20_000
_MAX_TAGS = 64
_MAX_TAG = 64


class ListingState(StrEnum):
    """The state in the marketplace."""

    DRAFT = "DRAFT"
    IN_REVIEW = "IN_REVIEW"
    PUBLISHED = "PUBLISHED"
    SUSPENDED = "SUSPENDED"
    DEPRECATED = "DEPRECATED"
    RETIRED = "RETIRED"


_S = ListingState
LISTING_MACHINE: Machine[ListingState] = Machine(
    {
        (_S.DRAFT, "submit", Side.PROVIDER): _S.IN_REVIEW,
        (_S.IN_REVIEW, "publish", Side.PROVIDER): _S.PUBLISHED,
        (_S.PUBLISHED, "suspend", Side.PROVIDER): _S.SUSPENDED,
        (_S.SUSPENDED, "resume", Side.PROVIDER): _S.PUBLISHED,
        (_S.PUBLISHED, "deprecate", Side.PROVIDER): _S.DEPRECATED,
        (_S.SUSPENDED, "deprecate", Side.PROVIDER): _S.DEPRECATED,
        (_S.DEPRECATED, "retire", Side.PROVIDER): _S.RETIRED,
    }
)

# States in which others than its own organisation may look at it.
VISIBLE = frozenset({_S.PUBLISHED, _S.DEPRECATED})


@dataclass(frozen=True, slots=True)
class Listing:
    """A memory pack in the catalogue.

    Attributes:
        name: `orgs/{org}/listings/{listing}`.
        uid: Unique for life.
        org: Id of its organisation.
        title: What people read.
        description: What is in it.
        tags: Free labels, lower case.
        audience: Who may see it.
        terms_sha256: Digest of its default terms; "": none.
        state: The state.
        sequence: Number of changes so far.
        latest_release: Newest release that may be had; "": none.
        last_number: Highest number given to a release.
        create_us: When it was made.
        update_us: When it was last changed.
        publish_us: When it last came into the catalogue.
        bound_terms: Digest of the terms under which alone it may be had, since it holds what was made of memory that is
            shared alike; "": any.
        tracing: How a leaked copy of its newest release is traced; None: not known.
    """

    name: str
    uid: str
    org: str
    title: str
    description: str
    tags: tuple[str, ...]
    audience: Audience
    terms_sha256: str
    state: ListingState = ListingState.DRAFT
    sequence: int = 1
    latest_release: str = ""
    last_number: int = 0
    create_us: int = 0
    update_us: int = 0
    publish_us: int = 0
    revision: int = field(default=1)
    bound_terms: str = ""
    tracing: Tracing | None = None

    @property
    def etag(self) -> str:
        """Changes with each change."""
        return f'"{self.revision}"'

    def visible_to(self, org: str) -> bool:
        """Return whether an organisation may look at it."""
        return org == self.org or (self.state in VISIBLE and self.audience.includes(org, self.org))

    def seen_by(self) -> tuple[str, ...]:
        """Return the ids of the organisations that may look at it now, its own aside; `*` for all."""
        return self.audience.rows(self.org) if self.state in VISIBLE else ()

    def demand_terms(self, terms_sha256: str) -> None:
        """Refuse terms that share-alike does not allow.

        Raises:
            PlatformError: LICENCE_NOT_PERMITTED.
        """
        if self.bound_terms and terms_sha256 != self.bound_terms:
            text = f"{self.name} holds memory that may be passed on under the terms {self.bound_terms} only"
            metadata = {"resource": self.name, "action": "REDISTRIBUTE", "term": "share_alike"}
            raise PlatformError(Reason.LICENCE_NOT_PERMITTED, text, metadata=metadata)

    @property
    def search_text(self) -> str:
        """What words are looked for in."""
        return "\n".join([self.title, " ".join(self.tags), self.description]).casefold()


def check_texts(title: str, description: str, tags: tuple[str, ...]) -> None:
    """Refuse texts that are not fit for the catalogue.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if not 0 < len(title) <= _MAX_TITLE:
        raise invalid("listing.title", f"must have 1 to {_MAX_TITLE} characters")
    if len(description) > _MAX_DESCRIPTION:
        raise invalid("listing.description", f"must have at most {_MAX_DESCRIPTION} characters")
    if len(tags) > _MAX_TAGS or any(not 0 < len(tag) <= _MAX_TAG or tag != tag.lower() for tag in tags):
        raise invalid("listing.tags", f"must be at most {_MAX_TAGS} labels of 1 to {_MAX_TAG} lower-case characters")
