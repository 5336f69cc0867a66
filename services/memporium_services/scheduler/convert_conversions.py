"""Conversions and simulations between the wire and the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.scheduler.v1 import conversion_pb2, tier_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.cube.v1 import cube_pb2
    from memporium_platform.tiering.simulation import Access, Outcome
    from memporium_services.scheduler.app.simulations import SimulatedTier
    from memporium_services.scheduler.domain.conversions import Plan, Proposal


def plan_out(plan: Plan, *, truncated: bool) -> conversion_pb2.PlanConversionsResponse:
    """Return the answer of PlanConversions."""
    return conversion_pb2.PlanConversionsResponse(
        proposals=[_proposal(one) for one in plan.proposals],
        staying=plan.staying,
        converted_bytes=plan.converted_bytes,
        truncated=truncated,
    )


def undone_out(cube: cube_pb2.Cube, cubes: Sequence[str]) -> conversion_pb2.UndoConversionResponse:
    """Return the answer of UndoConversion."""
    return conversion_pb2.UndoConversionResponse(cube=cube, cubes=cubes)


def simulated_out(trace: Sequence[Access], tiers: Sequence[SimulatedTier]) -> tier_pb2.SimulateTierResponse:
    """Return the answer of SimulateTier."""
    sizes = {access.item.key: access.item.size_bytes for access in trace}
    return tier_pb2.SimulateTierResponse(
        uses=len(trace),
        memories=len(sizes),
        bytes=sum(sizes.values()),
        tiers=[
            tier_pb2.SimulatedTier(
                budget_bytes=one.budget_bytes,
                achievable_s=one.achievable_s,
                limit_s=one.limit_s,
                strategies=[_strategy(name, *outcomes) for name, outcomes in sorted(one.outcomes.items())],
            )
            for one in tiers
        ],
    )


def _strategy(name: str, alone: Outcome, ahead: Outcome) -> tier_pb2.SimulatedStrategy:
    return tier_pb2.SimulatedStrategy(
        strategy=name,
        hits=alone.hits,
        saved_s=alone.saved_s,
        prefetching_saved_s=ahead.saved_s,
        prefetched=ahead.prefetched,
        prefetched_used=ahead.prefetched_used,
    )


def _proposal(one: Proposal) -> conversion_pb2.ConversionProposal:
    return conversion_pb2.ConversionProposal(
        cubes=one.cubes,
        target=conversion_pb2.ConversionTarget.Value(f"CONVERSION_TARGET_{one.target}"),
        derived=one.derived,
        reason=one.reason,
        size_bytes=one.size_bytes,
        saved_s=one.saved_s,
        blocked=one.blocked,
    )
