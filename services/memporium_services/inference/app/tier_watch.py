"""What the tier learns from each generation: its uses for traces, and what to bring in for the next turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.clock import Clock
    from memporium_services.inference.app.blob_cache import BlobCache, Figures
    from memporium_services.inference.app.prefetch import Prefetch
    from memporium_services.inference.app.tier_journal import TierJournal
    from memporium_services.inference.app.tier_uses import TierUses
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.recorded_uses import RecordedUse
    from memporium_services.inference.domain.values import PromptRead


class TierWatch:
    """Tells recorder and prefetching of each generation, and what they know to who asks."""

    def __init__(
        self, uses: TierUses, journal: TierJournal, prefetch: Prefetch, cache: BlobCache, clock: Clock
    ) -> None:
        """Watch with these."""
        self._uses, self._journal = uses, journal
        self._prefetch, self._cache, self._clock = prefetch, cache, clock

    def start(self) -> None:
        """Begin to keep what is recorded."""
        self._journal.start()

    def mounted(self, tenant: str, principal: str, memories: Sequence[UsedMemory], *, model: str) -> None:
        """Take note of the memories that a generation uses."""
        if memories:
            agent = self._uses.agent(principal)
            self._uses.record(tenant, agent, memories, model=model, now=self._clock.now())

    def read(self, model: str, event: PromptRead) -> None:
        """Take note of how long the prompt took to read."""
        self._uses.measured(model, event.prompt_tokens - event.cached_tokens, event.prefill_s)

    def ended(self, tenant: str, principal: str, memories: Sequence[UsedMemory]) -> None:
        """Begin to fetch for the next turn, now that this one needs nothing more."""
        if memories:
            self._prefetch.used(tenant, self._uses.agent(principal), memories)

    async def trace(self, tenant: str, most: int) -> tuple[list[RecordedUse], int]:
        """Return the newest uses of an organisation, oldest first (0: all), and how many are not among them."""
        await self._journal.recall(tenant)
        return self._uses.read(tenant, most)

    async def usage(self, tenant: str) -> tuple[Figures, int, int, int]:
        """Return how the tiers serve an organisation: its figures, bytes in memory and on disk, and uses recorded."""
        await self._journal.recall(tenant)
        cache = self._cache
        held = (cache.held_bytes(tenant), cache.disk.held_bytes(tenant))
        return cache.figures(tenant), *held, self._uses.count(tenant)

    @property
    def policy(self) -> str:
        """The policy that rules the tier."""
        return self._cache.policy

    @property
    def budget_bytes(self) -> int:
        """Bytes of the tier."""
        return self._cache.budget_bytes

    @property
    def disk_budget_bytes(self) -> int:
        """Bytes of the tier on the disk; 0: there is none."""
        return self._cache.disk.budget_bytes

    async def close(self) -> None:
        """Fetch nothing more, and leave nothing on the disk."""
        await self._prefetch.close()
        await self._journal.stop()
        await self._cache.close()
