"""The port to the object store: immutable objects by key, moved in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator


class ObjectStore(Protocol):
    """Objects by key; keys are `/`-separated parts of `[a-zA-Z0-9._-]`, never `.` or `..`.

    Only what S3 itself has. An ETag is never a content hash, and conditional puts are not relied on alone.
    """

    async def put(self, key: str, data: bytes | AsyncIterable[bytes], *, size_bytes: int | None = None) -> None:
        """Write an object as a whole or not at all; an existing one is replaced. Durable when it returns."""
        ...

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield the object's bytes in pieces of at most 1 MiB.

        Raises:
            ObjectNotFoundError: No such object.
        """
        ...

    async def get_bytes(self, key: str, *, limit_bytes: int) -> bytes:
        """Return a small object whole; an object larger than `limit_bytes` is refused with ObjectTooLargeError."""
        ...

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes, or None where there is none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; one that is absent is no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with `prefix`, in order."""
        ...

    async def close(self) -> None:
        """Release threads and connections."""
        ...


class ObjectNotFoundError(Exception):
    """There is no object of that key."""


class ObjectTooLargeError(Exception):
    """The object is larger than the caller allows."""
