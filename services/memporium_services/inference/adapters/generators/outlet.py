"""Items from a worker thread to the event loop: the worker never waits, and can see whether the reader keeps up."""

from __future__ import annotations

import asyncio
import threading
from typing import Generic, TypeVar

T = TypeVar("T")
# Items that may wait for a slow reader before its work is held.
_MOST_WAITING = 64


class CancelledWorkError(Exception):
    """The reader has gone; raised on the model's thread to end its work."""


class Outlet(Generic[T]):
    """Hands items over. `put`, `finish`, `check` and `has_room` are the worker's; the others the event loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over to this loop."""
        self._loop = loop
        self._queue: asyncio.Queue[T | None] = asyncio.Queue()
        self._cancelled = threading.Event()
        self._ended = asyncio.Event()
        self._error: BaseException | None = None
        self._put = 0
        self._taken = 0

    @property
    def cancelled(self) -> bool:
        """Whether the reader has gone."""
        return self._cancelled.is_set()

    @property
    def has_room(self) -> bool:
        """Whether the reader keeps up."""
        return self._put - self._taken < _MOST_WAITING

    def put(self, item: T) -> None:
        """Hand an item over.

        Raises:
            CancelledWorkError: The reader has gone.
        """
        self.check()
        self._put += 1
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    def check(self, _done: int = 0) -> None:
        """Raise CancelledWorkError where the reader has gone."""
        if self.cancelled:
            raise CancelledWorkError

    def finish(self, error: BaseException | None = None) -> None:
        """End the stream, with an error for the reader or without."""
        self._error = error
        self._loop.call_soon_threadsafe(self._end)

    async def get(self) -> T | None:
        """Return the next item, or None after the last; raise the error that ended it."""
        item = await self._queue.get()
        self._taken += 1
        if item is None and self._error is not None:
            raise self._error
        return item

    async def cancel(self) -> None:
        """Tell the worker to end and wait until it has."""
        self._cancelled.set()
        await self._ended.wait()

    def _end(self) -> None:
        self._ended.set()
        self._queue.put_nowait(None)
