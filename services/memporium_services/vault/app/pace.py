"""How long work takes turns with rests, so that others get theirs."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# One piece that took long, because the machine was busy, is not followed by a rest that nobody needs.
_LONGEST_REST_S = 1.0


class Pace:
    """Lets work rest after each of its pieces, in proportion to how long that took."""

    def __init__(
        self,
        share: float,
        *,
        now: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Begin to work.

        Args:
            share: Of the time that may be worked; 1: no rests.
            now: A clock, seconds.
            sleep: Waits for some seconds.
        """
        self._rest, self._now, self._sleep = 1 / share - 1, now, sleep
        self._began = now()

    async def rest(self) -> None:
        """Rest from what was done since the last time."""
        if self._rest:
            await self._sleep(min(self._rest * (self._now() - self._began), _LONGEST_REST_S))
        self._began = self._now()
