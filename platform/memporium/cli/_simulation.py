"""Recorded uses replayed on this machine, by the policies that are installed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from memporium.scheduler.v1 import tier_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHARES = (0.05, 0.1, 0.2)
# More cannot be told in a response.
_MOST_BYTES = (1 << 63) - 1


def of_file(file: Path, budgets: Sequence[int], strategies: Sequence[str]) -> tier_pb2.SimulateTierResponse:
    """Return what strategies save on the uses of a file.

    Raises:
        typer.BadParameter: The file cannot be read or holds something else; there is no such strategy.
    """
    # Not with the client alone: they come with the platform.
    from memporium_platform.tiering.catalogue import for_uses, plugins
    from memporium_platform.tiering.prediction import NextNeeds
    from memporium_platform.tiering.simulation import best_possible, replay
    from memporium_platform.tiering.traces import read

    try:
        with file.open(encoding="utf-8") as lines:
            trace = list(read(lines))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--trace") from error
    try:
        names = for_uses(strategies)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--strategy") from error
    sizes = {access.item.key: access.item.size_bytes for access in trace}
    of_all = sum(sizes.values())
    if of_all > _MOST_BYTES:
        raise typer.BadParameter(f"{file}: its memories have more bytes than can be counted", param_hint="--trace")
    made = tier_pb2.SimulateTierResponse(uses=len(trace), memories=len(sizes), bytes=of_all)
    for budget in list(budgets) or sorted({max(1, int(of_all * share)) for share in _SHARES}):
        achievable, limit = best_possible(trace, budget_bytes=budget)
        tier = made.tiers.add(budget_bytes=budget, achievable_s=achievable, limit_s=limit)
        for name in names:
            alone = replay(trace, plugins()[name].make(budget), budget_bytes=budget)
            ahead = replay(trace, plugins()[name].make(budget), budget_bytes=budget, predict=NextNeeds())
            tier.strategies.add(
                strategy=name,
                hits=alone.hits,
                saved_s=alone.saved_s,
                prefetching_saved_s=ahead.saved_s,
                prefetched=ahead.prefetched,
                prefetched_used=ahead.prefetched_used,
            )
    return made


def row(one: tier_pb2.SimulatedStrategy, tier: tier_pb2.SimulatedTier) -> list[str]:
    """Return the cells of one strategy."""
    share = f"{one.saved_s / tier.achievable_s:.2f}" if tier.achievable_s else "-"
    precision = f"{one.prefetched_used / one.prefetched:.2f}" if one.prefetched else "-"
    saved, ahead = f"{one.saved_s:.1f}", f"{one.prefetching_saved_s:.1f}"
    return [one.strategy, str(one.hits), saved, share, ahead, precision]
