"""State machines as tables: from a state, by a trigger, for a side, to a state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S", bound=StrEnum)


class Side(StrEnum):
    """For whom a step is made."""

    PROVIDER = "PROVIDER"
    CONSUMER = "CONSUMER"
    # The platform's own timer.
    PLATFORM = "PLATFORM"


@dataclass(frozen=True, slots=True)
class Machine(Generic[S]):
    """One table; what it does not hold is refused."""

    table: Mapping[tuple[S, str, Side], S]

    def move(self, resource: str, state: S, trigger: str, side: Side = Side.PROVIDER) -> S:
        """Return the state after the step.

        Raises:
            PlatformError: ILLEGAL_TRANSITION, where the table has no such step for that side.
        """
        target = self.table.get((state, trigger, side))
        if target is None:
            raise PlatformError(
                Reason.ILLEGAL_TRANSITION,
                f"{resource} is {state.value}: {trigger} is not possible",
                metadata={"resource": resource, "state": state.value, "trigger": trigger},
            )
        return target


@dataclass(frozen=True, slots=True)
class Transition:
    """One step that was made, signed by the organisation that made it.

    Attributes:
        resource: What was moved.
        sequence: Number of the step of that resource, from 1.
        from_state: State before; "": made by this step.
        to_state: State after.
        trigger: What moved it.
        actor: The principal.
        organisation: `orgs/{org}` that it acted for; "": the platform.
        reason: Why.
        time_us: When.
        statement: The signed bytes, JSON.
        signature: Ed25519 over the DSSE encoding of the statement.
        key_id: Id of the key.
    """

    resource: str
    sequence: int
    from_state: str
    to_state: str
    trigger: str
    actor: str
    organisation: str
    reason: str
    time_us: int
    statement: bytes = b""
    signature: bytes = b""
    key_id: str = ""
