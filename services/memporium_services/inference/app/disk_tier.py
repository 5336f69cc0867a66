"""The tier beneath host memory: tensors that memory had no place for, in files on a local disk, within a budget.

The policy of the tier above rules here, too, by all uses that it sees. A file stays when its tensors are brought back
into memory, so that they need not be written again. Without a disk, or where it is full or fails, the tier holds less
or nothing, and tensors come from the vault as before.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError
from memporium_platform.tiering.catalogue import policy as policy_of
from memporium_platform.tiering.tier import Tier

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_platform.tiering.policies import Item
    from memporium_services.inference.ports import Blob, BlobFile, BlobFiles

_log = structlog.get_logger("memporium.inference")
# Bytes that wait to be written: they are in memory beyond its budget meanwhile.
_MOST_WAITING_BYTES = 256 << 20
# A disk that refused is asked again after so many seconds.
_RESTS_S = 30.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a blob that is held in a tier.

    Attributes:
        item: It, as policies see it.
        agreements: Agreements that it came under.
        vaults: Vaults that it came from.
    """

    item: Item
    agreements: frozenset[str] = frozenset()
    vaults: frozenset[str] = frozenset()

    def joined(self, agreements: frozenset[str], vaults: frozenset[str]) -> Kept:
        """Return it with where else it came from."""
        return replace(self, agreements=self.agreements | agreements, vaults=self.vaults | vaults)


@dataclass(slots=True)
class _OnDisk:
    kept: Kept
    file: BlobFile
    # Until it is written.
    data: Blob | None = field(repr=False, default=None)


class DiskTier:
    """Blobs in files, by key of tenant and digest."""

    def __init__(
        self,
        files: BlobFiles | None,
        budget_bytes: int,
        *,
        policy: str = "hybrid",
        group: Callable[[Item], str] | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep at most so many bytes in files; None: there is no disk.

        Args:
            files: Writes and reads them.
            budget_bytes: Bytes that they may take together.
            policy: Which of them stay.
            group: Whose a blob is: each has a claim to the same share.
            seconds: Tells the time.
        """
        self.budget_bytes = budget_bytes if files is not None else 0
        self._files = files
        self._tier = Tier(self.budget_bytes, policy_of(policy, self.budget_bytes), group=group)
        self._group = group or (lambda _item: "")
        self._seconds = seconds
        self._held: dict[str, _OnDisk] = {}
        self._waiting_bytes = 0
        self._rests_until = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def size_bytes(self) -> int:
        """Bytes that are held."""
        return self._tier.size_bytes

    def held_bytes(self, tenant: str) -> int:
        """Return the bytes that a tenant's files take."""
        return self._tier.bytes_of.get(tenant, 0)

    def __contains__(self, key: str) -> bool:
        """Say whether a blob is held."""
        return key in self._held

    def kept(self) -> dict[str, Kept]:
        """Return what is held."""
        return {key: one.kept for key, one in self._held.items()}

    def used(self, key: str, item: Item, agent: str, agreements: frozenset[str], vaults: frozenset[str]) -> None:
        """Take note of a use, wherever the blob was found."""
        if self._files is None:
            return
        found = self._held.get(key)
        if found is not None:
            found.kept = found.kept.joined(agreements, vaults)
            item = found.kept.item
        self._tier.seen(item, self._seconds(), agent)

    def offer(self, kept: Kept, data: Blob) -> None:
        """Write a blob that memory gave up into a file, in the background, where it is worth its place."""
        key, size_bytes, now = kept.item.key, kept.item.size_bytes, self._seconds()
        room = not self._waiting_bytes or self._waiting_bytes + size_bytes <= _MOST_WAITING_BYTES
        if self._files is None or not size_bytes or key in self._held or now < self._rests_until or not room:
            return
        for driven_out in self._tier.admit(kept.item, now):
            self.drop(driven_out)
        if key not in self._tier.held:
            return
        entry = self._held[key] = _OnDisk(kept, self._files.new(size_bytes, self._group(kept.item)), data)
        self._waiting_bytes += size_bytes
        task = asyncio.create_task(self._write(self._files, key, entry, data), name="inference.disk_tier")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def read(self, key: str) -> Blob | None:
        """Return a blob, None where it is not held, or not any more."""
        found = self._held.get(key)
        if found is None or self._files is None:
            return None
        if found.data is not None:
            return found.data
        try:
            data = await asyncio.to_thread(self._files.read, found.file)
        except (OSError, PlatformError) as error:
            if self._held.get(key) is found:
                _log.warning("inference.disk_tier_unreadable", error=str(error))
                self.drop(key)
            return None
        # It may have been dropped while it was read: then nobody must get it from here.
        return data if self._held.get(key) is found else None

    def drop(self, key: str) -> None:
        """Delete a blob's file and let go of its key, at once."""
        found = self._held.pop(key, None)
        self._tier.drop(key)
        if found is not None and self._files is not None:
            with suppress(OSError):
                # Where the disk does not delete it, nobody can open it all the same.
                self._files.delete(found.file)

    async def settled(self) -> None:
        """Return when nothing waits to be written."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Delete everything."""
        for key in list(self._held):
            self.drop(key)
        await self.settled()
        if self._files is not None:
            await asyncio.to_thread(self._files.close)

    async def _write(self, files: BlobFiles, key: str, entry: _OnDisk, data: Blob) -> None:
        try:
            async with self._one_at_a_time:
                await asyncio.to_thread(files.write, entry.file, data)
        except OSError as error:
            _log.warning("inference.disk_tier_refused", error=error.strerror or type(error).__name__)
            self._rests_until = self._seconds() + _RESTS_S
            if self._held.get(key) is entry:
                self.drop(key)
        finally:
            entry.data = None
            self._waiting_bytes -= entry.kept.item.size_bytes
