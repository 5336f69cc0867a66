"""Reads in parallel: a small pool of threads, each with a connection of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.failures import disconnected, storage_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")

# Reads that may wait or run; beyond it callers are told to come again.
PENDING_LIMIT = 4096


class ReadPool:
    """Threads that run read functions, each in a transaction with one snapshot."""

    def __init__(self, connect: Callable[[], Connection], *, name: str, threads: int) -> None:
        """Keep how to connect; connections are made when first needed."""
        self._connect = connect
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"reader-{name}")
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: set[Connection] = set()
        self._pending = 0

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` on one of the threads and return its result."""
        if self._pending >= PENDING_LIMIT:
            raise PlatformError(Reason.OVERLOADED, "too many reads are waiting", retry_after_s=0.1)
        loop = asyncio.get_running_loop()
        self._pending += 1
        try:
            return await loop.run_in_executor(self._executor, copy_context().run, self._read, fn)
        except RuntimeError as error:
            if "shutdown" in str(error):
                raise PlatformError(Reason.UNAVAILABLE, "the store is closing", retry_after_s=1.0) from error
            raise
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Finish what was begun and close the connections; blocks."""
        self._executor.shutdown(wait=True)
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()

    def _read(self, fn: Callable[[Connection], T]) -> T:
        try:
            return self._once(fn)
        except Exception as error:
            if not disconnected(error):
                failure = storage_failure(error)
                if failure is error:
                    raise
                raise failure from error
        # The server closed an idle connection: a read has no effect, so a new connection may try it once more.
        try:
            return self._once(fn)
        except Exception as error:
            raise storage_failure(error) from error

    def _once(self, fn: Callable[[Connection], T]) -> T:
        connection = self._connection()
        try:
            with connection.begin():
                return fn(connection)
        except Exception:
            if connection.invalidated:
                self._forget(connection)
            raise

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = self._connect()
            with self._lock:
                self._all.add(connection)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._mine.connection = None
        with self._lock:
            self._all.discard(connection)
        connection.close()
