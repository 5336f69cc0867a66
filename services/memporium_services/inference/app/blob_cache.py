"""Tensors of mounted memories in host memory: least recently used out first, each tenant's apart.

Two tenants that hold the same bytes hold them twice: a hit would tell the one that the other has them. The cache saves
the transfer only; whether a memory may be used is asked of the vault before each use.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Key = tuple[str, str]


class BlobCache:
    """Blobs by tenant and digest, within a budget of bytes."""

    def __init__(self, budget_bytes: int) -> None:
        """Keep at most so many bytes."""
        self._budget = budget_bytes
        self._blobs: OrderedDict[Key, bytearray] = OrderedDict()
        self._loading: dict[Key, asyncio.Future[bytearray]] = {}
        self._agreements: dict[Key, frozenset[str]] = {}
        self.size_bytes = 0
        self.hits = 0
        self.misses = 0

    async def get(
        self, tenant: str, digest: str, load: Callable[[], Awaitable[bytearray]], *, agreements: frozenset[str]
    ) -> bytearray:
        """Return a blob, loaded where it is not held; callers that ask at once share one load.

        Args:
            tenant: The organisation that uses it.
            digest: SHA-256 of the blob.
            load: Loads it.
            agreements: Agreements that it came under; when one ends, `drop_agreement` removes it.
        """
        key = (tenant, digest)
        if key in self._blobs:
            self.hits += 1
            self._blobs.move_to_end(key)
            self._agreements[key] = self._agreements[key] | agreements
            return self._blobs[key]
        self.misses += 1
        if key not in self._loading:
            self._loading[key] = asyncio.ensure_future(self._load(key, load, agreements))
        # A caller that goes does not end the load for the others.
        return await asyncio.shield(self._loading[key])

    def drop_agreement(self, agreement: str) -> int:
        """Forget everything that came under an agreement; return the number of blobs."""
        keys = [key for key, agreements in self._agreements.items() if agreement in agreements]
        for key in keys:
            self._drop(key)
        return len(keys)

    async def _load(self, key: Key, load: Callable[[], Awaitable[bytearray]], agreements: frozenset[str]) -> bytearray:
        try:
            data = await load()
        finally:
            del self._loading[key]
        if len(data) <= self._budget:
            self._blobs[key] = data
            self._agreements[key] = agreements
            self.size_bytes += len(data)
            while self.size_bytes > self._budget:
                self._drop(next(iter(self._blobs)))
        return data

    def _drop(self, key: Key) -> None:
        self.size_bytes -= len(self._blobs.pop(key))
        del self._agreements[key]
