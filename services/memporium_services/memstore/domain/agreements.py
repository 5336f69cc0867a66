"""Agreements: what binds two organisations, and when it no longer does.

Beside the transitions of `design` (ACTIVE <> SUSPENDED, ACTIVE to every end) a suspended agreement ends too: its time
runs out, and both parties may end it without putting it back in force first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.licence.evaluate import ends_at
from memporium_services.memstore.domain.machine import Machine, Side
from memporium_services.memstore.domain.negotiations import Signature  # noqa: TC001 - rows are read by these types
from memporium_services.memstore.domain.prices import PlanKind, PricePlan

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_platform.licence.terms import Terms


class AgreementState(StrEnum):
    """The state of an agreement."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RENEWED = "RENEWED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    BREACHED = "BREACHED"
    CANCELLED = "CANCELLED"


_S = AgreementState
_LIVING = (_S.ACTIVE, _S.SUSPENDED)
AGREEMENT_MACHINE: Machine[AgreementState] = Machine(
    {
        (_S.ACTIVE, "suspend", Side.PROVIDER): _S.SUSPENDED,
        (_S.SUSPENDED, "resume", Side.PROVIDER): _S.ACTIVE,
        (_S.ACTIVE, "renew", Side.PLATFORM): _S.RENEWED,
        **{(state, "expire", Side.PLATFORM): _S.EXPIRED for state in _LIVING},
        **{(state, "revoke", Side.PROVIDER): _S.REVOKED for state in _LIVING},
        **{(state, "breach", Side.PROVIDER): _S.BREACHED for state in _LIVING},
        **{(state, "cancel", Side.CONSUMER): _S.CANCELLED for state in _LIVING},
    }
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """A contract between two organisations on one listing.

    Attributes:
        name: `orgs/{provider}/agreements/{agreement}`.
        provider: Id of the provider.
        consumer: Id of the consumer.
        listing: The listing.
        offer: The offer.
        negotiation: The negotiation that led to it.
        release: The only release that it covers; "": all.
        terms_sha256: Digest of the agreed terms.
        price: The agreed price.
        document_sha256: Digest of what both signed.
        signatures: Their signatures.
        attribution: Text to show; "": none asked for.
        delete_on_expiry: Every copy is deleted when it has ended.
        state: The state.
        sequence: Number of its last step.
        reason: Why it is in this state.
        revision: Revision of the entitlements at its last change.
        activate_us: When it came into force.
        expire_us: When it ends by its terms; 0: never.
        renews: The agreement that it took the place of; "": none.
        renewed_by: The agreement that took its place; "": none.
        update_us: When it was last changed.
    """

    name: str
    provider: str
    consumer: str
    listing: str
    offer: str
    negotiation: str
    release: str
    terms_sha256: str
    price: PricePlan
    document_sha256: str
    signatures: tuple[Signature, ...]
    attribution: str
    delete_on_expiry: bool
    state: AgreementState = AgreementState.ACTIVE
    sequence: int = 1
    reason: str = ""
    revision: int = 0
    activate_us: int = 0
    expire_us: int = 0
    renews: str = ""
    renewed_by: str = ""
    update_us: int = 0

    @property
    def etag(self) -> str:
        """Changes with each change of state."""
        return f'"{self.sequence}"'

    def side_of(self, org: str) -> Side | None:
        """Return the side of an organisation, or None where it is no party."""
        if org == self.provider:
            return Side.PROVIDER
        return Side.CONSUMER if org == self.consumer else None


def end_of(terms: Terms, price: PricePlan, activated: datetime) -> datetime | None:
    """Return when an agreement ends by its terms: when its last permission does, at the latest with its trial."""
    ends = [ends_at(rule.window, activated) for rule in terms.rules.values()]
    known = [end for end in ends if end is not None]
    last = max(known) if known and len(known) == len(ends) else None
    if price.kind is not PlanKind.TRIAL:
        return last
    trial = datetime_after(activated, price.duration_s)
    return trial if last is None else min(last, trial)


def datetime_after(start: datetime, seconds: int) -> datetime:
    """Return the time so many seconds later."""
    return type(start).fromtimestamp(start.timestamp() + seconds, start.tzinfo)


def require_usable(agreement: Agreement, now_us: int, expire_text: str = "") -> None:
    """Refuse uses of an agreement that is not in force.

    Raises:
        PlatformError: LICENCE_SUSPENDED, LICENCE_EXPIRED, LICENCE_REVOKED.
    """
    name, state = agreement.name, agreement.state
    if state is AgreementState.SUSPENDED:
        raise PlatformError(
            Reason.LICENCE_SUSPENDED, f"the agreement is suspended: {name}", metadata={"agreement": name}
        )
    if state is AgreementState.EXPIRED or (agreement.expire_us and now_us >= agreement.expire_us):
        metadata = {"agreement": name, "expire_time": expire_text}
        raise PlatformError(Reason.LICENCE_EXPIRED, f"the agreement has expired: {name}", metadata=metadata)
    if state is not AgreementState.ACTIVE:
        metadata = {"agreement": name, "state": state.value}
        raise PlatformError(
            Reason.LICENCE_REVOKED, f"the agreement is {state.value.lower()}: {name}", metadata=metadata
        )
