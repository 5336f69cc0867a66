"""Holds every use of licensed memory against its agreement: reserve, then commit or release.

One use an agreement, action and user call: the use id is made of the call chain's root, so however many services work
on one call, it counts once. Agreements that are known to be dead are refused at once; all others are asked for each
time, so a revocation holds from the next use on even where the watch is late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from memporium_platform.errors import PlatformError, Reason, denied
from memporium_platform.names import org_of
from memporium_services.vault.app import content
from memporium_services.vault.ports import GrantedUse, UseAsked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow

READ, RETRIEVE, MATERIALISE_KV, DERIVE_TEXT, DERIVE_LORA, EMBED, EXPORT_BUNDLE, REDISTRIBUTE = 1, 2, 4, 5, 6, 7, 8, 9
_PLAINTEXT = 1

_REFUSALS = frozenset(
    {
        Reason.LICENCE_NOT_PERMITTED,
        Reason.LICENCE_EXPIRED,
        Reason.LICENCE_REVOKED,
        Reason.LICENCE_SUSPENDED,
        Reason.LICENCE_QUOTA_EXHAUSTED,
        Reason.RATE_LIMITED,
        Reason.PERMISSION_DENIED,
    }
)
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

    async def tell(self, call: Call, told: Mapping[str, UseAsked]) -> None:
        """Say how much is about to be given out, by agreement, where the first reservation could not.

        Raises:
            PlatformError: LICENCE_*: that much is not permitted; nothing may be given out.
        """
        for place, (use, asked) in enumerate(self.held):
            more = told.get(use.agreement)
            if more is None:
                continue
            now = more._replace(action=asked.action, form=asked.form, units_follow=False)
            if use.counted:
                await self.runtime.gate.reserve(call, now, use.use_id)
            self.held[place] = (use, now)

    async def commit(self, agreements: Iterable[str] | None = None, *, running: bool = False) -> None:
        """Count the uses of these agreements (None: all), and release the others; `running`: they go on."""
        kept = None if agreements is None else set(agreements)
        for use, asked in self.held:
            if kept is None or use.agreement in kept:
                await self.runtime.gate.commit(use, asked, running=running)
            else:
                await self._give_back(use)

    async def release(self) -> None:
        """Give all reservations back."""
        for use, _ in self.held:
            await self._give_back(use)

    async def _give_back(self, use: GrantedUse) -> None:
        try:
            await self.runtime.gate.release(use)
        except PlatformError as error:
            # Another service has made the use already, for the same call of the user: it stays counted.
            if error.reason is not Reason.FAILED_PRECONDITION:
                raise


def refuse_dead(runtime: Runtime, agreement: str) -> None:
    """Refuse an agreement that is known not to be in force.

    Raises:
        PlatformError: LICENCE_REVOKED, LICENCE_SUSPENDED, LICENCE_EXPIRED.
    """
    state = runtime.dead.get(agreement)
    # Of another platform's agreement memstore is asked: is it suspended, or is there no word from that platform?
    silent = state == "SUSPENDED" and "." in org_of(agreement)
    if state and not silent:
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


async def reserve_each(
    runtime: Runtime, call: Call, asked: Sequence[UseAsked], *, always: str
) -> tuple[Lease, dict[str, PlatformError]]:
    """Reserve one use an agreement; return the lease, and the refusals of those that do not permit it.

    Raises:
        PlatformError: LICENCE_*, of the agreement that all of it came under (`always`); and what is no refusal.
    """
    lease, refused = Lease(runtime), {}
    try:
        for one in asked:
            try:
                lease.held += (await reserve(runtime, call, [one])).held
            except PlatformError as error:
                if one.agreement == always or error.reason not in _REFUSALS:
                    raise
                refused[one.agreement] = error
    except BaseException:
        await lease.release()
        raise
    return lease, refused


def agreements_of(cube: Cube) -> list[str]:
    """Return the agreements that a cube came under."""
    return [licence.agreement for licence in cube.governance.licences]


def asked_for(
    cubes: Sequence[Cube],
    action: int,
    *,
    rows: Sequence[CubeRow] | None = None,
    always: str = "",
    form: int = 0,
    tokens: int = 0,
) -> list[UseAsked]:
    """Return the uses to ask for: one an agreement over all cubes.

    Args:
        cubes: The cubes, with their payloads unless `rows` are given.
        action: What is done with them.
        rows: Their rows, which know form and size of what was not loaded.
        always: An agreement that counts for each cube and also where there is none: the pack vault's.
        form: In which form they are used; 0: each in its own.
        tokens: Tokens that the use takes; 0: those of the cubes.
    """
    sums: dict[str, _Sum] = {always: _Sum()} if always else {}
    for place, cube in enumerate(cubes):
        own = rows[place].form if rows is not None else content.form_of(cube.payload) or _PLAINTEXT
        size = rows[place].size_bytes if rows is not None else content.size_of(cube.payload)
        part = Part(form or own, size, content.tokens_of(cube.payload, own, size))
        for agreement in {*agreements_of(cube), *([always] if always else [])}:
            sums.setdefault(agreement, _Sum()).add(part)
    return [found.asked(agreement, action, form, tokens) for agreement, found in sorted(sums.items())]


def asked_of(parts: Iterable[tuple[Iterable[str], Part]], action: int) -> dict[str, UseAsked]:
    """Return the uses of parts of cubes, by agreement; each part with the agreements that it came under."""
    sums: dict[str, _Sum] = {}
    for agreements, part in parts:
        for agreement in agreements:
            sums.setdefault(agreement, _Sum()).add(part)
    return {agreement: found.asked(agreement, action, 0, 0) for agreement, found in sums.items()}


class Part(NamedTuple):
    """What is used of one cube."""

    form: int
    size: int
    tokens: int


@dataclass
class _Sum:
    """What is used under one agreement."""

    memories: int = 0
    tokens: int = 0
    size: int = 0
    forms: set[int] = field(default_factory=set)

    def add(self, part: Part) -> None:
        """Add what is used of one more cube."""
        self.memories += 1
        self.size += part.size
        self.tokens += part.tokens
        self.forms.add(part.form)

    def asked(self, agreement: str, action: int, form: int, tokens: int) -> UseAsked:
        """Return it as one use."""
        forms = sorted(self.forms) or [form or _PLAINTEXT]
        return UseAsked(
            agreement, action, forms[0], self.memories, tokens or self.tokens, self.size, further_forms=tuple(forms[1:])
        )


def only_for_services(call: Call, action: int, resource: str) -> None:
    """Refuse payloads for another use than reading to callers who call for themselves.

    Raises:
        PlatformError: PERMISSION_DENIED.
    """
    if action != READ and not call.principal.via and call.principal.kind.value != "SERVICE":
        raise denied(call.action, resource)
