"""States of trainings in the object store, sealed: they hold what a memory says, as weights.

A name is a digest and tells nothing. The key of a state stands only as long as every memory does that the training
uses: what is forgotten cannot be read from it any more, whether or not the training has heard of that. Each object
begins with the time at which it was kept, so that what nobody came back for can be swept.

That holds where the vaults have the same object store, as they do unless services are apart and each has a folder of
its own. So a vault is asked whether it finds the shares before anything is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from memporium_platform.crypto import sealed
from memporium_platform.crypto.shares import state_key
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from memporium_platform.clock import Clock
    from memporium_platform.crypto.shares import Shares
    from memporium_platform.storage.objects.object_store import ObjectStore

_log = structlog.get_logger("memporium.inference")
_TIME_BYTES = 8
_MOST_BYTES = 4 << 30


class ObjectCheckpoints:
    """`CheckpointStore` over the object store."""

    def __init__(
        self,
        objects: ObjectStore,
        shares: Shares,
        *,
        clock: Clock,
        keep_s: float,
        known: Callable[[str, str], Awaitable[bool]] | None = None,
    ) -> None:
        """Keep states sealed under keys made from shares, for at most so long.

        Args:
            objects: Where states are kept.
            shares: What their keys are made from.
            clock: The time.
            keep_s: How long states stay that nobody comes back for.
            known: Asks a vault by its name whether it finds the shares of a training; None: it does.
        """
        self._objects, self._shares, self._clock, self._keep_s = objects, shares, clock, keep_s
        self._known = known
        self._open: dict[str, tuple[bytes, str, tuple[str, ...]]] = {}

    async def begin(self, key: str, org: str, cubes: Sequence[str]) -> bool:
        """Let a training keep its state, or go on from one; return whether it is a new one.

        Raises:
            PlatformError: FAILED_PRECONDITION, where a vault cannot end it by forgetting.
        """
        found = await self._shares.find(org, key, cubes)
        if found is None:
            await self._objects.delete(state_key(key))
        if (secret := found) is None:
            secret = await self._shares.make(org, key, cubes, now=self._clock.now().timestamp())
        await self._require_known(key, cubes)
        self._open[key] = (secret, org, tuple(cubes))
        return found is None

    async def _require_known(self, key: str, cubes: Sequence[str]) -> None:
        for vault in dict.fromkeys(cube.rpartition("/cubes/")[0] for cube in cubes):
            if self._known is None or await self._known(vault, key):
                continue
            if not await self._shares.known(vault, key):
                # It was forgotten at this very moment, here as there.
                continue
            await self.delete(key, cubes)
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                "the vault service does not find the keys of trainings, so forgetting a memory would not reach them: "
                "give the vault and inference services one object store (MEMPORIUM_OBJECTS_URL)",
                metadata={"resource": vault},
            )

    async def check(self, key: str) -> None:
        """Refuse to go on where a memory was forgotten that the training uses.

        Raises:
            PlatformError: NOT_FOUND.
        """
        secret, org, cubes = self._open[key]
        if await self._shares.find(org, key, cubes) != secret:
            raise PlatformError(
                Reason.NOT_FOUND,
                "a memory that the training uses was forgotten meanwhile, and its state with it",
                metadata={"resource": cubes[0] if len(cubes) == 1 else cubes[0].rpartition("/cubes/")[0]},
            )

    async def load(self, key: str) -> bytes | None:
        """Return the state that was kept last, None for none or one that cannot be read."""
        secret, _, _ = self._open[key]
        try:
            stored = await self._objects.get_bytes(state_key(key), limit_bytes=_MOST_BYTES)
            return sealed.open(secret, stored[_TIME_BYTES:], stored[:_TIME_BYTES] + key.encode())
        except ObjectNotFoundError:
            return None
        except (ObjectTooLargeError, PlatformError):
            # The training begins anew: dearer than to go on, and never wrong.
            _log.warning("inference.checkpoint_unreadable", key=key)
            return None

    async def save(self, key: str, data: bytes) -> None:
        """Keep a state in place of the last.

        Raises:
            PlatformError: NOT_FOUND, where a memory was forgotten that the training uses.
        """
        await self.check(key)
        time = int(self._clock.now().timestamp()).to_bytes(_TIME_BYTES, "little")
        await self._objects.put(state_key(key), time + sealed.seal(self._open[key][0], data, time + key.encode()))

    async def close(self, key: str) -> None:
        """Take note that a training runs here no more; its state stays."""
        self._open.pop(key, None)

    async def delete(self, key: str, cubes: Sequence[str]) -> None:
        """Forget a state, and its key."""
        self._open.pop(key, None)
        await self._shares.drop(key, cubes)
        await self._objects.delete(state_key(key))

    async def sweep(self) -> None:
        """Forget states that were kept longer ago than `keep_s`, and keys of that age that have none."""
        oldest = self._clock.now().timestamp() - self._keep_s
        prefix, kept = state_key(""), set(self._open)
        for name in [name async for name in self._objects.list(prefix)]:
            async for piece in self._objects.get(name, offset=0, length=_TIME_BYTES):
                if int.from_bytes(piece[:_TIME_BYTES], "little") < oldest:
                    await self._objects.delete(name)
                else:
                    kept.add(name.removeprefix(prefix))
                break
        await self._shares.sweep(oldest, keep=kept)
