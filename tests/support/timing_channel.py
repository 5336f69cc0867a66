"""Whether the time to one tenant's first token tells what another tenant has mounted: the measurement and its test.

A victim mounts a memory; then the attacker, in random order, mounts one that is equal and one that is not, and takes
the time to its first token. Where anything is reused between tenants, the equal one comes sooner.
"""

from __future__ import annotations

import math
import random
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.inference.app.agreements import Agreements
from memporium_services.inference.app.fair_queue import FairQueue
from memporium_services.inference.app.generation import Generation, Limits
from memporium_services.inference.app.registry import Registry, RunningGenerator
from memporium_services.inference.app.watermarks import Watermarks
from memporium_services.inference.domain.requests import Delta, GenerateCall
from memporium_services.inference.domain.values import Sampling, Speaker, Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from memporium_services.inference.app.blob_cache import BlobCache
    from memporium_services.inference.ports import Generator, MemoryVault

# A leak is one that chance would show once in a thousand measurements.
ALPHA = 1e-3


@dataclass(frozen=True)
class Channel:
    """What was measured, in seconds to the first token.

    Attributes:
        equal: Of memories that the victim has mounted as well.
        other: Of memories that nobody has.
    """

    equal: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def p_value(self) -> float:
        """Chance that the equal ones come so much sooner where they are no different (one-sided rank sum test)."""
        return sooner(self.equal, self.other)

    @property
    def leaks(self) -> bool:
        """Whether the attacker can tell."""
        return self.p_value < ALPHA


def sooner(ones: Sequence[float], others: Sequence[float]) -> float:
    """Return the p-value of Mann and Whitney's test that `ones` are smaller, by its normal approximation."""
    wins = sum((one < other) + 0.5 * (one == other) for one in ones for other in others)
    pairs = len(ones) * len(others)
    spread = math.sqrt(pairs * (len(ones) + len(others) + 1) / 12)
    return 0.5 * math.erfc((wins - pairs / 2) / (spread * math.sqrt(2)))


class NoUses:
    """Nothing is under an agreement here."""

    async def go_on(self, agreement: str, use_id: str) -> None: ...

    async def end(self, agreement: str, use_id: str) -> None: ...


def generation(generator: Generator, vault: MemoryVault, cache: BlobCache) -> Generation:
    """Return the use case over a model, a vault and a cache."""
    queue = FairQueue(places=2, max_waiting=10, max_waiting_per_tenant=10)
    running = RunningGenerator(generator, queue, None, queue)
    registry = Registry(embedders={}, generators={"m": running}, default_embedder="", default_generator="m")
    agreements = Agreements(None, on_end=cache.drop_agreement)  # type: ignore[arg-type] - none are followed
    watermarks = Watermarks(registry, lambda _label: b"")
    return Generation(registry, vault, cache, agreements, watermarks, NoUses(), Limits(100_000, 10_000_000))


async def first_token_s(
    service: Generation, cube: str, tenant: str, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the seconds from a call to its first token."""
    call = GenerateCall("m", (Turn(Speaker.USER, "What?"),), "", (cube,), Sampling(1))
    began, taken = clock(), 0.0
    async with aclosing(service.generate(call, tenant=tenant)) as events:
        async for event in events:
            if isinstance(event, Delta) and not taken:
                taken = clock() - began
    return taken


async def measure(
    service: Generation,
    cubes: Callable[[], tuple[str, str, str]],
    *,
    count: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Channel:
    """Measure the channel.

    Args:
        service: The platform.
        cubes: Returns new memories: the victim's, the attacker's equal one, and the attacker's other one.
        count: Pairs to measure.
        clock: What the attacker looks at. One without what other processes take shows more than the wall's.
    """
    order = random.Random(7)
    taken: dict[bool, list[float]] = {True: [], False: []}
    for index in range(count + 1):
        victims, equal, other = cubes()
        await first_token_s(service, victims, "victim")
        for same in order.sample([True, False], 2):
            seconds = await first_token_s(service, equal if same else other, "attacker", clock)
            if index:
                # The first pair warms up.
                taken[same].append(seconds)
    return Channel(tuple(taken[True]), tuple(taken[False]))


async def confirmed(again: Callable[[], Awaitable[Channel]]) -> Channel:
    """Measure, and once more where it leaks: chance does not show twice."""
    found = await again()
    return await again() if found.leaks else found
