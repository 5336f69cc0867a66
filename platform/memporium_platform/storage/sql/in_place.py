"""Reads of few rows in place: on the event loop, where a thread would take longer to be woken than to read.

An embedded store answers from memory in microseconds; to hand over to a thread and back costs more, and the two then
fight for the interpreter at every row. Reads go to the threads for a while after one that took long (the disk is slow,
or the rows were many), and whenever one fails.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from memporium_platform.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from memporium_platform.storage.sql.read_pool import ReadPool

T = TypeVar("T")

# The event loop must not stand still for longer; after it did, reads go to the threads for `SHY_S`.
LONGEST_S = 0.02
SHY_S = 1.0


class InPlaceReads:
    """One connection of the event loop's own. Used on the event loop alone."""

    def __init__(self, connect: Callable[[], Connection], pool: ReadPool) -> None:
        """Keep how to connect, and who reads otherwise."""
        self._connect = connect
        self._pool = pool
        self._connection: Connection | None = None
        self._shy_until = 0.0

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in a read transaction with one consistent snapshot; return its result."""
        began = time.monotonic()
        if began < self._shy_until or self._pool.closing:
            return await self._pool.run(fn)
        try:
            connection = self._connection = self._connection or self._connect()
            with connection.begin():
                result = fn(connection)
        except PlatformError:
            raise
        except Exception:  # noqa: BLE001 - a thread tries again, and tells what is wrong
            self._shy_until = began + SHY_S
            self.close()
            return await self._pool.run(fn)
        ended = time.monotonic()
        if ended - began > LONGEST_S:
            self._shy_until = ended + SHY_S
        return result

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # It may be broken, and is thrown away.
                connection.close()
