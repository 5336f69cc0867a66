"""The Database port on any SQLAlchemy engine: a pool of readers and one writer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from memporium_platform.storage.sql.group_commit import GroupCommitWriter, WriteConnections
from memporium_platform.storage.sql.in_place import InPlaceReads
from memporium_platform.storage.sql.read_pool import ReadPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")


class EngineDatabase:
    """A service's own schema; what differs between engines is in the connections it is given."""

    def __init__(
        self,
        *,
        name: str,
        read_connection: Callable[[], Connection],
        write_connections: WriteConnections,
        scrub: Callable[[Connection], None],
        read_threads: int,
        in_place: bool = False,
    ) -> None:
        """Start the writer; readers connect when first needed.

        Args:
            name: The service's name, for thread names.
            read_connection: Opens a connection whose `begin()` takes one snapshot.
            write_connections: Opens the writer's connection.
            scrub: Removes what deleted rows left behind; is given the writer's connection, outside a transaction.
            read_threads: Reads that run at once.
            in_place: Whether the store is in this process, so that few rows are read faster than a thread wakes.
        """
        self._readers = ReadPool(read_connection, name=name, threads=read_threads)
        self._in_place = InPlaceReads(read_connection, self._readers) if in_place else None
        self._writer = GroupCommitWriter(write_connections, name=name)
        self._scrub = scrub

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in a read transaction with one consistent snapshot; return its result."""
        return await self._readers.run(fn)

    async def read_few(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn`, which reads few rows by their keys, as `read` does; where the store is embedded, in place."""
        if self._in_place is None:
            return await self._readers.run(fn)
        return await self._in_place.run(fn)

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in a durable write transaction; return its result once it is committed."""
        return await self._writer.run(fn)

    async def scrub(self) -> None:
        """Remove what deleted rows left behind in the engine's files, as far as the engine can."""
        await self._writer.run(self._scrub, alone=True)

    async def close(self) -> None:
        """Finish what was begun and release the connections."""
        await asyncio.to_thread(self._readers.close)
        if self._in_place is not None:
            self._in_place.close()
        await asyncio.to_thread(self._writer.close)
