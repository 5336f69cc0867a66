"""The state of a cube at an earlier version: its changes played again through the lifecycle's table.

Rules:
    1. The first change decides where it begins: `merge` MERGED, all else GENERATED.
    2. A change that is a trigger of the lifecycle moves it as the table says; one that is not leaves it.
    3. Use alone makes no version, so GENERATED stands where the cube was only read since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.vault.domain.lifecycle import TABLE, Condition, State, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRIGGERS = {trigger.value: trigger for trigger in Trigger}


def condition_after(changes: Sequence[str]) -> Condition:
    """Return where a cube stood after these changes, the first of which made it."""
    state, frozen = State.MERGED if changes[:1] == ["merge"] else State.GENERATED, False
    for change in changes[1:]:
        trigger = _TRIGGERS.get(change)
        if trigger is Trigger.FREEZE or trigger is Trigger.UNFREEZE:
            frozen = trigger is Trigger.FREEZE
        elif trigger is not None:
            state = TABLE.get((state, trigger), state)
    return Condition(state, frozen)
