"""Waiting in tests: for what happens, as long as it takes, since how fast machines are proves nothing."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

LIMIT_S = 60.0
"""What has not happened by then does not happen."""


async def eventually(check: Callable[[], Any], *, limit_s: float = LIMIT_S) -> Any:
    """Return what `check` returns, or what it returns comes to, as soon as that is true."""
    async with asyncio.timeout(limit_s):
        while True:
            found = check()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


def patiences(first_s: float) -> Iterator[float]:
    """Yield longer and longer timeouts, for calls that must have come in before theirs is over.

    A call that is over before the server saw it shows nothing of the server; a caller breaks off at one that it saw.
    """
    patience_s = first_s
    while patience_s < LIMIT_S:
        yield patience_s
        patience_s *= 4
    raise AssertionError("no call came in before its time was over")
