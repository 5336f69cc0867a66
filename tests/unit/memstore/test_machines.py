"""Random walks over the state machines, checked against the design's own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError
from memporium_services.memstore.domain.agreements import AGREEMENT_MACHINE, AgreementState
from memporium_services.memstore.domain.listings import LISTING_MACHINE, ListingState
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import NEGOTIATION_MACHINE, NegotiationState
from memporium_services.memstore.domain.releases import RELEASE_MACHINE, ReleaseState
from memporium_services.memstore.domain.seats import SEAT_MACHINE, SeatState
from memporium_services.memstore.domain.voids import STATEMENT_MACHINE, StatementState

# Written down here a second time, from the design: state -> states that may follow.
FOLLOWS = {
    ListingState: {
        "DRAFT": {"IN_REVIEW"},
        "IN_REVIEW": {"PUBLISHED"},
        "PUBLISHED": {"SUSPENDED", "DEPRECATED"},
        "SUSPENDED": {"PUBLISHED", "DEPRECATED"},
        "DEPRECATED": {"RETIRED"},
        "RETIRED": set(),
    },
    ReleaseState: {
        "SEALING": {"PUBLISHED", "FAILED"},
        "PUBLISHED": {"REVOKED"},
        "REVOKED": set(),
        "FAILED": set(),
    },
    NegotiationState: {
        "REQUESTED": {"OFFERED", "AGREED", "TERMINATED"},
        "OFFERED": {"REQUESTED", "ACCEPTED", "TERMINATED"},
        "ACCEPTED": {"AGREED", "TERMINATED"},
        "AGREED": {"VERIFIED", "TERMINATED"},
        "VERIFIED": {"FINALIZED", "TERMINATED"},
        "FINALIZED": set(),
        "TERMINATED": set(),
    },
    AgreementState: {
        "ACTIVE": {"SUSPENDED", "RENEWED", "EXPIRED", "REVOKED", "BREACHED", "CANCELLED"},
        "SUSPENDED": {"ACTIVE", "EXPIRED", "REVOKED", "BREACHED", "CANCELLED"},
        **{state: set() for state in ("RENEWED", "EXPIRED", "REVOKED", "BREACHED", "CANCELLED")},
    },
    StatementState: {
        "ISSUED": {"SETTLED", "REFUSED"},
        "REFUSED": {"SETTLED", "VOIDED"},
        "SETTLED": set(),
        "VOIDED": set(),
    },
    SeatState: {"TAKEN": {"GIVEN_BACK"}, "GIVEN_BACK": {"TAKEN"}},
}
MACHINES = {
    ListingState: (LISTING_MACHINE, ListingState.DRAFT),
    ReleaseState: (RELEASE_MACHINE, ReleaseState.SEALING),
    NegotiationState: (NEGOTIATION_MACHINE, NegotiationState.REQUESTED),
    AgreementState: (AGREEMENT_MACHINE, AgreementState.ACTIVE),
    StatementState: (STATEMENT_MACHINE, StatementState.ISSUED),
    SeatState: (SEAT_MACHINE, SeatState.TAKEN),
}
TRIGGERS = sorted({trigger for machine, _ in MACHINES.values() for _state, trigger, _side in machine.table})


@pytest.mark.parametrize("states", MACHINES)
def test_the_table_allows_what_the_design_says_and_nothing_else(states):
    machine, _ = MACHINES[states]
    reached = {state.value: set() for state in states}
    for (state, _trigger, _side), target in machine.table.items():
        reached[state.value].add(target.value)
    assert reached == FOLLOWS[states]


@pytest.mark.parametrize("states", MACHINES)
@given(walk=st.lists(st.tuples(st.sampled_from(TRIGGERS), st.sampled_from(Side)), max_size=20))
def test_random_walks_never_leave_the_table(states, walk):
    machine, state = MACHINES[states]
    for trigger, side in walk:
        try:
            after = machine.move("orgs/a/x/y", state, trigger, side)
        except PlatformError as error:
            assert error.reason == "ILLEGAL_TRANSITION"
            assert error.metadata == {"resource": "orgs/a/x/y", "state": state.value, "trigger": trigger}
            continue
        assert after.value in FOLLOWS[states][state.value]
        state = after


def test_only_the_right_side_may_end_or_sign():
    sides = {}
    for _state, trigger, side in AGREEMENT_MACHINE.table:
        sides.setdefault(trigger, set()).add(side)
    assert sides == {
        "suspend": {Side.PROVIDER},
        "resume": {Side.PROVIDER},
        "revoke": {Side.PROVIDER},
        "breach": {Side.PROVIDER},
        "cancel": {Side.CONSUMER},
        "expire": {Side.PLATFORM},
        "renew": {Side.PLATFORM},
    }
    for _state, trigger, side in NEGOTIATION_MACHINE.table:
        if trigger in {"accept", "verify"}:
            assert side is Side.CONSUMER
        if trigger in {"agree", "finalize"}:
            assert side is Side.PROVIDER
