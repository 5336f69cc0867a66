"""Traces replayed against a policy, and how much the best that knows the future could save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.tiering.tier import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memporium_platform.tiering.policies import Item, Policy


@dataclass(frozen=True, slots=True)
class Access:
    """A use of a memory, at a time in seconds, by an agent."""

    at: float
    item: Item
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy made of a trace.

    Attributes:
        uses: Uses.
        hits: Those of what was held.
        saved_s: Seconds that the hits saved.
        prefetched: Memories that were brought in ahead of their use.
        prefetched_used: Those of them that were used while they were held.
    """

    uses: int
    hits: int
    saved_s: float
    prefetched: int = 0
    prefetched_used: int = 0


def replay(
    trace: Iterable[Access],
    policy: Policy,
    *,
    budget_bytes: int,
    predict: Callable[[Access], Sequence[Item]] | None = None,
) -> Outcome:
    """Return what a policy makes of a trace.

    Args:
        trace: The uses, in order of time.
        policy: A fresh policy.
        budget_bytes: Size of the tier.
        predict: Told each use, names what to bring in ahead.
    """
    tier = Tier(budget_bytes, policy)
    uses = hits = fetched = fetched_used = 0
    saved = 0.0
    ahead: set[str] = set()
    for access in trace:
        uses += 1
        hit, driven_out = tier.use(access.item, access.at, access.agent)
        if hit:
            hits += 1
            saved += access.item.saved_s
            fetched_used += access.item.key in ahead
        ahead.discard(access.item.key)
        ahead.difference_update(driven_out)
        for item in predict(access) if predict is not None else ():
            if item.key not in tier.held:
                ahead.difference_update(tier.prefetch(item, access.at))
                if item.key in tier.held:
                    fetched += 1
                    ahead.add(item.key)
    return Outcome(uses, hits, saved, fetched, fetched_used)


def best_possible(trace: Sequence[Access], *, budget_bytes: int) -> tuple[float, float]:
    """Return bounds on the seconds that a tier could save which knows the future: what is achievable, and the limit.

    Between two uses a memory is held all the time or not at all. The limit lets the intervals with the most seconds
    saved per byte and step share all bytes of all steps; what is achievable takes them in the same order where they
    really fit (Berger, Beckmann and Harchol-Balter, Practical bounds on optimal caching with variable object sizes,
    SIGMETRICS 2018: PFOO-U and PFOO-L).
    """
    last: dict[str, int] = {}
    intervals: list[tuple[float, int, int, Item]] = []
    for index, access in enumerate(trace):
        item = access.item
        if item.key in last and item.size_bytes <= budget_bytes:
            begin = last[item.key]
            intervals.append((item.saved_s / (max(1, item.size_bytes) * (index - begin)), begin, index, item))
        last[item.key] = index
    intervals.sort(key=lambda one: -one[0])
    room = float(budget_bytes) * max(1, len(trace) - 1)
    limit = achievable = 0.0
    free = [budget_bytes] * len(trace)
    for density, begin, end, item in intervals:
        wanted = float(item.size_bytes) * (end - begin)
        limit += density * min(wanted, room)
        room -= min(wanted, room)
        if min(free[begin:end]) >= item.size_bytes:
            achievable += item.saved_s
            for step in range(begin, end):
                free[step] -= item.size_bytes
    return achievable, limit
