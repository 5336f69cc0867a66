"""States of trainings in the object store, sealed: they hold what a memory says, as weights.

A key is a digest and tells nothing. Each object begins with the time at which it was kept, so that what nobody came
back for can be swept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from memporium_platform.crypto import sealed
from memporium_platform.errors import PlatformError
from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_platform.kernel import Clock
    from memporium_platform.storage.objects.object_store import ObjectStore

_log = structlog.get_logger("memporium.inference")
_PREFIX = "inference/training/"
LABEL = "inference/training"
_TIME_BYTES = 8
_MOST_BYTES = 4 << 30


class ObjectCheckpoints:
    """`CheckpointStore` over the object store."""

    def __init__(self, objects: ObjectStore, derive: Callable[[str], bytes], *, clock: Clock, keep_s: float) -> None:
        """Keep states sealed under a key derived from the platform's, for at most so long."""
        self._objects, self._derive, self._clock, self._keep_s = objects, derive, clock, keep_s

    async def load(self, key: str) -> bytes | None:
        """Return the state that was kept last, None for none or one that cannot be read."""
        try:
            stored = await self._objects.get_bytes(_PREFIX + key, limit_bytes=_MOST_BYTES)
            return sealed.open(self._derive(LABEL), stored[_TIME_BYTES:], stored[:_TIME_BYTES] + key.encode())
        except ObjectNotFoundError:
            return None
        except (ObjectTooLargeError, PlatformError):
            # The training begins anew: dearer than to go on, and never wrong.
            _log.warning("inference.checkpoint_unreadable", key=key)
            return None

    async def save(self, key: str, data: bytes) -> None:
        """Keep a state in place of the last."""
        time = int(self._clock.now().timestamp()).to_bytes(_TIME_BYTES, "little")
        await self._objects.put(_PREFIX + key, time + sealed.seal(self._derive(LABEL), data, time + key.encode()))

    async def delete(self, key: str) -> None:
        """Forget a state."""
        await self._objects.delete(_PREFIX + key)

    async def sweep(self) -> None:
        """Forget states that were kept longer ago than `keep_s`."""
        oldest = self._clock.now().timestamp() - self._keep_s
        for name in [name async for name in self._objects.list(_PREFIX)]:
            async for piece in self._objects.get(name, offset=0, length=_TIME_BYTES):
                if int.from_bytes(piece[:_TIME_BYTES], "little") < oldest:
                    await self._objects.delete(name)
                break
