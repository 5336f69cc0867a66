"""The lifecycle of a cube: every legal transition with its trigger; all else is refused.

Rules:
    1. A transition is legal if and only if `TABLE` has it.
    2. FROZEN is a flag over any state. A frozen cube can be read (`USE` leaves it as it is) and unfrozen, nothing else.
    3. EXPIRED can be restored until it is purged; nothing else reads or changes it.
    4. A legal hold forbids `PURGE` and `FORGET` in every state, and says so before the state does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(IntEnum):
    """State of a cube; the numbers are those of `memporium.cube.v1.CubeState`."""

    GENERATED = 1
    ACTIVATED = 2
    MERGED = 3
    ARCHIVED = 4
    EXPIRED = 5
    # Gone: no row has it; the end of the table.
    PURGED = 99


class Trigger(StrEnum):
    """What makes a cube change its state."""

    USE = "use"
    ACTIVATE = "activate"
    UPDATE = "update"
    ROLLBACK = "rollback"
    ARCHIVE = "archive"
    ABSORB = "absorb"
    EXPIRE = "expire"
    RESTORE = "restore"
    PURGE = "purge"
    FORGET = "forget"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"


_LIVE = (State.GENERATED, State.ACTIVATED, State.MERGED)

TABLE: Mapping[tuple[State, Trigger], State] = {
    **{(state, Trigger.USE): State.ACTIVATED for state in (*_LIVE, State.ARCHIVED)},
    **{(state, Trigger.ACTIVATE): State.ACTIVATED for state in (State.GENERATED, State.MERGED, State.ARCHIVED)},
    **{(state, Trigger.UPDATE): state for state in _LIVE},
    **{(state, Trigger.ROLLBACK): state for state in _LIVE},
    **{(state, Trigger.ARCHIVE): State.ARCHIVED for state in _LIVE},
    **{(state, Trigger.ABSORB): State.ARCHIVED for state in (*_LIVE, State.ARCHIVED)},
    **{(state, Trigger.EXPIRE): State.EXPIRED for state in (*_LIVE, State.ARCHIVED)},
    (State.EXPIRED, Trigger.RESTORE): State.ACTIVATED,
    (State.EXPIRED, Trigger.PURGE): State.PURGED,
    **{(state, Trigger.FORGET): State.PURGED for state in (*_LIVE, State.ARCHIVED, State.EXPIRED)},
    **{(state, Trigger.FREEZE): state for state in (*_LIVE, State.ARCHIVED, State.EXPIRED)},
}

_REMOVALS = frozenset({Trigger.PURGE, Trigger.FORGET})


@dataclass(frozen=True, slots=True)
class Condition:
    """Where a cube stands in its lifecycle."""

    state: State
    frozen: bool = False
    legal_hold: bool = False


def step(condition: Condition, trigger: Trigger, *, resource: str = "") -> Condition:
    """Return the condition after a trigger.

    Args:
        condition: Where the cube stands.
        trigger: What happens to it.
        resource: Name of the cube, for the error.

    Raises:
        PlatformError: LEGAL_HOLD, CUBE_FROZEN or ILLEGAL_TRANSITION.
    """
    state = condition.state
    if condition.legal_hold and trigger in _REMOVALS:
        raise PlatformError(Reason.LEGAL_HOLD, f"{resource} is under legal hold", metadata={"resource": resource})
    if condition.frozen:
        if trigger is Trigger.UNFREEZE:
            return replace(condition, frozen=False)
        if trigger is Trigger.USE and (state, trigger) in TABLE:
            return condition
        raise PlatformError(Reason.CUBE_FROZEN, f"{resource} is frozen", metadata={"resource": resource})
    target = TABLE.get((state, trigger))
    if target is None:
        raise PlatformError(
            Reason.ILLEGAL_TRANSITION,
            f"{resource} is {state.name}: {trigger.value} is not possible",
            metadata={"resource": resource, "state": state.name, "trigger": trigger.value},
        )
    return Condition(target, trigger is Trigger.FREEZE, condition.legal_hold)


def searchable(condition: Condition) -> bool:
    """Return whether the units of such a cube stand in the search index."""
    return condition.state in _LIVE
