"""The platform's key: wraps organisations' keys and nothing else. A file, the environment, or a KMS behind the port."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Protocol

import structlog

from memporium_platform.crypto import sealed
from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LOG = structlog.get_logger(__name__)


class PlatformKey(Protocol):
    """Wraps and unwraps keys under the platform's key; a key management service fits behind it."""

    @property
    def current_id(self) -> str:
        """Id of the key that `wrap` uses."""
        ...

    async def wrap(self, key: bytes, aad: bytes) -> bytes:
        """Return `key` wrapped under the current key and bound to `aad`."""
        ...

    async def unwrap(self, key_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """Return the key that was wrapped under the platform key of this id."""
        ...


class LocalPlatformKey:
    """Platform keys in memory: the first wraps, the others only unwrap, until all is wrapped anew."""

    def __init__(self, keys: Sequence[bytes], *, path: Path | None = None) -> None:
        """Take the keys, newest first, 32 bytes each.

        Args:
            keys: The keys.
            path: The file that they are from: it is read again for a key that another process has added since.
        """
        self._path = path
        if not keys or any(len(key) != sealed.KEY_BYTES for key in keys):
            message = "a platform key has 32 bytes, in hexadecimal"
            raise ValueError(message)
        self._keys = {key_id(key): key for key in keys}
        self._current = key_id(keys[0])

    @property
    def current_id(self) -> str:
        """Id of the newest key."""
        return self._current

    async def wrap(self, key: bytes, aad: bytes) -> bytes:
        """Return `key` wrapped under the newest key."""
        return sealed.seal(self._keys[self._current], key, aad)

    async def unwrap(self, key_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """Return the key that was wrapped.

        Raises:
            PlatformError: UNAVAILABLE, where the platform key of that id is not at hand.
        """
        key = self._keys.get(key_id)
        if key is None and self._path is not None:
            added = await asyncio.to_thread(_from_file, self._path)
            self._keys |= {_id_of(one): one for one in added}
            key = self._keys.get(key_id)
        if key is None:
            raise PlatformError(Reason.UNAVAILABLE, f"the platform key {key_id} is not at hand")
        return sealed.open(key, wrapped, aad)


def key_id(key: bytes) -> str:
    """Return the id of a platform key: it tells keys apart and nothing about them."""
    return hashlib.sha256(b"memporium platform key id" + key).hexdigest()[:16]


async def platform_key(data_dir: Path, given: str = "") -> LocalPlatformKey:
    """Return the given key, else the one in `<data_dir>/platform.key`, which is made at the first start.

    Args:
        data_dir: Folder of the platform's data.
        given: 64 hexadecimal characters, or several such keys by commas, newest first: from a setting. "": the file.

    Raises:
        ValueError: The key is not of that form.
    """
    if given:
        return LocalPlatformKey(_parse(given.split(",")))
    path = data_dir / "platform.key"
    return LocalPlatformKey(await asyncio.to_thread(_from_file, path), path=path)


async def add_platform_key(data_dir: Path) -> LocalPlatformKey:
    """Put a new key first in the file; after `Keyring.rewrap` the older ones may be dropped."""

    def add() -> list[bytes]:
        path = data_dir / "platform.key"
        keys = [os.urandom(sealed.KEY_BYTES), *_from_file(path)]
        _write(path, keys)
        return keys

    return LocalPlatformKey(await asyncio.to_thread(add))


async def drop_old_platform_keys(data_dir: Path) -> LocalPlatformKey:
    """Keep only the newest key in the file."""

    def drop() -> list[bytes]:
        path = data_dir / "platform.key"
        keys = _from_file(path)[:1]
        _write(path, keys)
        return keys

    return LocalPlatformKey(await asyncio.to_thread(drop))


def _id_of(key: bytes) -> str:
    return key_id(key)  # where a parameter has that name


def _parse(lines: Sequence[str]) -> list[bytes]:
    try:
        return [bytes.fromhex(line) for line in lines if line.strip()]
    except ValueError as error:
        message = "a platform key has 32 bytes, in hexadecimal"
        raise ValueError(message) from error


def _from_file(path: Path) -> list[bytes]:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write_new(path, [os.urandom(sealed.KEY_BYTES)])
        except FileExistsError:  # Another process of the platform was first.
            pass
        else:
            _LOG.warning(
                "platform_key.created", path=str(path), advice="back it up apart from the data: without it all is lost"
            )
    return _parse(path.read_text(encoding="ascii").splitlines())


def _write_new(path: Path, keys: Sequence[bytes]) -> None:
    """Write the file as a whole, and only where there is none."""
    temporary = _written(path, keys)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()


def _write(path: Path, keys: Sequence[bytes]) -> None:
    _written(path, keys).replace(path)


def _written(path: Path, keys: Sequence[bytes]) -> Path:
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(key.hex() + "\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return temporary
