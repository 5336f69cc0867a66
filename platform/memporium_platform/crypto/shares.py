"""Keys that stand only as long as every memory stands that they were made from.

Long work on memories, such as a training, keeps its state to go on after a crash, and that state holds what they say.
Its key is made from a share for each memory. Who forgets a memory destroys its shares: from then on nobody can open the
state, wherever copies of it lie, and also if it is kept once more by work that has not heard of it yet.

A share lies in the object store under keyed digests of vault and memory, sealed under a key of the organisation, and
goes with that, too. Nothing there tells the name of a memory.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from memporium_platform.crypto import sealed
from memporium_platform.errors import PlatformError
from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.storage.objects.object_store import ObjectStore

_SHARES, _STATES = "inference/training-shares/", "inference/training/"
# Under this name, which no vault has, an organisation's key for shares lies among those of its vaults.
_KEY_NAME = "training-shares"
_SHARE_BYTES, _TIME_BYTES, _MOST_BYTES = 32, 8, 1024
_TAG_CHARACTERS = 32


class Share(NamedTuple):
    """One share: the object, the memory by its tag, and the work whose key it is part of."""

    key: str
    tag: str
    task: str


def state_key(task: str) -> str:
    """Return where the state of a task lies in the object store."""
    return _STATES + task


class Shares:
    """The shares of all organisations."""

    def __init__(self, objects: ObjectStore, keys: Keyring) -> None:
        """Keep them in this store, sealed by these keys."""
        self._objects, self._keys = objects, keys
        self._secret = keys.derive("training-shares")

    async def make(self, org: str, task: str, cubes: Sequence[str], *, now: float) -> bytes:
        """Return a new key for a task on memories; an older one of the task stands no more.

        Args:
            org: Id of the organisation that the work is done for.
            task: A digest that names the work.
            cubes: Full names of the memories.
            now: The time in seconds, for `sweep`.
        """
        time = int(now).to_bytes(_TIME_BYTES, "little")
        wrapping, parts = await self._keys.vault_key(org, _KEY_NAME), []
        for cube in cubes:
            part, key = os.urandom(_SHARE_BYTES), self._key(task, cube)
            await self._objects.put(key, time + sealed.seal(wrapping, part, time + key.encode()))
            parts.append(part)
        return _joined(task, parts)

    async def find(self, org: str, task: str, cubes: Sequence[str]) -> bytes | None:
        """Return the key of a task; None where any of its memories was forgotten, or there never was one."""
        parts = []
        try:
            wrapping = await self._keys.vault_key(org, _KEY_NAME)
            for cube in cubes:
                key = self._key(task, cube)
                found = await self._objects.get_bytes(key, limit_bytes=_MOST_BYTES)
                time, body = found[:_TIME_BYTES], found[_TIME_BYTES:]
                parts.append(sealed.open(wrapping, body, time + key.encode()))
        except (ObjectNotFoundError, ObjectTooLargeError, PlatformError):
            return None
        return _joined(task, parts)

    async def drop(self, task: str, cubes: Sequence[str]) -> None:
        """Destroy the key of a task that is over."""
        for cube in cubes:
            await self._objects.delete(self._key(task, cube))

    async def sweep(self, before: float, *, keep: Collection[str]) -> None:
        """Destroy shares that were made before a time, in seconds, but for those of tasks to keep."""
        for share in [one async for one in self._all(_SHARES) if one.task not in keep]:
            async for piece in self._objects.get(share.key, offset=0, length=_TIME_BYTES):
                if int.from_bytes(piece[:_TIME_BYTES], "little") < before:
                    await self._objects.delete(share.key)
                break

    async def any_of(self, vault: str) -> bool:
        """Say whether any memory of a vault has shares."""
        return bool([share async for share in self._all(self._folder(vault))])

    async def known(self, vault: str, task: str) -> bool:
        """Say whether a task has shares for memories of a vault in this store."""
        return bool([share async for share in self._all(self._folder(vault)) if share.task == task])

    async def destroy(self, vault: str, cubes: Collection[str] | None) -> int:
        """Destroy the shares of memories of a vault (None: of all), and the states that they were for; return those."""
        tags = None if cubes is None else {self._tag(cube) for cube in cubes}
        shares = [one async for one in self._all(self._folder(vault))]
        tasks = {share.task for share in shares if tags is None or share.tag in tags}
        # Every share first: only they can open a state. Those of other memories in it are of no use any more.
        for share in shares:
            if share.task in tasks:
                await self._objects.delete(share.key)
        for task in tasks:
            await self._objects.delete(state_key(task))
        return len(tasks)

    async def _all(self, prefix: str) -> AsyncIterator[Share]:
        async for key in self._objects.list(prefix):
            tag, _, task = key.rpartition("/")[2].partition(".")
            yield Share(key, tag, task)

    def _key(self, task: str, cube: str) -> str:
        return f"{self._folder(cube.rpartition('/cubes/')[0])}{self._tag(cube)}.{task}"

    def _folder(self, vault: str) -> str:
        return f"{_SHARES}{self._tag(vault)}/"

    def _tag(self, name: str) -> str:
        return hmac.new(self._secret, name.encode(), hashlib.sha256).hexdigest()[:_TAG_CHARACTERS]


def _joined(task: str, parts: Sequence[bytes]) -> bytes:
    info = b"memporium training state " + task.encode()
    return HKDF(algorithm=hashes.SHA256(), length=sealed.KEY_BYTES, salt=None, info=info).derive(b"".join(parts))
