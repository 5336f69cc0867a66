"""Tensors of mounted memories in host memory, each tenant's apart; a policy says which stay.

Two tenants that hold the same bytes hold them twice: a hit would tell the one that the other has them. The cache saves
the transfer only; whether a memory may be used is asked of the vault before each use. Each tenant has a claim to the
same share of it, so that one that asks for much leaves the others theirs.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError
from memporium_platform.tiering.catalogue import policy as policy_of
from memporium_platform.tiering.policies import Item
from memporium_platform.tiering.tier import Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

# Until a load was measured: from a vault beside this service.
_SECONDS_A_BYTE = 1e-8
# How much the newest measurement counts.
_NEWEST = 0.2


@dataclass(slots=True)
class Figures:
    """How the cache serves one tenant.

    Attributes:
        hits: Uses of what was held.
        misses: Uses of what had to be loaded.
        prefetched: Blobs that were brought in ahead.
        prefetched_used: Those of them that were used while they were held.
        prefetched_bytes: Bytes that were brought in ahead.
    """

    hits: int = 0
    misses: int = 0
    prefetched: int = 0
    prefetched_used: int = 0
    prefetched_bytes: int = 0


class BlobCache:
    """Blobs by tenant and digest, within a budget of bytes."""

    def __init__(
        self, budget_bytes: int, *, policy: str = "hybrid", seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep at most so many bytes, those that the policy values; `seconds` tells the time."""
        self._tier = Tier(budget_bytes, policy_of(policy, budget_bytes), group=lambda item: _tenant(item.key))
        self.policy, self.budget_bytes = policy, budget_bytes
        self._seconds = seconds
        self._blobs: dict[str, bytearray] = {}
        self._loading: dict[str, asyncio.Future[bytearray]] = {}
        self._agreements: dict[str, frozenset[str]] = {}
        self._ahead: set[str] = set()
        self._figures: dict[str, Figures] = {}
        self._seconds_a_byte = _SECONDS_A_BYTE

    @property
    def size_bytes(self) -> int:
        """Bytes that are held."""
        return self._tier.size_bytes

    def figures(self, tenant: str) -> Figures:
        """Return how the cache serves a tenant."""
        return self._figures.get(tenant, Figures())

    def held_bytes(self, tenant: str) -> int:
        """Return the bytes that a tenant's blobs take."""
        return self._tier.bytes_of.get(tenant, 0)

    async def get(
        self,
        tenant: str,
        digest: str,
        load: Callable[[], Awaitable[bytearray]],
        *,
        agreements: frozenset[str],
        agent: str = "",
        labels: Iterable[str] = (),
    ) -> bytearray:
        """Return a blob, loaded where it is not held; callers that ask at once share one load.

        Args:
            tenant: The organisation that uses it.
            digest: SHA-256 of the blob.
            load: Loads it.
            agreements: Agreements that it came under; when one ends, `drop_agreement` removes it.
            agent: Who uses it, within the organisation: policies expect its next uses from its last ones.
            labels: Its tags, for policies that hold what is alike.
        """
        key, figures = f"{tenant}/{digest}", self._figures.setdefault(tenant, Figures())
        if key in self._blobs:
            figures.hits += 1
            figures.prefetched_used += key in self._ahead
            self._ahead.discard(key)
            self._tier.use(self._tier.held[key], self._seconds(), _agent(tenant, agent))
            self._agreements[key] = self._agreements[key] | agreements
            return self._blobs[key]
        figures.misses += 1
        if (others := self._loading.get(key)) is not None:
            try:
                return await asyncio.shield(others)
            except PlatformError:
                # It was loaded with the rights of somebody else; one's own may suffice.
                pass
        if key not in self._loading:
            loading = self._load(key, load, agreements, _agent(tenant, agent), _labels(tenant, labels))
            self._loading[key] = asyncio.ensure_future(loading)
        # A caller that goes does not end the load for the others.
        return await asyncio.shield(self._loading[key])

    def item(self, key: str, size_bytes: int, labels: Iterable[str] = ()) -> Item:
        """Return a blob that may be brought in, with the time that this saves by what loads took lately."""
        return Item(key, size_bytes, size_bytes * self._seconds_a_byte, _labels(_tenant(key), labels))

    def worth_fetching(self, item: Item) -> bool:
        """Say whether a blob, by its key of tenant and digest, would be held if it were brought in now."""
        return item.key not in self._loading and self._tier.worth_fetching(item, self._seconds())

    async def prefetch(self, item: Item, load: Callable[[], Awaitable[bytearray]]) -> bool:
        """Bring a blob in ahead of its use; return whether it is held then.

        Args:
            item: It, by its key of tenant and digest.
            load: Loads it.
        """
        if not self.worth_fetching(item):
            return False
        future = self._loading[item.key] = asyncio.ensure_future(load())
        try:
            # Whoever asks for it meanwhile waits for this load, and does not begin another.
            data = await asyncio.shield(future)
        finally:
            self._loading.pop(item.key, None)
        self._drop_all(self._tier.prefetch(item, self._seconds()))
        if item.key not in self._tier.held:
            return False
        self._blobs[item.key], self._agreements[item.key] = data, frozenset()
        self._ahead.add(item.key)
        figures = self._figures.setdefault(_tenant(item.key), Figures())
        figures.prefetched += 1
        figures.prefetched_bytes += item.size_bytes
        return True

    def drop_agreement(self, agreement: str) -> int:
        """Forget everything that came under an agreement; return the number of blobs."""
        keys = [key for key, agreements in self._agreements.items() if agreement in agreements]
        for key in keys:
            self._tier.drop(key)
        self._drop_all(keys)
        return len(keys)

    async def _load(
        self,
        key: str,
        load: Callable[[], Awaitable[bytearray]],
        agreements: frozenset[str],
        agent: str,
        labels: frozenset[str],
    ) -> bytearray:
        began = self._seconds()
        try:
            data = await load()
        finally:
            del self._loading[key]
        now = self._seconds()
        if data:
            self._seconds_a_byte += _NEWEST * ((now - began) / len(data) - self._seconds_a_byte)
        _, driven_out = self._tier.use(Item(key, len(data), now - began, labels), now, agent)
        self._drop_all(driven_out)
        if key in self._tier.held:
            self._blobs[key] = data
            self._agreements[key] = agreements
        return data

    def _drop_all(self, keys: list[str]) -> None:
        for key in keys:
            del self._blobs[key]
            del self._agreements[key]
            self._ahead.discard(key)


def _tenant(key: str) -> str:
    return key.partition("/")[0]


def _agent(tenant: str, agent: str) -> str:
    return f"{tenant}/{agent}" if agent else ""


def _labels(tenant: str, labels: Iterable[str]) -> frozenset[str]:
    # Of one tenant: what is popular with another says nothing here.
    return frozenset(f"{tenant}/{label}" for label in labels)
