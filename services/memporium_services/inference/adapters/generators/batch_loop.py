"""The thread that owns a model: requests read their prompts piece by piece and write their answers together.

A request is a generator. It yields `Admit` before it uses the model, None after each piece of its prompt, and `Decode`
for each token, for which it gets the logits after it. In each round one request that reads gets one piece, in turn, and
all that write get one token in one step of the model; so a long prompt holds the others up for a piece at most, and who
comes late need not wait until a batch is through (Yu et al., Orca, OSDI 2022; Agrawal et al., Sarathi-Serve, OSDI
2024). What is mounted is each row's own, so nobody waits for others to be through with another adapter.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from memporium_services.inference.adapters.generators.outlet import Outlet

# How soon a slow reader that has caught up, or one that has gone, is noticed while nothing else goes on.
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Admit:
    """Wait for room of so many tokens."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Decode:
    """Read this token behind the cache, with these adapters; the request goes on with the logits after it."""

    token: int
    cache: Any
    adapters: Any = None


class BatchEngine(Protocol):
    """What the loop needs of a model."""

    def step(self, tokens: Sequence[int], caches: Sequence[Any], adapters: Sequence[Any]) -> Sequence[Any]:
        """Read one token behind each cache, each with adapters of its own; return the logits of each."""
        ...


@dataclass(eq=False, slots=True)
class _Job:
    work: Generator[Admit | Decode | None, Any, None]
    outlet: Outlet[Any]
    admit: Admit
    wants: Decode | None = None

    @property
    def ready(self) -> bool:
        """Whether it can go on: its reader keeps up, or has gone."""
        return self.outlet.has_room or self.outlet.cancelled


class BatchLoop:
    """Runs requests on a thread of its own until it is closed."""

    def __init__(self, name: str, engine: Callable[[], BatchEngine], *, max_rows: int, max_tokens: int) -> None:
        """Run on what `engine` returns, on the thread; at most so many requests, and tokens of all, at once.

        A request of more tokens than `max_tokens` runs alone.
        """
        self._engine = engine
        self._max_rows = max_rows
        self._max_tokens = max_tokens
        self._incoming: queue.SimpleQueue[_Job | Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting: deque[_Job] = deque()
        self._running: deque[_Job] = deque()
        self._thread = threading.Thread(target=self._run, name=f"model-{name}", daemon=True)
        self._starting = threading.Lock()
        self._closed = False

    @property
    def crowded(self) -> bool:
        """Whether more than one request is at work; asked on the thread."""
        return len(self._running) > 1

    def submit(self, work: Generator[Admit | Decode | None, Any, None], outlet: Outlet[Any]) -> None:
        """Run a request; its end is put into its outlet.

        Raises:
            PlatformError: MODEL_UNAVAILABLE after `close`.
        """
        self._send(_Job(work, outlet, Admit(0)))

    def call(self, function: Callable[[], None]) -> None:
        """Run a function that raises nothing on the thread, between two steps."""
        self._send(function)

    def close(self) -> None:
        """End all requests and the thread; wait for it. Later calls do nothing."""
        with self._starting:
            self._closed = True
        if self._thread.ident is not None:
            self._incoming.put(None)
            self._thread.join()

    def _send(self, item: _Job | Callable[[], None]) -> None:
        with self._starting:
            if self._closed:
                raise _released()
            if self._thread.ident is None:
                self._thread.start()
            self._incoming.put(item)

    def _run(self) -> None:
        while self._take():
            for job in [*self._running, *self._waiting]:
                if job.outlet.cancelled:
                    self._end(job)
            self._admit()
            self._read()
            self._write()
        for job in [*self._running, *self._waiting]:
            self._end(job, _released())

    def _take(self) -> bool:
        """Take in what has come, waiting for it while nothing can go on; return False to end."""
        timeout = None if not (self._running or self._waiting) else _POLL_S
        busy = any(job.ready for job in self._running)
        while True:
            try:
                item = self._incoming.get_nowait() if busy else self._incoming.get(timeout=timeout)
            except queue.Empty:
                return True
            if item is None:
                return False
            busy = True
            if isinstance(item, _Job):
                self._go_on(item, None)
            else:
                item()

    def _admit(self) -> None:
        """Let in who waits, in order: who comes later and needs less room must not overtake."""
        while self._waiting and len(self._running) < self._max_rows:
            job = self._waiting[0]
            used = sum(other.admit.tokens for other in self._running)
            if self._running and used + job.admit.tokens > self._max_tokens:
                return
            self._waiting.popleft()
            self._running.append(job)
            self._go_on(job, None)

    def _read(self) -> None:
        """Let one request that reads go on by a piece, the next of them next time."""
        for job in self._running:
            if job.wants is None and job.ready:
                self._running.remove(job)
                self._running.append(job)
                self._go_on(job, None)
                return

    def _write(self) -> None:
        """Let all that write go on by a token, but for those whose readers are behind."""
        rows = [(job, job.wants) for job in self._running if job.wants is not None and job.ready]
        if not rows:
            return
        try:
            found = self._engine().step(
                [wants.token for _, wants in rows],
                [wants.cache for _, wants in rows],
                [wants.adapters for _, wants in rows],
            )
        except Exception as err:  # noqa: BLE001 - the readers get it
            for job, _ in rows:
                self._end(job, err)
            return
        for (job, _), logits in zip(rows, found, strict=True):
            self._go_on(job, logits)

    def _go_on(self, job: _Job, value: Any) -> None:
        try:
            wants = job.work.send(value)
        except StopIteration:
            self._end(job)
        except Exception as err:  # noqa: BLE001 - the reader gets it
            self._end(job, err)
        else:
            if isinstance(wants, Admit):
                job.admit = wants
                self._waiting.append(job)
            else:
                job.wants = wants

    def _end(self, job: _Job, error: BaseException | None = None) -> None:
        for jobs in (self._running, self._waiting):
            if job in jobs:
                jobs.remove(job)
        job.work.close()
        job.outlet.finish(error)


def _released() -> PlatformError:
    return PlatformError(Reason.MODEL_UNAVAILABLE, "the model is being released")
