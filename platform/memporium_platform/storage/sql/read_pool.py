"""Reads in parallel: a small pool of threads, each with a connection of its own.

Reads that wait share a transaction: a thread takes one after the other as long as they were asked for before its
snapshot was taken, so each sees every write that was acknowledged before it, and the switch between threads, the
beginning and the end are paid once for many. For the same reason a further thread is woken only when reads have waited
for a moment: threads that take turns at holding the interpreter do the work of one, later.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.failures import disconnected, storage_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")

# Reads that may wait or run; beyond it callers are told to come again.
PENDING_LIMIT = 4096
# A transaction takes no further read after this time: the results of the first ones wait for its end.
SHARED_S = 0.002
# Reads that wait for so long get one more thread.
PATIENCE_S = 0.001


class _Job(NamedTuple):
    number: int
    fn: Callable[[Connection], Any]
    context: Context
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


_Outcome = tuple[_Job, Any, BaseException | None]


class ReadPool:
    """Threads that run read functions, each function within one snapshot."""

    def __init__(self, connect: Callable[[], Connection], *, name: str, threads: int) -> None:
        """Keep how to connect; threads start and connections are made when first needed."""
        self._connect = connect
        self._name = name
        self._limit = threads
        self._threads: list[threading.Thread] = []
        self._waiting: deque[_Job] = deque()
        self._wake = threading.Condition()
        # Threads that work or were told to; the others wait.
        self._awake = 0
        self._asked = 0
        self._relief = False
        self._closing = False
        # Counted on the event loop alone.
        self._pending = 0

    @property
    def closing(self) -> bool:
        """Whether it takes no further read."""
        return self._closing

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` on one of the threads and return its result. A cancelled one that has not begun never runs."""
        if self._pending >= PENDING_LIMIT:
            raise PlatformError(Reason.OVERLOADED, "too many reads are waiting", retry_after_s=0.1)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(fn, loop, future)
        self._pending += 1
        try:
            return await future
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Finish what was begun and close the connections; blocks."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def _submit(
        self, fn: Callable[[Connection], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]
    ) -> None:
        with self._wake:
            if self._closing:
                raise PlatformError(Reason.UNAVAILABLE, "the store is closing", retry_after_s=1.0)
            self._asked += 1
            self._waiting.append(_Job(self._asked, fn, copy_context(), loop, future))
            if self._awake == 0:
                self._rouse()
            elif self._awake < self._limit and not self._relief:
                self._relief = True
                loop.call_later(PATIENCE_S, self._relieve, loop)

    def _relieve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake one more thread, if reads still wait."""
        with self._wake:
            self._relief = False
            if not self._waiting:
                return
            if self._awake < self._limit:
                self._rouse()
            if self._awake < self._limit:
                self._relief = True
                loop.call_later(PATIENCE_S, self._relieve, loop)

    def _rouse(self) -> None:
        """Wake a thread, or start one; the lock is held."""
        self._awake += 1
        if self._awake <= len(self._threads):
            self._wake.notify()
            return
        name = f"reader-{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        reader = _Reader(self._connect)
        try:
            while (taken := self._first()) is not None:
                job, newest = taken
                ends = time.monotonic() + SHARED_S
                _deliver(reader.run(job, lambda newest=newest, ends=ends: self._next(newest, ends)))  # type: ignore[misc]
        finally:
            reader.close()

    def _first(self) -> tuple[_Job, int] | None:
        """Wait for a read; return it, and the number of the newest one that its snapshot will do for."""
        with self._wake:
            while True:
                while self._waiting:
                    job = self._waiting.popleft()
                    if not job.future.cancelled():
                        return job, self._asked
                if self._closing:
                    return None
                self._awake -= 1
                self._wake.wait()

    def _next(self, newest: int, ends: float) -> _Job | None:
        """Return one more read for a snapshot that was taken after the read `newest` was asked for."""
        if time.monotonic() >= ends:
            return None
        with self._wake:
            while self._waiting and self._waiting[0].number <= newest:
                job = self._waiting.popleft()
                if not job.future.cancelled():
                    return job
        return None


class _Reader:
    """One thread's connection."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    def run(self, job: _Job, following: Callable[[], _Job | None]) -> list[_Outcome]:
        """Run a read, and those that may follow in the same transaction; an error ends it."""
        outcomes: list[_Outcome] = []
        current: _Job | None = job
        try:
            connection = self._connection = self._connection or self._connect()
            with connection.begin():
                while current is not None:
                    outcomes.append((current, current.context.run(current.fn, connection), None))
                    current = following()
        except BaseException as error:  # noqa: BLE001 - told to whoever asked
            self._drop_if_lost()
            # None: all were read, and only the end of a transaction without effect failed.
            if current is not None:
                outcomes.append(self._failed(current, error))
        return outcomes

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _failed(self, job: _Job, error: BaseException) -> _Outcome:
        if not disconnected(error):
            return job, None, storage_failure(error)
        # The server closed an idle connection: a read has no effect, so a new connection may try it once more.
        try:
            connection = self._connection = self._connection or self._connect()
            with connection.begin():
                return job, job.context.run(job.fn, connection), None
        except BaseException as again:  # noqa: BLE001 - told to whoever asked
            self._drop_if_lost()
            return job, None, storage_failure(again)

    def _drop_if_lost(self) -> None:
        if self._connection is not None and self._connection.invalidated:
            connection, self._connection = self._connection, None
            with suppress(Exception):  # It is thrown away.
                connection.close()


def _deliver(outcomes: list[_Outcome]) -> None:
    """Hand results to their event loops, with one wake-up a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, mine)
        except RuntimeError:  # The loop is closed: nobody waits any more.
            continue


def _resolve(outcomes: list[_Outcome]) -> None:
    for job, result, error in outcomes:
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
