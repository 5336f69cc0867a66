"""The lifecycle, every state by every trigger, against a table written by hand."""

from __future__ import annotations

from itertools import product

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.domain.lifecycle import Condition, State, Trigger, searchable, step

# Columns: GENERATED, ACTIVATED, MERGED, ARCHIVED, EXPIRED; a letter is the state after, "-" is refused.
_STATES = {
    "G": State.GENERATED,
    "A": State.ACTIVATED,
    "M": State.MERGED,
    "R": State.ARCHIVED,
    "E": State.EXPIRED,
    "P": State.PURGED,
}
_EXPECTED = {
    Trigger.USE: "AAAA-",
    Trigger.ACTIVATE: "A-AA-",
    Trigger.UPDATE: "GAM--",
    Trigger.ROLLBACK: "GAM--",
    Trigger.ARCHIVE: "RRR--",
    Trigger.ABSORB: "RRRR-",
    Trigger.EXPIRE: "EEEE-",
    Trigger.RESTORE: "----A",
    Trigger.PURGE: "----P",
    Trigger.FORGET: "PPPPP",
    Trigger.FREEZE: "GAMRE",
    Trigger.UNFREEZE: "-----",
}
_FROM = (State.GENERATED, State.ACTIVATED, State.MERGED, State.ARCHIVED, State.EXPIRED)


def _refusal(condition: Condition, trigger: Trigger) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        step(condition, trigger, resource="orgs/o/vaults/v/cubes/c")
    return refused.value


def test_the_table_speaks_of_every_trigger() -> None:
    assert set(_EXPECTED) == set(Trigger)


@pytest.mark.parametrize(("trigger", "place"), product(Trigger, range(len(_FROM))))
def test_a_transition_is_legal_where_the_table_says_so(trigger: Trigger, place: int) -> None:
    before, letter = Condition(_FROM[place]), _EXPECTED[trigger][place]
    if letter == "-":
        error = _refusal(before, trigger)
        assert error.reason is Reason.ILLEGAL_TRANSITION
        assert error.metadata["state"] == before.state.name
        assert error.metadata["trigger"] == trigger.value
    else:
        after = step(before, trigger)
        assert after == Condition(_STATES[letter], frozen=trigger is Trigger.FREEZE)


@pytest.mark.parametrize("trigger", Trigger)
def test_nothing_happens_to_what_is_purged(trigger: Trigger) -> None:
    assert _refusal(Condition(State.PURGED), trigger).reason is Reason.ILLEGAL_TRANSITION


@pytest.mark.parametrize(("state", "trigger"), product(_FROM, Trigger))
def test_a_frozen_cube_is_read_and_unfrozen_and_nothing_else(state: State, trigger: Trigger) -> None:
    frozen = Condition(state, frozen=True)
    if trigger is Trigger.UNFREEZE:
        assert step(frozen, trigger) == Condition(state)
    elif trigger is Trigger.USE and state is not State.EXPIRED:
        assert step(frozen, trigger) == frozen
    else:
        assert _refusal(frozen, trigger).reason is Reason.CUBE_FROZEN


@pytest.mark.parametrize(("state", "trigger", "frozen"), product(_FROM, Trigger, (False, True)))
def test_a_legal_hold_forbids_removal_before_all_else_and_stays(state: State, trigger: Trigger, frozen: bool) -> None:
    held = Condition(state, frozen=frozen, legal_hold=True)
    if trigger in {Trigger.PURGE, Trigger.FORGET}:
        assert _refusal(held, trigger).reason is Reason.LEGAL_HOLD
        return
    try:
        expected = step(Condition(state, frozen=frozen), trigger)
    except PlatformError as error:
        assert _refusal(held, trigger).reason is error.reason
    else:
        assert step(held, trigger) == Condition(expected.state, expected.frozen, legal_hold=True)


def test_only_live_cubes_are_in_the_search_index() -> None:
    assert [state for state in State if searchable(Condition(state))] == [
        State.GENERATED,
        State.ACTIVATED,
        State.MERGED,
    ]
