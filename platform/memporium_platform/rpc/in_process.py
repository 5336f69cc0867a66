"""Calls between services of one process, without a connection: the same bytes in, the same gate, the same errors out.

A call is given to the handler that the server would give it to, wrapped by the gate: its token is verified, its
permission decided, its deadline kept and its end recorded as if it had come over the socket. What is left out is the
transport alone, some half a millisecond. Requests go as bytes, so nothing is shared with the caller, and each call runs
in a task and a context of its own. Whoever is cancelled, or has no time left, leaves at once; the handler is cancelled.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import Context
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    Pairs = tuple[tuple[str, str | bytes], ...]
    Handler = grpc.RpcMethodHandler[Any, Any]
    # Returns the wrapped handler of a method; None: this process does not serve it, or no longer.
    Find = Callable[[str], "Handler | None"]

# Streams whose handlers have all they say before they say anything. All others go over the socket: gRPC tells them when
# the server stops, and does not let a slow reader's messages pile up.
WHOLE_STREAMS = frozenset({"/memporium.vault.v1.VaultService/SearchUnits"})


class LocalContext:
    """What a handler may ask of its call."""

    def __init__(self, metadata: Pairs, timeout: float | None) -> None:
        """Take the caller's metadata and the seconds that it waits; None: it waits for as long as it takes."""
        self._metadata = metadata
        self._ends = None if timeout is None else time.monotonic() + timeout
        self._trailing: Pairs = ()
        self._status: tuple[grpc.StatusCode, str] | None = None
        self.written: list[Any] = []

    def invocation_metadata(self) -> Pairs:
        """Return the caller's metadata."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Return the seconds that the caller still waits."""
        return None if self._ends is None else max(self._ends - time.monotonic(), 0.0)

    def auth_context(self) -> dict[str, list[bytes]]:
        """Return nothing: there is no connection, hence no certificate."""
        return {}

    async def write(self, message: Any) -> None:
        """Take one message of a stream."""
        self.written.append(message)

    def set_trailing_metadata(self, pairs: Pairs) -> None:
        """Take what goes with the end of the call."""
        self._trailing = pairs

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Pairs = ()) -> None:
        """End the call with an error.

        Raises:
            grpc.aio.AbortError: Always.
        """
        self._status, self._trailing = (code, details), trailing_metadata
        raise grpc.aio.AbortError

    def error(self, failed: BaseException) -> grpc.aio.AioRpcError:
        """Return what the caller gets for a handler that failed."""
        if self._status is not None:
            return _error(*self._status, self._trailing)
        if isinstance(failed, asyncio.CancelledError):
            return _error(grpc.StatusCode.CANCELLED, "the call was cancelled")
        return _error(grpc.StatusCode.UNKNOWN, f"unexpected {type(failed).__name__}")


class InProcess:
    """Calls to the services of this process."""

    def __init__(self, find: Find, *, max_message_bytes: int) -> None:
        """Take what finds the handlers, and the largest message."""
        self._find = find
        self._most = max_message_bytes

    def handler(self, method: str) -> Handler | None:
        """Return what serves a method here; None: call it over the socket."""
        found = self._find(method)
        if found is None or found.request_streaming:
            return None
        return found if not found.response_streaming or method in WHOLE_STREAMS else None

    async def unary(self, handler: Handler, request: Any, parse: Any, *, timeout: float | None, metadata: Pairs) -> Any:  # noqa: ASYNC109 - grpc's own argument
        """Make a unary call; return the parsed answer.

        Raises:
            grpc.aio.AioRpcError: As over the socket.
        """
        raw = self._sized(request.SerializeToString())
        context = LocalContext(metadata, timeout)
        return parse(self._sized(await _run(handler.unary_unary, raw, context, timeout)))

    async def stream(self, handler: Handler, request: Any, *, timeout: float | None, metadata: Pairs) -> list[Any]:  # noqa: ASYNC109 - grpc's own argument
        """Make a call that is answered by a whole stream; return its messages.

        Raises:
            grpc.aio.AioRpcError: As over the socket.
        """
        raw = self._sized(request.SerializeToString())
        context = LocalContext(metadata, timeout)
        await _run(handler.unary_stream, raw, context, timeout)
        return context.written

    def _sized(self, data: bytes) -> bytes:
        if len(data) > self._most:
            message = f"Received message larger than max ({len(data)} vs. {self._most})"
            raise _error(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        return data


async def _run(behaviour: Any, raw: bytes, context: LocalContext, timeout: float | None) -> Any:  # noqa: ASYNC109 - grpc's own argument
    # Nothing of the caller's call may reach the handler but by metadata.
    task = asyncio.get_running_loop().create_task(behaviour(raw, context), context=Context())
    try:
        await asyncio.wait((task,), timeout=timeout)
    finally:
        if not task.done():
            task.add_done_callback(_noted)
            task.cancel()
    if not task.done():
        raise _error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    if task.cancelled():
        raise context.error(asyncio.CancelledError())
    failed = task.exception()
    if failed is not None:
        raise context.error(failed) from failed
    return task.result()


def _noted(task: asyncio.Task[Any]) -> None:
    """Take note of how a call ended that nobody waits for any more; else asyncio complains that nobody did."""
    if not task.cancelled():
        task.exception()


def _error(code: grpc.StatusCode, details: str, trailing: Pairs = ()) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details=details)
