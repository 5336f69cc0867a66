"""Tensors that a dialogue's next turn is likely to need, brought into host memory while nobody waits for them.

What is predicted for an agent comes from its own uses alone, and is fetched with its own rights. Memory under licences
is never fetched ahead: a fetch is a use, and nobody pays for what was not asked for. Fetching stops at a budget of
bytes a call, one after the other, and what fails is left alone: the next turn loads it itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

import structlog

from memporium_platform.call import acting_as, current_call
from memporium_platform.errors import PlatformError
from memporium_platform.tiering.prediction import NextNeeds
from memporium_platform.tiering.simulation import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memporium_platform.call import Call
    from memporium_platform.tiering.policies import Item
    from memporium_services.inference.app.blob_cache import BlobCache
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.ports import MemoryVault

_log = structlog.get_logger("memporium.inference")
# Fetches that may wait; the oldest prediction is dropped, for a newer one is likelier to be right.
_MOST_WAITING = 64
_MOST_MEMORIES = 10_000
# A fetch that takes longer would be late for the next turn anyway.
_FETCH_S = 30.0


class Prefetch:
    """Predicts after each call, and fetches one tensor after the other."""

    def __init__(
        self,
        vault: MemoryVault,
        cache: BlobCache,
        *,
        budget_bytes: int,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch from the vault into the cache, at most so many bytes a call; 0: nothing."""
        self._vault, self._cache = vault, cache
        self._budget, self._seconds = budget_bytes, seconds
        self._needs = NextNeeds()
        # By key of tenant and agent, too: what one agent may read, another of the same tenant may not.
        self._known: OrderedDict[tuple[str, str], UsedMemory] = OrderedDict()
        self._waiting: OrderedDict[str, tuple[Item, Call, UsedMemory]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def used(self, tenant: str, agent: str, memories: Sequence[UsedMemory]) -> None:
        """Learn from the memories of a call, and begin to fetch what the agent's next is likely to need."""
        if not self._budget:
            return
        wanted: Sequence[Item] = ()
        for memory in memories:
            if memory.blob is None or memory.licences:
                continue
            key = f"{tenant}/{memory.blob.sha256}"
            self._known[f"{tenant}/{agent}", key] = memory
            self._known.move_to_end((f"{tenant}/{agent}", key))
            item = self._cache.item(key, memory.blob.size_bytes, memory.tags)
            wanted = self._needs(Access(self._seconds(), item, f"{tenant}/{agent}"))
        while len(self._known) > _MOST_MEMORIES:
            self._known.popitem(last=False)
        self._put(tenant, f"{tenant}/{agent}", wanted)

    async def close(self) -> None:
        """Fetch nothing more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settled(self) -> None:
        """Return when nothing waits to be fetched."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _put(self, tenant: str, agent: str, wanted: Sequence[Item]) -> None:
        left, call = self._budget, current_call()
        for item in wanted:
            memory = self._known.get((agent, item.key))
            if memory is None or not item.key.startswith(f"{tenant}/"):
                continue
            if item.size_bytes <= left and self._cache.worth_fetching(item):
                left -= item.size_bytes
                self._waiting[item.key] = (item, call, memory)
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="inference.prefetch")

    async def _run(self) -> None:
        while self._waiting:
            _, (item, call, memory) = self._waiting.popitem(last=False)
            try:
                # A call of its own: that of the caller may have run out of time.
                with acting_as(call.principal, purpose=call.purpose):
                    async with asyncio.timeout(_FETCH_S):
                        load = partial(self._vault.download, memory)
                        await self._cache.prefetch(item, load, vault=memory.vault)
            except (PlatformError, TimeoutError) as error:
                _log.debug("inference.prefetch_failed", cube=memory.name, error=type(error).__name__)
