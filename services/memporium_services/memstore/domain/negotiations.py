"""Negotiations: the seven states of the Dataspace Protocol 2025-1, compare-and-set on state and sequence.

A step names the sequence that its sender has seen; another one in between refuses it, so a lost, doubled or late
message never moves a negotiation that its sender does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from memporium_platform.errors import PlatformError, Reason
from memporium_services.memstore.domain.machine import Machine, Side
from memporium_services.memstore.domain.prices import PricePlan  # noqa: TC001 - rows are read by these types


class NegotiationState(StrEnum):
    """The state of the talks."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


_S = NegotiationState
ENDED = frozenset({_S.FINALIZED, _S.TERMINATED})
NEGOTIATION_MACHINE: Machine[NegotiationState] = Machine(
    {
        (_S.REQUESTED, "counter", Side.PROVIDER): _S.OFFERED,
        (_S.OFFERED, "counter", Side.CONSUMER): _S.REQUESTED,
        (_S.OFFERED, "accept", Side.CONSUMER): _S.ACCEPTED,
        (_S.REQUESTED, "agree", Side.PROVIDER): _S.AGREED,
        (_S.ACCEPTED, "agree", Side.PROVIDER): _S.AGREED,
        (_S.AGREED, "verify", Side.CONSUMER): _S.VERIFIED,
        (_S.VERIFIED, "finalize", Side.PROVIDER): _S.FINALIZED,
        **{
            (state, "terminate", side): _S.TERMINATED
            for state in _S
            if state not in ENDED
            for side in (Side.PROVIDER, Side.CONSUMER)
        },
    }
)


@dataclass(frozen=True, slots=True)
class Signature:
    """One organisation's signature under the document; `value` is hexadecimal."""

    organisation: str
    key_id: str
    value: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Negotiation:
    """Talks between two organisations about one offer.

    Attributes:
        name: `orgs/{provider}/negotiations/{negotiation}`.
        provider: Id of the provider.
        consumer: Id of the consumer.
        listing: The listing.
        offer: The offer that it began with.
        state: The state.
        sequence: Number of steps so far.
        terms_sha256: Digest of the terms on the table.
        price: The price on the table.
        automatic: The offer agrees by itself, and its terms are unchanged.
        document_sha256: Digest of what is to be signed; "": nothing yet.
        signatures: The signatures under it.
        agreement: Name of the agreement, given at AGREED, in force from FINALIZED on.
        renews: The agreement that the new one takes the place of; "": none.
        create_us: When it began.
        update_us: When it last moved.
    """

    name: str
    provider: str
    consumer: str
    listing: str
    offer: str
    terms_sha256: str
    price: PricePlan
    state: NegotiationState = NegotiationState.REQUESTED
    sequence: int = 1
    automatic: bool = False
    document_sha256: str = ""
    signatures: tuple[Signature, ...] = ()
    agreement: str = ""
    renews: str = ""
    create_us: int = 0
    update_us: int = 0

    def side_of(self, org: str) -> Side | None:
        """Return the side of an organisation, or None where it is no party."""
        if org == self.provider:
            return Side.PROVIDER
        return Side.CONSUMER if org == self.consumer else None


def step(negotiation: Negotiation, trigger: str, *, side: Side, sequence: int, now_us: int) -> Negotiation:
    """Return the negotiation after one step.

    Raises:
        PlatformError: CONFLICT, where `sequence` is not the present one; ILLEGAL_TRANSITION.
    """
    if sequence != negotiation.sequence:
        raise PlatformError(
            Reason.CONFLICT,
            f"{negotiation.name} has moved to step {negotiation.sequence} ({negotiation.state.value}); read it again",
            metadata={"resource": negotiation.name},
        )
    state = NEGOTIATION_MACHINE.move(negotiation.name, negotiation.state, trigger, side)
    return replace(negotiation, state=state, sequence=sequence + 1, update_us=now_us)
