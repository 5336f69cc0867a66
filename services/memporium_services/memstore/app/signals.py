"""Wakes streams of this process when something was committed."""

from __future__ import annotations

import asyncio


class Signal:
    """Something may be new. Take a ticket, look, then wait with the ticket: nothing between is missed."""

    def __init__(self) -> None:
        """Begin without news."""
        self._event = asyncio.Event()

    def ticket(self) -> asyncio.Event:
        """Return what the next `fire` sets."""
        return self._event

    def fire(self) -> None:
        """Wake everyone who waits."""
        self._event.set()
        self._event = asyncio.Event()

    @staticmethod
    async def wait(ticket: asyncio.Event, timeout_s: float) -> None:
        """Return at the `fire` after the ticket was taken, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await ticket.wait()
        except TimeoutError:
            return
