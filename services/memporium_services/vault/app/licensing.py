"""Holds every use of licensed memory against its agreement: reserve, then commit or release.

One use an agreement, action and user call: the use id is made of the call chain's root, so however many services work
on one call, it counts once. Agreements that are known to be dead are refused at once; all others are asked for each
time, so a revocation holds from the next use on even where the watch is late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, denied
from memporium_services.vault.app.content import form_of
from memporium_services.vault.ports import GrantedUse, UseAsked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.runtime import Runtime

READ, RETRIEVE, EXPORT_BUNDLE, REDISTRIBUTE = 1, 2, 8, 9

_REASONS = {"SUSPENDED": Reason.LICENCE_SUSPENDED, "EXPIRED": Reason.LICENCE_EXPIRED}


@dataclass
class Lease:
    """Uses that are reserved; committed where content was returned, released where not."""

    runtime: Runtime
    held: list[tuple[GrantedUse, UseAsked]] = field(default_factory=list)

    @property
    def uses(self) -> list[GrantedUse]:
        """The permissions, one an agreement."""
        return [use for use, _ in self.held]

    async def commit(self, agreements: Iterable[str] | None = None) -> None:
        """Count the uses of these agreements (None: all), and release the others."""
        kept = None if agreements is None else set(agreements)
        for use, asked in self.held:
            if kept is None or use.agreement in kept:
                await self.runtime.gate.commit(use, asked)
            else:
                await self.runtime.gate.release(use)

    async def release(self) -> None:
        """Give all reservations back."""
        for use, _ in self.held:
            await self.runtime.gate.release(use)


def refuse_dead(runtime: Runtime, agreement: str) -> None:
    """Refuse an agreement that is known not to be in force.

    Raises:
        PlatformError: LICENCE_REVOKED, LICENCE_SUSPENDED, LICENCE_EXPIRED.
    """
    state = runtime.dead.get(agreement)
    if state:
        raise PlatformError(
            _REASONS.get(state, Reason.LICENCE_REVOKED),
            f"{agreement} is {state}",
            metadata={"agreement": agreement, "state": state},
        )


async def reserve(runtime: Runtime, call: Call, asked: Sequence[UseAsked]) -> Lease:
    """Reserve one use an agreement; all or none.

    Raises:
        PlatformError: LICENCE_*: the first refusal.
    """
    lease = Lease(runtime)
    root = call.root_id or call.decision_id or runtime.new_id()
    try:
        for one in asked:
            refuse_dead(runtime, one.agreement)
            use_id = f"{root}:{one.agreement}:{one.action}"
            lease.held.append((await runtime.gate.reserve(call, one, use_id), one))
    except BaseException:
        await lease.release()
        raise
    return lease


def agreements_of(cube: Cube) -> list[str]:
    """Return the agreements that a cube came under."""
    return [licence.agreement for licence in cube.governance.licences]


def asked_for(
    cubes: Sequence[Cube], action: int, *, always: str = "", form: int = 0, tokens: int = 0
) -> list[UseAsked]:
    """Return the uses to ask for: one an agreement over all cubes; `always` also where there are none."""
    counts: dict[str, list[int]] = {always: [0, 0, 0]} if always else {}
    for cube in cubes:
        for agreement in agreements_of(cube):
            entry = counts.setdefault(agreement, [0, 0, 0])
            entry[0] += 1
            entry[1] += cube.ByteSize()
            entry[2] = entry[2] or _form(cube)
    return [
        UseAsked(agreement, action, form or first or 1, memories, tokens, size)
        for agreement, (memories, size, first) in sorted(counts.items())
    ]


def only_for_services(call: Call, action: int, resource: str) -> None:
    """Refuse payloads for another use than reading to callers who call for themselves.

    Raises:
        PlatformError: PERMISSION_DENIED.
    """
    if action != READ and not call.principal.via and call.principal.kind.value != "SERVICE":
        raise denied(call.action, resource)


def _form(cube: Cube) -> int:
    return form_of(cube.payload)
