"""Tensors of mounted memories in host memory, each tenant's apart; a policy says which stay.

Two tenants that hold the same bytes hold them twice: a hit would tell the one that the other has them. The cache saves
the transfer only; whether a memory may be used is asked of the vault before each use.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from memporium_platform.tiering.catalogue import POLICIES
from memporium_platform.tiering.policies import Item
from memporium_platform.tiering.tier import Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Key = tuple[str, str]


class BlobCache:
    """Blobs by tenant and digest, within a budget of bytes."""

    def __init__(
        self, budget_bytes: int, *, policy: str = "hybrid", seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep at most so many bytes, those that the policy values; `seconds` tells the time."""
        self._tier = Tier(budget_bytes, POLICIES[policy](budget_bytes))
        self._seconds = seconds
        self._blobs: dict[str, bytearray] = {}
        self._loading: dict[str, asyncio.Future[bytearray]] = {}
        self._agreements: dict[str, frozenset[str]] = {}
        self.hits = 0
        self.misses = 0

    @property
    def size_bytes(self) -> int:
        """Bytes that are held."""
        return self._tier.size_bytes

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
        key = f"{tenant}/{digest}"
        if key in self._blobs:
            self.hits += 1
            self._tier.use(self._tier.held[key], self._seconds())
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
            self._tier.drop(key)
            self._forget(key)
        return len(keys)

    async def _load(self, key: str, load: Callable[[], Awaitable[bytearray]], agreements: frozenset[str]) -> bytearray:
        began = self._seconds()
        try:
            data = await load()
        finally:
            del self._loading[key]
        now = self._seconds()
        _, driven_out = self._tier.use(Item(key, len(data), now - began), now)
        for other in driven_out:
            self._forget(other)
        if key in self._tier.held:
            self._blobs[key] = data
            self._agreements[key] = agreements
        return data

    def _forget(self, key: str) -> None:
        del self._blobs[key]
        del self._agreements[key]
