"""Tensors of mounted memories in host memory, each tenant's apart; a policy says which stay, a disk tier lies beneath.

Two tenants that hold the same bytes hold them twice: a hit would tell the one that the other has them. The cache saves
the transfer only; whether a memory may be used is asked of the vault before each use. Each tenant has a claim to the
same share of it, so that one that asks for much leaves the others theirs.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError
from memporium_platform.tiering.catalogue import policy as policy_of
from memporium_platform.tiering.policies import Item
from memporium_platform.tiering.tier import Tier
from memporium_services.inference.app.disk_tier import DiskTier, Kept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from memporium_services.inference.ports import Blob, BlobFiles, SpareMemory

# Until a load was measured: from a vault beside this service.
_SECONDS_A_BYTE = 1e-8
# How much the newest measurement counts.
_NEWEST = 0.2
# Blobs used last whose vaults are remembered: models hold adapters that the tiers have let go.
_MOST_LATELY = 256


@dataclass(slots=True)
class Figures:
    """How the tiers serve one tenant.

    Attributes:
        hits: Uses of what memory held.
        misses: Uses of what had to be fetched from the vault.
        prefetched: Blobs that were brought in ahead.
        prefetched_used: Those of them that were used while they were held.
        prefetched_bytes: Bytes that were brought in ahead.
        disk_hits: Uses of what the disk tier held.
    """

    hits: int = 0
    misses: int = 0
    prefetched: int = 0
    prefetched_used: int = 0
    prefetched_bytes: int = 0
    disk_hits: int = 0


@dataclass(slots=True, eq=False)
class _Loading:
    """A load under way; `dropped`: what it brings must not be held."""

    kept: Kept
    future: asyncio.Future[Blob] | None = None
    dropped: bool = False


class BlobCache:
    """Blobs by tenant and digest, within a budget of bytes, and beneath it within one of a disk."""

    def __init__(
        self,
        budget_bytes: int,
        *,
        policy: str = "hybrid",
        seconds: Callable[[], float] = time.monotonic,
        files: BlobFiles | None = None,
        disk_bytes: int = 0,
        spare: SpareMemory | None = None,
    ) -> None:
        """Keep at most so many bytes, those that the policy values.

        Args:
            budget_bytes: Bytes of memory.
            policy: Name of the policy of both tiers.
            seconds: Tells the time.
            files: Of the tier on a disk; None: there is none.
            disk_bytes: Bytes of that tier.
            spare: Memory that blobs lay in: what is dropped must not stay there either.
        """
        self._spare = spare
        self._tier = Tier(budget_bytes, policy_of(policy, budget_bytes), group=_group)
        self.policy, self.budget_bytes = policy, budget_bytes
        self._seconds = seconds
        self.disk = DiskTier(files, disk_bytes, policy=policy, group=_group, seconds=seconds)
        self._blobs: dict[str, Blob] = {}
        self._loading: dict[str, _Loading] = {}
        self._kept: dict[str, Kept] = {}
        self._ahead: set[str] = set()
        self._lately: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._figures: dict[str, Figures] = {}
        self._seconds_a_byte = _SECONDS_A_BYTE

    @property
    def size_bytes(self) -> int:
        """Bytes that are held in memory."""
        return self._tier.size_bytes

    def figures(self, tenant: str) -> Figures:
        """Return how the tiers serve a tenant."""
        return self._figures.get(tenant, Figures())

    def held_bytes(self, tenant: str) -> int:
        """Return the bytes of memory that a tenant's blobs take."""
        return self._tier.bytes_of.get(tenant, 0)

    async def get(
        self,
        tenant: str,
        digest: str,
        load: Callable[[], Awaitable[Blob]],
        *,
        agreements: frozenset[str],
        agent: str = "",
        labels: Iterable[str] = (),
        vault: str = "",
    ) -> Blob:
        """Return a blob, loaded where it is not held; callers that ask at once share one load.

        Args:
            tenant: The organisation that uses it.
            digest: SHA-256 of the blob.
            load: Fetches it from the vault.
            agreements: Agreements that it came under; when one ends, `drop_agreement` removes it.
            agent: Who uses it, within the organisation: policies expect its next uses from its last ones.
            labels: Its tags, for policies that hold what is alike.
            vault: Name of the vault that it lies in; what that forgets is removed by `drop`.
        """
        key, figures = f"{tenant}/{digest}", self._figures.setdefault(tenant, Figures())
        vaults, who = frozenset({vault} if vault else ()), _agent(tenant, agent)
        self._note(key, vaults)
        if key in self._blobs:
            figures.hits += 1
            figures.prefetched_used += key in self._ahead
            self._ahead.discard(key)
            self._tier.use(self._tier.held[key], self._seconds(), who)
            self._kept[key] = self._kept[key].joined(agreements, vaults)
            self.disk.used(key, self._kept[key].item, who, agreements, vaults)
            return self._blobs[key]
        if key in self.disk:
            figures.disk_hits += 1
        else:
            figures.misses += 1
        if (others := self._loading.get(key)) is not None and others.future is not None:
            others.kept = others.kept.joined(agreements, vaults)
            try:
                return await asyncio.shield(others.future)
            except PlatformError:
                # It was loaded with the rights of somebody else; one's own may suffice.
                pass
        if (loading := self._loading.get(key)) is None:
            kept = Kept(Item(key, 0, 0.0, _labels(tenant, labels)), agreements, vaults)
            loading = self._loading[key] = _Loading(kept)
            loading.future = asyncio.ensure_future(self._load(key, load, loading, who))
        assert loading.future is not None  # noqa: S101 - set together with the entry
        # A caller that goes does not end the load for the others.
        return await asyncio.shield(loading.future)

    def item(self, key: str, size_bytes: int, labels: Iterable[str] = ()) -> Item:
        """Return a blob that may be brought in, with the time that this saves by what loads took lately."""
        return Item(key, size_bytes, size_bytes * self._seconds_a_byte, _labels(_tenant(key), labels))

    def worth_fetching(self, item: Item) -> bool:
        """Say whether a blob, by its key of tenant and digest, would be held if it were brought in now."""
        return item.key not in self._loading and self._tier.worth_fetching(item, self._seconds())

    async def prefetch(self, item: Item, load: Callable[[], Awaitable[Blob]], *, vault: str = "") -> bool:
        """Bring a blob in ahead of its use; return whether it is held then.

        Args:
            item: It, by its key of tenant and digest.
            load: Fetches it from the vault.
            vault: Name of the vault that it lies in.
        """
        if not self.worth_fetching(item):
            return False
        loading = self._loading[item.key] = _Loading(Kept(item, vaults=frozenset({vault} if vault else ())))
        loading.future = asyncio.ensure_future(self._fetch(item.key, load))
        try:
            # Whoever asks for it meanwhile waits for this load, and does not begin another.
            data = await asyncio.shield(loading.future)
        finally:
            self._loading.pop(item.key, None)
        if loading.dropped:
            self._clear_spare()
            return False
        self._give_up(self._tier.prefetch(item, self._seconds()))
        if item.key not in self._tier.held:
            return False
        self._blobs[item.key], self._kept[item.key] = data, loading.kept
        self._ahead.add(item.key)
        figures = self._figures.setdefault(_tenant(item.key), Figures())
        figures.prefetched += 1
        figures.prefetched_bytes += item.size_bytes
        return True

    def drop_agreement(self, agreement: str) -> int:
        """Forget everything that came under an agreement, in memory and on the disk; return the number of blobs."""
        return self.drop({key for key, kept in self._known() if agreement in kept.agreements})

    def drop(self, keys: Iterable[str]) -> int:
        """Forget blobs in memory, on the disk and on their way, by keys of tenant and digest; return their number."""
        gone = set(keys)
        for key in gone:
            if (loading := self._loading.get(key)) is not None:
                loading.dropped = True
            self._tier.drop(key)
            self._forget(key)
            self._lately.pop(key, None)
            self.disk.drop(key)
        self._clear_spare()
        return len(gone)

    def by_vault(self) -> dict[str, set[str]]:
        """Return the keys of blobs that are held, on their way or were used lately, by the vaults they came from."""
        found: dict[str, set[str]] = defaultdict(set)
        held = [(key, kept.vaults) for key, kept in self._known()]
        for key, vaults in (*held, *self._lately.items()):
            for vault in vaults:
                found[vault].add(key)
        return dict(found)

    def tidy(self) -> None:
        """Give back memory that nobody has needed for long; to be called now and then."""
        if self._spare is not None:
            self._spare.give_back_idle()

    async def close(self) -> None:
        """Delete what lies on the disk."""
        await self.disk.close()

    def _known(self) -> list[tuple[str, Kept]]:
        on_their_way = [(key, loading.kept) for key, loading in self._loading.items()]
        return [*self._kept.items(), *self.disk.kept().items(), *on_their_way]

    async def _fetch(self, key: str, load: Callable[[], Awaitable[Blob]]) -> Blob:
        found = await self.disk.read(key)
        return found if found is not None else await load()

    async def _load(self, key: str, load: Callable[[], Awaitable[Blob]], loading: _Loading, agent: str) -> Blob:
        began = self._seconds()
        try:
            data, from_disk = await self.disk.read(key), True
            if data is None:
                data, from_disk = await load(), False
        finally:
            del self._loading[key]
        now = self._seconds()
        if data and not from_disk:
            self._seconds_a_byte += _NEWEST * ((now - began) / len(data) - self._seconds_a_byte)
        if loading.dropped:
            self._clear_spare()
            return data
        item = Item(key, len(data), now - began, loading.kept.item.labels)
        kept = Kept(item, loading.kept.agreements, loading.kept.vaults)
        self.disk.used(key, item, agent, kept.agreements, kept.vaults)
        _, driven_out = self._tier.use(item, now, agent)
        self._give_up(driven_out)
        if key in self._tier.held:
            self._blobs[key], self._kept[key] = data, kept
        else:
            self.disk.offer(kept, data)
        return data

    def _give_up(self, keys: list[str]) -> None:
        """Let the disk have what memory has no place for."""
        for key in keys:
            kept, data = self._kept[key], self._blobs[key]
            self._forget(key)
            self.disk.offer(kept, data)

    def _clear_spare(self) -> None:
        """Keep no memory in which something that was dropped may have lain, or may still lie."""
        if self._spare is not None:
            self._spare.forget(but=self._blobs.values())

    def _note(self, key: str, vaults: frozenset[str]) -> None:
        self._lately[key] = self._lately.pop(key, frozenset()) | vaults
        if len(self._lately) > _MOST_LATELY:
            self._lately.popitem(last=False)

    def _forget(self, key: str) -> None:
        self._blobs.pop(key, None)
        self._kept.pop(key, None)
        self._ahead.discard(key)


def _tenant(key: str) -> str:
    return key.partition("/")[0]


def _group(item: Item) -> str:
    return _tenant(item.key)


def _agent(tenant: str, agent: str) -> str:
    return f"{tenant}/{agent}" if agent else ""


def _labels(tenant: str, labels: Iterable[str]) -> frozenset[str]:
    # Of one tenant: what is popular with another says nothing here.
    return frozenset(f"{tenant}/{label}" for label in labels)
