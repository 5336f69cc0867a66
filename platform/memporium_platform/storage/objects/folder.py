"""Objects in a folder: each appears whole or not at all, and is on the disk when `put` returns."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
from typing import TYPE_CHECKING

from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from pathlib import Path

PIECE_BYTES = 1 << 20

_KEY = re.compile(r"(?!/)(?:(?:^|/)(?!\.{1,2}(?:/|$))[a-zA-Z0-9._-]{1,255})+")
_KEY_LIMIT = 1000
_TEMPORARY = "tmp"
_DATA = "data"


def check_key(key: str) -> str:
    """Return a key if it is well formed.

    Raises:
        ValueError: It is not; keys are made by the platform, so this is a defect and no caller's fault.
    """
    if len(key) > _KEY_LIMIT or not _KEY.fullmatch(key):
        message = f"not an object key: {key[:80]!r}"
        raise ValueError(message)
    return key


class FolderObjectStore:
    """Objects as files below `<root>/data`, written in `<root>/tmp` first."""

    def __init__(self, root: Path) -> None:
        """Make the folders; remove what a crash left half written."""
        self._data = root / _DATA
        self._temporary = root / _TEMPORARY
        for folder in (self._data, self._temporary):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._temporary.iterdir():
            _remove_if_stale(left)

    async def put(self, key: str, data: bytes | AsyncIterable[bytes], *, size_bytes: int | None = None) -> None:
        """Write an object as a whole or not at all."""
        target = self._path(key)
        # Not on a thread: it takes microseconds, and a cancellation in between would lose the descriptor.
        descriptor, temporary = _create(self._temporary)
        try:
            written = await _write(descriptor, data)
            if size_bytes is not None and written != size_bytes:
                message = f"the object has {written} bytes, not {size_bytes}"
                raise ValueError(message)
            await asyncio.to_thread(self._publish, temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield the object's bytes in pieces of at most 1 MiB."""
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ObjectNotFoundError(key) from error
        try:
            await asyncio.to_thread(file.seek, offset)
            left = length
            while left is None or left > 0:
                piece = await asyncio.to_thread(file.read, PIECE_BYTES if left is None else min(PIECE_BYTES, left))
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            file.close()

    async def get_bytes(self, key: str, *, limit_bytes: int) -> bytes:
        """Return a small object whole."""
        path = self._path(key)

        def read() -> bytes:
            with path.open("rb") as file:
                return file.read(limit_bytes + 1)

        try:
            data = await asyncio.to_thread(read)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ObjectNotFoundError(key) from error
        if len(data) > limit_bytes:
            raise ObjectTooLargeError(key)
        return data

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes, or None where there is none."""
        path = self._path(key)
        return await asyncio.to_thread(lambda: path.stat().st_size if path.is_file() else None)

    async def delete(self, key: str) -> None:
        """Remove an object; one that is absent is no error."""
        path = self._path(key)

        def remove() -> None:
            if path.is_file():
                path.unlink(missing_ok=True)
                _sync(path.parent)

        await asyncio.to_thread(remove)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with `prefix`, in order."""
        for key in await asyncio.to_thread(_keys, self._data, prefix):
            yield key

    async def close(self) -> None:
        """Nothing is held."""

    def _path(self, key: str) -> Path:
        return self._data / check_key(key)

    def _publish(self, temporary: Path, target: Path) -> None:
        made = [folder for folder in target.parents if folder.is_relative_to(self._data) and not folder.exists()]
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.replace(target)
        _sync(target.parent)
        for folder in made:
            _sync(folder.parent)


def _keys(data: Path, prefix: str) -> list[str]:
    # Only the folder that the prefix names can hold matches.
    start = data / prefix.rpartition("/")[0] if "/" in prefix else data
    if not start.resolve().is_relative_to(data.resolve()):
        return []
    found = (path.relative_to(data).as_posix() for path in start.rglob("*") if path.is_file())
    return sorted(key for key in found if key.startswith(prefix))


def _create(folder: Path) -> tuple[int, Path]:
    """Make a temporary file and lock it, so that a process that starts meanwhile does not take it for a leftover."""
    while True:
        path = folder / os.urandom(16).hex()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, path
        os.close(descriptor)  # It was removed before it was locked.


def _remove_if_stale(path: Path) -> None:
    """Remove a temporary file whose writer is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


async def _write(descriptor: int, data: bytes | AsyncIterable[bytes]) -> int:
    """Write everything and bring it to the disk; return the number of bytes."""
    written = 0
    if isinstance(data, bytes):
        await asyncio.to_thread(_write_all, descriptor, data)
        written = len(data)
    else:
        async for piece in data:
            await asyncio.to_thread(_write_all, descriptor, piece)
            written += len(piece)
    await asyncio.to_thread(os.fsync, descriptor)
    return written


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
