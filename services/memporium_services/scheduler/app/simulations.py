"""What strategies would have saved on the recorded uses of an organisation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_platform.tiering.catalogue import for_uses, plugins
from memporium_platform.tiering.prediction import NextNeeds
from memporium_platform.tiering.simulation import Outcome, best_possible, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.tiering.simulation import Access
    from memporium_services.scheduler.ports_moves import Moves

_MOST_BUDGETS = 8
_SHARES = (0.05, 0.1, 0.2)
# Replays take some 0.1 ms a use: one simulation at a time leaves the other core to everybody else.
_AT_ONCE = 1


@dataclass(frozen=True, slots=True)
class SimulatedTier:
    """A tier of one size: what is achievable, the limit, and each strategy without and with prefetching."""

    budget_bytes: int
    achievable_s: float
    limit_s: float
    outcomes: dict[str, tuple[Outcome, Outcome]]


class Simulations:
    """The use case."""

    def __init__(self, moves: Moves) -> None:
        """Replay what `moves` has recorded."""
        self._moves = moves
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def run(
        self, org: str, budgets: Sequence[int], strategies: Sequence[str]
    ) -> tuple[Sequence[Access], list[SimulatedTier]]:
        """Return the uses, and what a tier of each size could have saved on them.

        Raises:
            PlatformError: INVALID_FIELD for an unknown strategy, or wrong budgets; the refusal of the trace.
        """
        if len(budgets) > _MOST_BUDGETS or any(budget <= 0 for budget in budgets):
            raise invalid("budgets_bytes", f"at most {_MOST_BUDGETS}, each above zero")
        try:
            names = for_uses(strategies)
        except ValueError as error:
            raise invalid("strategies", str(error)) from error
        trace = await self._moves.trace(org)
        sizes = {access.item.key: access.item.size_bytes for access in trace}
        of_all = sum(sizes.values())
        wanted = list(budgets) or sorted({max(1, int(of_all * share)) for share in _SHARES})
        async with self._turn:
            return trace, [await asyncio.to_thread(simulated, trace, budget, names) for budget in wanted]


def simulated(trace: Sequence[Access], budget_bytes: int, names: Sequence[str]) -> SimulatedTier:
    """Return what a tier of a size could have saved on uses."""
    achievable, limit = best_possible(trace, budget_bytes=budget_bytes)
    outcomes = {}
    for name in names:
        make = plugins()[name].make
        alone = replay(trace, make(budget_bytes), budget_bytes=budget_bytes)
        ahead = replay(trace, make(budget_bytes), budget_bytes=budget_bytes, predict=NextNeeds())
        outcomes[name] = (alone, ahead)
    return SimulatedTier(budget_bytes, achievable, limit, outcomes)
