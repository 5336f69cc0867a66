"""Objects in a folder: each appears whole or not at all, and is on the disk when `put` returns."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
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
        shutil.rmtree(self._temporary, ignore_errors=True)
        for folder in (self._data, self._temporary):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, key: str, data: bytes | AsyncIterable[bytes], *, size_bytes: int | None = None) -> None:
        """Write an object as a whole or not at all."""
        target = self._path(key)
        temporary = self._temporary / os.urandom(16).hex()
        try:
            written = await self._write(temporary, data)
            if size_bytes is not None and written != size_bytes:
                message = f"the object has {written} bytes, not {size_bytes}"
                raise ValueError(message)
            await asyncio.to_thread(self._publish, temporary, target)
        finally:
            await asyncio.to_thread(temporary.unlink, missing_ok=True)

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

    async def _write(self, path: Path, data: bytes | AsyncIterable[bytes]) -> int:
        descriptor = await asyncio.to_thread(os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            if isinstance(data, bytes):
                await asyncio.to_thread(_write_all, file.fileno(), data)
            else:
                async for piece in data:
                    await asyncio.to_thread(_write_all, file.fileno(), piece)
            await asyncio.to_thread(os.fsync, file.fileno())
            return file.tell()

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
