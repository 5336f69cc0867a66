"""What every call passes on its way in: it wraps the handlers of all four shapes, so errors while streaming are caught.

Requests reach the wrapper as bytes and are parsed only once the caller is known. Each call runs in a task of its own,
so the call's context is simply set.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.deadlines import Deadlines
from memporium_platform.rpc.gate import Gate, parse
from memporium_platform.rpc.passage import Passage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from memporium_platform.rpc.method_table import Row

    # Handlers of any request and response: the wrapped ones take bytes.
    _Handler = grpc.RpcMethodHandler[Any, Any]

# Open to everybody: they say what the API is and whether it runs, nothing of what is stored.
_OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")

# What is read of a client stream that is refused: enough for small ones to end by themselves.
_DRAIN_S = 0.05
_DRAIN_BYTES = 4 << 20
# How much later than the end of its requests a cut call is told to be cut: both come with one event of the transport.
_CUT_S = 0.01


class KernelInterceptor(grpc.GenericRpcHandler):
    """Lets calls in through the gate, maps every error, records every end.

    The server asks it for the handler of each call, and it gives wrapped ones. To grpc.aio it is no interceptor: those
    are asked for the same answer by four coroutines more a call.
    """

    def __init__(self, gate: Gate, table: dict[str, Row]) -> None:
        """Take the method table; a method that is not in it is not served."""
        self._gate = gate
        self._table = table
        self._deadlines = Deadlines()
        self._services: list[Any] = []
        self._wrapped: dict[str, _Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Serve the methods of these, too; generated code calls this, as if it were the server."""
        self._services.extend(handlers)

    def add_registered_method_handlers(self, service_name: str, handlers: dict[str, Any]) -> None:
        """Do nothing: generated code calls this, too, but the generic handlers serve every method.

        For registered methods grpc.aio keeps one accept in flight each and, for every single call, waits on all of
        them: with the methods of all services that took longer than the call itself.
        """

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> _Handler | None:
        """Return the wrapped handler of the method, or None where there is no such method."""
        wrapped = self._wrapped.get(handler_call_details.method)
        return wrapped if wrapped is not None else self._find(handler_call_details)

    def within(self, method: str) -> _Handler | None:
        """Return the wrapped handler of a method, for calls from within the process; None: there is none."""
        wrapped = self._wrapped.get(method)
        return wrapped if wrapped is not None or method not in self._table else self._find(_Details(method))

    def _find(self, details: grpc.HandlerCallDetails | _Details) -> _Handler | None:
        method = details.method
        found = (service.service(details) for service in self._services)
        handler: _Handler | None = next((one for one in found if one is not None), None)
        if handler is None or method.startswith(_OPEN):
            return handler
        row = self._table.get(method)
        if row is None:
            return None
        wrapped = self._wrapped[method] = _wrap(self._gate, row, handler, self._deadlines)
        return wrapped


class _Details(NamedTuple):
    """What generated code reads of a call to find its handler."""

    method: str


def _wrap(gate: Gate, row: Row, handler: Any, deadlines: Deadlines) -> _Handler:
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(
            _stream_stream(gate, row, handler.stream_stream), None, handler.response_serializer
        )
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(
            _stream_unary(gate, row, handler.stream_unary, handler.response_serializer), None, None
        )
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _unary_stream(gate, row, handler.unary_stream), None, handler.response_serializer
        )
    return grpc.unary_unary_rpc_method_handler(
        _unary_unary(gate, row, handler.unary_unary, handler.response_serializer, deadlines), None, None
    )


def _unary_unary(gate: Gate, row: Row, behaviour: Any, serialise: Any, deadlines: Deadlines) -> Any:
    async def handle(raw: bytes, context: Any) -> bytes:
        passage = Passage(gate, row, context, stream=False)
        try:
            await passage.identify()
            request, enforce_s = passage.begin(raw)
            if enforce_s is None:
                response = await behaviour(request, context)
            else:
                response = await deadlines.within(enforce_s, behaviour(request, context))
            data: bytes = serialise(response)
        except BaseException as error:  # noqa: BLE001 - fail() raises what must pass
            await passage.fail(error)
        passage.succeed()
        return data

    return handle


def _unary_stream(gate: Gate, row: Row, behaviour: Any) -> Any:
    async def handle(raw: bytes, context: Any) -> None:
        passage = Passage(gate, row, context, stream=True)
        try:
            await passage.identify()
            request, _ = passage.begin(raw)
            await _respond(passage, behaviour, request, context)
        except BaseException as error:  # noqa: BLE001 - fail() raises what must pass
            await passage.fail(error)
        passage.succeed()

    return handle


def _stream_unary(gate: Gate, row: Row, behaviour: Any, serialise: Any) -> Any:
    async def handle(raws: AsyncIterator[bytes], context: Any) -> bytes:
        passage = Passage(gate, row, context, stream=True)
        try:
            await passage.identify()
            requests = await _requests(passage, row, raws)
            data: bytes = serialise(await behaviour(requests, context))
        except BaseException as error:  # noqa: BLE001 - fail() raises what must pass
            await _drain(raws, error)
            await passage.fail(error)
        passage.succeed()
        return data

    return handle


def _stream_stream(gate: Gate, row: Row, behaviour: Any) -> Any:
    async def handle(raws: AsyncIterator[bytes], context: Any) -> None:
        passage = Passage(gate, row, context, stream=True)
        try:
            await passage.identify()
            requests = await _requests(passage, row, raws)
            await _respond(passage, behaviour, requests, context)
        except BaseException as error:  # noqa: BLE001 - fail() raises what must pass
            await _drain(raws, error)
            await passage.fail(error)
        passage.succeed()

    return handle


async def _requests(passage: Passage, row: Row, raws: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """Authorise a client stream by its first message; return all its messages, the first among them."""
    first = await anext(aiter(raws), None)
    if first is None:
        raise PlatformError(Reason.INVALID_FIELD, "the stream is empty: its first message is missing")
    request, _ = passage.begin(first)

    async def messages() -> AsyncIterator[Any]:
        yield request
        async for raw in raws:
            message = parse(row, raw)
            row.sense(message, raw)
            yield message
        # To grpc.aio the requests of a call that was cut end as if the client had said all; that it was cut comes right
        # after, as a cancellation. What is half said must not be taken for the whole.
        await asyncio.sleep(_CUT_S)

    return messages()


async def _drain(raws: AsyncIterator[bytes], error: BaseException) -> None:
    """Read on for a moment before a client stream is refused.

    A client of grpc.aio that is still sending takes the end of the stream for an internal error, and its caller would
    never see the reason.
    """
    if not isinstance(error, Exception):
        return
    read = 0
    # RuntimeError: a task of the handler is reading.
    with suppress(TimeoutError, RuntimeError):
        async with asyncio.timeout(_DRAIN_S):
            async for raw in raws:
                read += len(raw)
                if read > _DRAIN_BYTES:
                    return


async def _respond(passage: Passage, behaviour: Any, request: Any, context: Any) -> None:
    """Send what a handler yields; the right to it is checked again whenever the policy has changed."""
    responses = behaviour(request, context)
    if inspect.isawaitable(responses):
        await responses
        return
    async with aclosing(responses):
        async for response in responses:
            if passage.stale:
                passage.check_again()
            await context.write(response)
