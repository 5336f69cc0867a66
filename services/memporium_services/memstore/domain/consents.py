"""Consents: what a provider allows one by one, where the terms ask for that before a use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from memporium_services.memstore.domain.machine import Machine, Side


class ConsentState(StrEnum):
    """The state of a consent."""

    REQUESTED = "REQUESTED"
    GRANTED = "GRANTED"
    DENIED = "DENIED"
    WITHDRAWN = "WITHDRAWN"


_S = ConsentState
CONSENT_MACHINE: Machine[ConsentState] = Machine(
    {
        (_S.REQUESTED, "grant", Side.PROVIDER): _S.GRANTED,
        (_S.REQUESTED, "deny", Side.PROVIDER): _S.DENIED,
        (_S.REQUESTED, "withdraw", Side.CONSUMER): _S.WITHDRAWN,
        (_S.GRANTED, "withdraw", Side.PROVIDER): _S.WITHDRAWN,
        # A provider may change its mind, and a consumer may ask again.
        (_S.DENIED, "grant", Side.PROVIDER): _S.GRANTED,
        (_S.WITHDRAWN, "grant", Side.PROVIDER): _S.GRANTED,
        (_S.WITHDRAWN, "request", Side.CONSUMER): _S.REQUESTED,
        (_S.DENIED, "request", Side.CONSUMER): _S.REQUESTED,
        # Of one that has expired.
        (_S.GRANTED, "request", Side.CONSUMER): _S.REQUESTED,
    }
)


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent.

    Attributes:
        name: `orgs/{provider}/agreements/{agreement}/consents/{consent}`.
        agreement: The agreement.
        provider: Id of the provider.
        consumer: Id of the consumer.
        action: What may be done.
        purpose: For what; "": for uses without a declared purpose.
        requester: The principal that asked.
        state: The state.
        sequence: Number of its last step.
        reason: Why it is in this state.
        expire_us: When it ends; 0: with the agreement.
        create_us: When it was first asked for.
        update_us: When it was last changed.
    """

    name: str
    agreement: str
    provider: str
    consumer: str
    action: str
    purpose: str
    requester: str
    state: ConsentState = ConsentState.REQUESTED
    sequence: int = 1
    reason: str = ""
    expire_us: int = 0
    create_us: int = 0
    update_us: int = 0

    def holds(self, now_us: int) -> bool:
        """Return whether uses are possible by it."""
        return self.state is ConsentState.GRANTED and not (self.expire_us and now_us >= self.expire_us)

    def side_of(self, org: str) -> Side | None:
        """Return the side of an organisation, or None where it is no party."""
        if org == self.provider:
            return Side.PROVIDER
        return Side.CONSUMER if org == self.consumer else None


def consent_name(agreement: str, action: str, purpose: str) -> str:
    """Return the name of the consent to an action for a purpose: one for each, so that it is found without a search."""
    mark = hashlib.sha256(purpose.encode()).hexdigest()[:12]
    return f"{agreement}/consents/{action.lower().replace('_', '-')}-{mark}"
