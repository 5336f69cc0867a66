"""The longest time of calls whose clients set none: one timer for all of them.

All these times are the same, so calls end in the order in which they began, and only the first needs to be watched:
`asyncio.timeout` would make a timer for each, which most calls take down again after a millisecond.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any


class _Watched:
    """A task that must end in time."""

    __slots__ = ("ends", "expired", "task")

    def __init__(self, task: asyncio.Task[Any], ends: float) -> None:
        self.task = task
        self.ends = ends
        self.expired = False


class Deadlines:
    """Used on one event loop."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._watched: dict[_Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, seconds: float, answer: Awaitable[Any]) -> Any:
        """Return what is awaited; `seconds` must be the same each time.

        Raises:
            TimeoutError: It took longer; it was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        watched = _Watched(task, time.monotonic() + seconds)
        self._watched[watched] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._sweep)
        try:
            return await answer
        except asyncio.CancelledError:
            # Cancelled by the sweep alone, not by the client as well.
            if watched.expired and not task.uncancel():
                raise TimeoutError from None
            raise
        finally:
            self._watched.pop(watched, None)

    def _sweep(self) -> None:
        """Cancel what is over, and look again when the next one will be."""
        self._timer = None
        now = time.monotonic()
        while self._watched:
            first = next(iter(self._watched))
            if first.ends > now:
                self._timer = asyncio.get_running_loop().call_later(first.ends - now, self._sweep)
                return
            del self._watched[first]
            first.expired = True
            first.task.cancel()
