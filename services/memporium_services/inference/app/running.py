"""Uses that go on after they were counted: licences that bound how many go on at once must know when each is over."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from memporium_services.inference.ports import RunningUses

_log = structlog.get_logger("memporium.inference")
# A use loses its place 120 s after it was last heard of, unless the marketplace is set otherwise.
_SAY_EVERY_S = 40.0


@asynccontextmanager
async def going(uses: RunningUses, counted: Collection[tuple[str, str]]) -> AsyncIterator[None]:
    """Keep uses (agreement and use id) going for the block, and end them after it.

    Whether the marketplace hears of it or not: the uses are counted, and places that nobody gives back fall free.
    """
    if not counted:
        yield
        return
    saying = asyncio.create_task(_say(uses, counted))
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        # The caller may have hung up; the places are given back all the same.
        await asyncio.shield(_all(uses, counted, last=True))


async def _say(uses: RunningUses, counted: Collection[tuple[str, str]]) -> None:
    while True:
        await asyncio.sleep(_SAY_EVERY_S)
        await _all(uses, counted, last=False)


async def _all(uses: RunningUses, counted: Collection[tuple[str, str]], *, last: bool) -> None:
    for agreement, use_id in counted:
        try:
            await (uses.end(agreement, use_id) if last else uses.go_on(agreement, use_id))
        except PlatformError as error:
            _log.debug("inference.use_unheard", agreement=agreement, reason=error.reason.value)
