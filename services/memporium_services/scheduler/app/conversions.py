"""Planning, carrying out and undoing the moves of memory between text, KV and LoRA."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.scheduler.domain.conversions import CONVERTED, Plan, Target, conversions
from memporium_services.scheduler.domain.jobs import PASSING
from memporium_services.scheduler.domain.rules import rules_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.clock import Clock
    from memporium_services.scheduler.domain.conversions import Proposal, Rules
    from memporium_services.scheduler.domain.jobs import Job
    from memporium_services.scheduler.ports import Report, Services
    from memporium_services.scheduler.ports_moves import Moves

# Cubes that one plan looks at.
_PLAN_CUBES = 10_000
_log = structlog.get_logger(__name__)


class Conversions:
    """The use cases."""

    def __init__(self, moves: Moves, services: Services, *, clock: Clock) -> None:
        """Plan and undo by `moves`; build and train by `services`."""
        self._moves, self._services, self._clock = moves, services, clock

    async def plan(self, vault: str, rules: Rules) -> tuple[Plan, bool]:
        """Return the moves of a vault, and whether it has more cubes than were looked at; counts no use.

        Raises:
            PlatformError: The vault's refusal.
        """
        memories, truncated = await self._moves.memories(vault, _PLAN_CUBES)
        found = conversions(memories, rules, self._clock.now())
        found.proposals = [await self._licensed(one) for one in found.proposals]
        return found, truncated

    async def apply(self, job: Job, report: Report) -> Mapping[str, str]:
        """Make the moves of a plan; return how many of each kind were made.

        An attempt that follows a crash plans anew: what was made is seen in the vault, and what was being made has the
        same idempotency id, by which the inference service finds it or makes it once.
        """
        vault, rules = job.spec["vault"], rules_of(job.spec.get("rules", {}))
        found, _ = await self.plan(vault, rules)
        todo = [one for one in found.proposals if not one.blocked]
        counts = dict.fromkeys(("activation", "parameter", "text", "not_admitted"), 0)
        refused: list[str] = []
        for index, one in enumerate(todo):
            await report(index, len(todo), one.reason)
            try:
                admitted = await self._make(job, vault, one, rules)
            except PlatformError as error:
                if error.reason in PASSING:
                    raise
                # The licence, or the memory has changed since: the others are made all the same.
                refused.append(error.reason)
                _log.info("conversion.refused", job=job.name, target=one.target, reason=error.reason)
                continue
            counts[one.target.lower() if admitted else "not_admitted"] += 1
        blocked = len(found.proposals) - len(todo)
        result = {name: str(count) for name, count in counts.items()} | {"blocked": str(blocked)}
        return result | ({"refused": ", ".join(sorted(set(refused)))} if refused else {})

    async def undo(self, cube: str, reason: str) -> tuple[Cube, list[str]]:
        """Undo a conversion; return the memory, expired, and the texts that are used again.

        Raises:
            PlatformError: INVALID_FIELD where the memory is not KV or LoRA; the vault's refusal.
        """
        call = current_call()
        found = await self._moves.find(cube)
        if not found.is_tensor:
            raise invalid("name", f"{cube} is no KV or LoRA memory made from text")
        why = f"conversion undone: {reason}" if reason else "conversion undone"
        return await self._back(found.cube, found.parents, why, call.request_id)

    async def _make(self, job: Job, vault: str, one: Proposal, rules: Rules) -> bool:
        """Make one move; False where an adapter was trained and did not pass its tests, so that it expires at once."""
        request_id = job.request_id(one.step)

        async def quiet(completed: int, total: int, message: str) -> None:
            """The job counts conversions, not the steps within one."""

        if one.target is Target.TEXT:
            found = await self._moves.find(one.derived)
            await self._back(one.derived, found.parents, one.reason, request_id)
            return True
        spec: dict[str, Any] = {
            "vault": vault,
            "cubes": list(one.cubes),
            "model": rules.model,
            "reason": f"by {job.name}: {one.reason}",
            "tags": [CONVERTED],
            "expire_refused": True,
        }
        if one.target is Target.ACTIVATION:
            await self._services.build_activation(spec, request_id, quiet)
            return True
        made = await self._services.train_parameter(spec, request_id, quiet)
        if "not_admitted" in made:
            # It was never in use; here its texts are brought back, where anything archived them.
            why = f"not admitted: {made['not_admitted']}"
            await self._back(made["cube"], one.cubes, why, job.request_id(f"{one.step}:expire"))
        return "not_admitted" not in made

    async def _back(self, derived: str, parents: Sequence[str], reason: str, request_id: str) -> tuple[Cube, list[str]]:
        expired = await self._moves.expire(derived, reason=reason, request_id=request_id)
        used: list[str] = []
        for name in parents:
            try:
                text = await self._moves.find(name)
                if text.archived and not text.pinned:
                    await self._moves.activate(name, reason=f"used again: {reason}", request_id="")
            except PlatformError as error:
                if error.reason not in {Reason.NOT_FOUND, Reason.PERMISSION_DENIED, Reason.ILLEGAL_TRANSITION}:
                    raise
                # Forgotten, or not for this caller: there is no text to use again.
                continue
            if text.lives or text.archived:
                used.append(name)
        return expired, used

    async def _licensed(self, one: Proposal) -> Proposal:
        """Return the proposal, blocked where one of its licences forbids it: all of them must allow it."""
        if one.blocked or one.target is Target.TEXT:
            return one
        for agreement in sorted(one.agreements):
            why = await self._moves.refusal(agreement, one.target)
            if why:
                return replace(one, blocked=f"{agreement}: {why}")
        return one
