"""Recorded uses kept over restarts: written in batches, while nobody waits, and read back when a trace is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError

if TYPE_CHECKING:
    from memporium_services.inference.app.tier_uses import TierUses
    from memporium_services.inference.ports import TraceStore

_log = structlog.get_logger("memporium.inference")


class TierJournal:
    """Keeps what the recorder has, organisation by organisation. A crash loses what came since the last batch."""

    def __init__(self, uses: TierUses, store: TraceStore, *, every_s: float) -> None:
        """Write so often what was recorded since; 0: only when the server stops."""
        self._uses, self._store, self._every_s = uses, store, every_s
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def start(self) -> None:
        """Begin to write."""
        if self._every_s:
            self._task = asyncio.create_task(self._run(), name="inference.trace")

    async def stop(self) -> None:
        """Write what is left, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.write()

    async def write(self) -> None:
        """Write what was recorded since the last time."""
        async with self._turn:
            for tenant, uses in self._uses.take().items():
                try:
                    await self._store.append(tenant, uses)
                except (PlatformError, OSError) as error:
                    # An organisation that is gone, or a store that is away: a trace has gaps, and nobody waits for it.
                    _log.warning("inference.trace_not_kept", uses=len(uses), error=type(error).__name__)

    async def recall(self, tenant: str) -> None:
        """Bring back what earlier runs have kept of an organisation; once is enough."""
        async with self._turn:
            if not self._uses.knows_the_past(tenant):
                try:
                    kept = await self._store.load(tenant)
                except (PlatformError, OSError) as error:
                    _log.warning("inference.trace_not_read", error=type(error).__name__)
                    return
                self._uses.restore(tenant, kept)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.write()
