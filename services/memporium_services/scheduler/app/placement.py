"""Planning and carrying out which memories of a vault stay hot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_platform.tiering.catalogue import plugins
from memporium_services.scheduler.domain.placement import Placement, plan
from memporium_services.scheduler.domain.strategies import STRATEGIES, ByPolicy, by_title

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium_platform.clock import Clock
    from memporium_services.scheduler.domain.jobs import Job
    from memporium_services.scheduler.domain.strategies import Candidate, Strategy
    from memporium_services.scheduler.ports import Report, Services

# Cubes that one plan looks at: what a plan holds in memory and in its response stays small.
PLAN_CUBES = 10_000
DEFAULT_STRATEGY = "lru"


class Placements:
    """Plans by strategy, and the moves that follow from them."""

    def __init__(self, services: Services, *, clock: Clock) -> None:
        """Read and move memories through the vault service."""
        self._services, self._clock = services, clock

    async def plan(
        self, vault: str, *, strategy: str, budget_bytes: int, labels: Sequence[str], query: str = ""
    ) -> tuple[list[Placement], bool]:
        """Return the decisions, hottest first, and whether the vault has more cubes than were looked at.

        Raises:
            PlatformError: INVALID_FIELD, for an unknown strategy, a negative budget, or `semantic` without a query.
        """
        name = strategy or DEFAULT_STRATEGY
        if name not in {*STRATEGIES, *plugins()}:
            raise invalid("strategy", f"must be one of {', '.join(sorted({*STRATEGIES, *plugins()}))}")
        if budget_bytes < 0:
            raise invalid("budget_bytes", "must not be negative")
        if name == "semantic" and not query.strip():
            raise invalid("query", "the strategy `semantic` needs a question or topic")
        candidates, truncated = await self._services.candidates(vault, PLAN_CUBES)
        if name == "semantic":
            near = await self._services.similarities(vault, query)
            candidates = [replace(one, similarity=near.get(one.cube, by_title(one, query))) for one in candidates]
        chosen = _chosen(name, candidates, budget_bytes)
        now = self._clock.now()
        return plan(candidates, chosen, budget_bytes=budget_bytes, now=now, labels=frozenset(labels)), truncated

    async def apply(self, job: Job, report: Report) -> Mapping[str, str]:
        """Move what lies elsewhere than a plan says; return counts by direction."""
        spec = job.spec
        decisions, _ = await self.plan(
            spec["vault"],
            strategy=spec.get("strategy", ""),
            budget_bytes=int(spec.get("budget_bytes", 0)),
            labels=spec.get("labels", ()),
            query=spec.get("query", ""),
        )
        moves = [decision for decision in decisions if decision.moves]
        counts = {True: 0, False: 0}
        for index, decision in enumerate(moves):
            cube = decision.candidate.cube
            step = f"{cube}:{decision.hot}:{decision.candidate.last_use.timestamp()}"
            moved = await self._services.move(
                cube, hot=decision.hot, request_id=job.request_id(step), reason=decision.reason
            )
            counts[decision.hot] += moved
            await report(index + 1, len(moves), cube)
        return {"activated": str(counts[True]), "archived": str(counts[False])}


def _chosen(name: str, candidates: Sequence[Candidate], budget_bytes: int) -> Strategy:
    if name in STRATEGIES:
        return STRATEGIES[name]
    return ByPolicy(plugins()[name], candidates, budget_bytes=budget_bytes)
