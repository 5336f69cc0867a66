"""Lets a thread read what a coroutine yields: the SDK wants a file, services have an async iterator."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from concurrent.futures import Future
    from types import TracebackType


class PuttingAbortedError(Exception):
    """The source failed; `cause` is why. Raised through the SDK, which then gives the upload up."""

    def __init__(self, cause: BaseException) -> None:
        """Keep the cause."""
        super().__init__(str(cause))
        self.cause = cause


class AsyncSource(io.RawIOBase):
    """A readable file over an async iterator of bytes; `read` blocks its thread while the loop makes the next piece."""

    def __init__(
        self, pieces: AsyncIterable[bytes], loop: asyncio.AbstractEventLoop, *, size_bytes: int | None
    ) -> None:
        """Take the iterator; it is pulled on `loop`. The end is refused where it comes at another size."""
        self._pieces = aiter(pieces)
        self._loop = loop
        self._size_bytes = size_bytes
        self._given_bytes = 0
        self._left = b""
        self._ended = False
        self._abandoned = threading.Event()
        self._pulling: Future[bytes | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Refuse all further reads: the upload's task is over, and the loop is not to be called any more."""
        self._abandoned.set()
        if self._pulling is not None:
            self._pulling.cancel()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return exactly `size` bytes, fewer only at the end."""
        parts: list[bytes] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted:
            if not self._left and not self._more():
                break
            part, self._left = self._left[:wanted], self._left[wanted:]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _more(self) -> bool:
        if self._ended:
            return False
        if self._abandoned.is_set():
            raise PuttingAbortedError(asyncio.CancelledError())
        try:
            self._pulling = asyncio.run_coroutine_threadsafe(_next(self._pieces), self._loop)
            if self._abandoned.is_set():  # Between the first look and this pull; `__exit__` did not see it.
                self._pulling.cancel()
            piece = self._pulling.result()
        except BaseException as error:
            raise PuttingAbortedError(error) from error
        self._left, self._ended = piece or b"", piece is None
        self._given_bytes += len(self._left)
        over = self._size_bytes is not None and (
            self._given_bytes > self._size_bytes or (self._ended and self._given_bytes != self._size_bytes)
        )
        if over:
            message = f"the object has {self._given_bytes} bytes or more, not {self._size_bytes}"
            raise PuttingAbortedError(ValueError(message))
        return not self._ended


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    """Return the next piece that holds anything; None at the end."""
    async for piece in pieces:
        if piece:
            return bytes(piece)
    return None
