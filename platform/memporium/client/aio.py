"""The client for asyncio: the same methods as `Client`, awaited."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import grpc

from memporium.client import _methods
from memporium.client._transport import Target, open_async_channel, stream_waits
from memporium.client.errors import from_rpc_error
from memporium.client.sync import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
    from types import TracebackType

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message


class AsyncServiceMethods:
    """The RPCs of one service: `await client.vault.get_cube(name=...)`, `async for hit in client.vault.search_cubes()`.

    As `ServiceMethods`, but unary and client-stream methods are awaited and server streams are async iterators.
    """

    def __init__(
        self, channel: grpc.aio.Channel, streams: grpc.aio.Channel, service: str, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        """Bind the service's methods to a channel, and those that return streams to another one."""
        self._channel, self._streams, self._service, self._metadata = channel, streams, service, metadata

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the method of a snake-case name."""
        method = _methods.methods(self._service).get(name)
        if method is None:
            raise AttributeError(f"the {self._service} service has no method {name}")
        bound = _bind(self._streams if method.server_streaming else self._channel, method, self._metadata)
        self.__dict__[name] = bound
        return bound

    def __dir__(self) -> list[str]:
        """Return the names of the RPCs."""
        return sorted(_methods.methods(self._service))


class AsyncClient:
    """A connection to a platform, for asyncio.

    Example:
        >>> async with AsyncClient("127.0.0.1:7600", api_key=key) as client:
        ...     await client.vault.create_vault(parent="orgs/acme", vault_id="notes")
    """

    def __init__(
        self,
        address: str = "127.0.0.1:7600",
        *,
        api_key: str = "",
        services: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """Open channels.

        Args:
            address: `host:port` of the platform, or of the gateway before its services.
            api_key: API key or JWT.
            services: Addresses of single services, by name, where they are split and no gateway stands before them.
            options: The other fields of `Target`.
        """
        self.target = Target(address=address, api_key=api_key, **options)
        self._channels: dict[str, tuple[grpc.aio.Channel, grpc.aio.Channel]] = {}
        for service in _methods.SERVICES:
            place = (services or {}).get(service, address)
            if place not in self._channels:
                there = replace(self.target, address=place)
                # Each connects with its first call.
                self._channels[place] = open_async_channel(there), open_async_channel(there, streams=True)
            setattr(self, service, AsyncServiceMethods(*self._channels[place], service, self.target.metadata()))

    reader: AsyncServiceMethods
    vault: AsyncServiceMethods
    scheduler: AsyncServiceMethods
    governance: AsyncServiceMethods
    memstore: AsyncServiceMethods
    transfer: AsyncServiceMethods
    inference: AsyncServiceMethods

    async def close(self) -> None:
        """Close the channels."""
        for pair in self._channels.values():
            for channel in pair:
                await channel.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close the channels."""
        await self.close()


def _bind(
    channel: grpc.aio.Channel, method: MethodDescriptor, metadata: tuple[tuple[str, str], ...]
) -> Callable[..., Any]:
    call = _methods.callable_for(channel, method)

    def start(
        given: Message | AsyncIterable[Message] | Iterable[Message] | None, timeout_s: float | None, fields: Any
    ) -> Any:
        streams = method.client_streaming
        request = given if streams else _methods.build_request(method, given, fields)  # type: ignore[arg-type]
        limit_s = timeout_s or (None if method.server_streaming else DEFAULT_TIMEOUT_S)
        return call(request, metadata=metadata, timeout=limit_s)

    async def unary(given: Any = None, *, timeout_s: float | None = None, **fields: Any) -> Any:
        try:
            return await start(given, timeout_s, fields)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def stream(given: Any = None, *, timeout_s: float | None = None, **fields: Any) -> AsyncIterator[Message]:
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        waits, left_s = stream_waits(), timeout_s
        if not method.client_streaming:
            # Once, so that further attempts have the same request id.
            given, fields = _methods.build_request(method, given, fields), {}
        while True:
            running, begun = start(given, left_s, fields), False
            try:
                async for response in running:
                    begun = True
                    yield response
                return  # noqa: TRY300 - the generator's end, beside its `finally`
            except grpc.aio.AioRpcError as error:
                lost = not begun and error.code() is grpc.StatusCode.UNAVAILABLE
                # Requests that were sent as a stream are gone.
                wait_s = next(waits, None) if lost and not method.client_streaming else None
                left_s = None if ends is None or wait_s is None else ends - time.monotonic() - wait_s
                if wait_s is None or (left_s is not None and left_s <= 0):
                    raise from_rpc_error(error) from None
            finally:
                running.cancel()
            await asyncio.sleep(wait_s)

    bound: Callable[..., Any] = stream if method.server_streaming else unary
    bound.__name__ = _methods.snake(method.name)
    bound.__doc__ = f"Call {_methods.path(method)} with the fields of {method.input_type.full_name}."
    return bound
