"""The stream of the authorisation state: all of it, then every change at once, and a sign of life each second."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from memporium_services.governance.ports import Directory

# Rows in one message: some 200 KiB.
CHUNK_ROWS = 1000
# Another replica's change is seen by asking this often; one of this process at once.
POLL_S = 0.25
HEARTBEAT_S = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the state: rows by key, empty message for a removed one."""

    reset: bool
    rows: Sequence[tuple[str, bytes]]
    epoch: int
    complete: bool


async def watch(directory: Directory, after_epoch: int) -> AsyncIterator[Part]:
    """Yield the state since `after_epoch`, then its changes, for ever."""
    epoch, silent_s = after_epoch, HEARTBEAT_S
    while True:
        change = directory.next_change()
        newest, full, rows = await directory.entries_since(epoch)
        if full or rows or newest != epoch or silent_s >= HEARTBEAT_S:
            for part in parts(rows, newest, full=full):
                yield part
            epoch, silent_s = newest, 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await change.wait()
        silent_s += POLL_S


def parts(rows: Sequence[tuple[str, bytes]], epoch: int, *, full: bool) -> list[Part]:
    """Return the messages that carry these rows; one at least."""
    starts = range(0, max(len(rows), 1), CHUNK_ROWS)
    return [
        Part(
            reset=full and start == 0,
            rows=rows[start : start + CHUNK_ROWS],
            epoch=epoch,
            complete=start + CHUNK_ROWS >= len(rows),
        )
        for start in starts
    ]
