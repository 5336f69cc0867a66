"""Keeps no tensors of what the vault has forgotten, let expire or erased: memory, disk and models drop them.

A use of them is refused anyway, for each is asked of the vault; this is so that their bytes go, too. Every second or so
the vaults are asked, over one stream, about what is held and what was used last.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from memporium_services.inference.app.blob_cache import BlobCache
    from memporium_services.inference.ports import BlobsInForce

_log = structlog.get_logger("memporium.inference")
_RECONNECT_S = 1.0


class Forgotten:
    """Drops from a cache what is not in force any more."""

    def __init__(
        self,
        vaults: BlobsInForce,
        cache: BlobCache,
        *,
        every_s: float,
        on_drop: Callable[[Collection[str]], object] = lambda _keys: None,
    ) -> None:
        """Ask the vaults every so many seconds; tell `on_drop` the keys of what was dropped."""
        self._vaults, self._cache = vaults, cache
        self._every_s, self._on_drop = every_s, on_drop
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._follow(), name="inference.forgotten")

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                async for vault, gone in self._vaults.watch(self._held, every_s=self._every_s):
                    self._drop(vault, gone)
            except PlatformError as error:
                _log.debug("inference.blobs_in_force_lost", reason=error.reason.value)
            await asyncio.sleep(_RECONNECT_S)

    def _held(self) -> dict[str, set[str]]:
        self._cache.tidy()
        return {vault: {_digest(key) for key in keys} for vault, keys in self._cache.by_vault().items()}

    def _drop(self, vault: str, gone: frozenset[str]) -> None:
        # Also where another vault holds the same bytes: then they are fetched again from there.
        keys = {key for key in self._cache.by_vault().get(vault, ()) if _digest(key) in gone}
        if keys:
            _log.info("inference.tensors_dropped", vault=vault, blobs=self._cache.drop(keys))
            self._on_drop(keys)


def _digest(key: str) -> str:
    return key.rpartition("/")[2]
