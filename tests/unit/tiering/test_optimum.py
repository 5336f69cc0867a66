"""The bounds on the optimum against the optimum itself, where traces are small enough for it."""

from __future__ import annotations

import numpy as np
import pytest

from memporium_platform.tiering import traces
from memporium_platform.tiering.catalogue import POLICIES
from memporium_platform.tiering.simulation import best_possible, replay


def optimum(trace, budget):
    """Return the most seconds that can be saved: for each set of memories, the most where it is held just now."""
    items = list({access.item.key: access.item for access in trace}.values())
    place = {item.key: 1 << index for index, item in enumerate(items)}
    sets = np.arange(1 << len(items))
    sizes = sum(np.where(sets & place[item.key], item.size_bytes, 0) for item in items)
    best = np.where(sets == 0, 0.0, -np.inf)
    for access in trace:
        bit = place[access.item.key]
        held = (sets & bit) > 0
        best[held] += access.item.saved_s
        # It is held from now on, or it is not; to make room any of the others may go.
        taken = np.where(held, np.maximum(best, best[sets & ~bit]), -np.inf)
        for other in place.values():
            if other != bit:
                lacking = (sets & other) == 0
                taken[lacking] = np.maximum(taken[lacking], taken[sets[lacking] | other])
        taken[sizes > budget] = -np.inf
        best = np.maximum(best, taken)
    return float(best.max())


@pytest.mark.parametrize("make", [traces.zipf, traces.shifting])
@pytest.mark.parametrize("share", [0.2, 0.4])
def test_the_plan_is_near_the_optimum_and_the_limit_above_it(make, share):
    reached = []
    for seed in range(1, 5):
        trace = list(make(traces.made_up_memories(12, seed), 60, seed))
        budget = int(share * sum({access.item.key: access.item.size_bytes for access in trace}.values()))
        achievable, limit = best_possible(trace, budget_bytes=budget)
        most = optimum(trace, budget)
        assert achievable <= most + 1e-9
        assert most <= limit + 1e-9
        assert achievable >= 0.85 * most
        assert limit <= 1.5 * most
        for name, policy in POLICIES.items():
            assert replay(trace, policy(budget), budget_bytes=budget).saved_s <= most + 1e-9, name
        reached.append(achievable / most)
    assert sum(reached) / len(reached) > 0.93
