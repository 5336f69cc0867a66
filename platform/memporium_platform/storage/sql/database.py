"""The port to the relational store: short functions run against a connection, reads in parallel, writes in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")


class Database(Protocol):
    """One service's own schema.

    Functions are synchronous SQLAlchemy Core code; they run on a worker thread, not on the event loop, and may run
    more than once (a group is tried again after a serialisation failure), so they have no effect but on the connection.
    """

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in a read transaction with one consistent snapshot; return its result."""
        ...

    async def read_few(self, fn: Callable[[Connection], T]) -> T:
        """Do what `read` does with a function that reads few rows by their keys, which may run on the event loop."""
        ...

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in a durable write transaction; return its result once it is committed.

        Concurrent writes are committed in one group, each behind a savepoint: an exception of `fn` undoes only its
        own statements and is raised here. Isolation is serialisable on every engine.
        """
        ...

    async def scrub(self) -> None:
        """Remove what deleted rows left behind in the engine's files, as far as the engine can; after forgetting."""
        ...

    async def close(self) -> None:
        """Finish what was begun and release the connections."""
        ...
