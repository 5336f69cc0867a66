"""The client for threads."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import grpc

from memporium.client import _methods
from memporium.client._transport import Target, open_channel, stream_waits
from memporium.client.errors import from_rpc_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

# Seconds that a unary call may take where the caller names no limit.
DEFAULT_TIMEOUT_S = 60.0


class ServiceMethods:
    """The RPCs of one service as methods: `client.vault.get_cube(name=...)`.

    Unary RPCs return the response; server streams return an iterator of responses, cancelled when it is dropped;
    client streams take an iterable of request messages. `timeout_s` limits any call. Every failure is a
    `MemporiumError`.
    """

    def __init__(
        self, channel: grpc.Channel, streams: grpc.Channel, service: str, metadata: tuple[tuple[str, str], ...]
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


class Client:
    """A connection to a platform, for threads.

    Example:
        >>> with Client("127.0.0.1:7600", api_key=key) as client:
        ...     client.vault.create_vault(parent="orgs/acme", vault_id="notes")
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
        self._channels: dict[str, tuple[grpc.Channel, grpc.Channel]] = {}
        for service in _methods.SERVICES:
            place = (services or {}).get(service, address)
            if place not in self._channels:
                there = replace(self.target, address=place)
                # Each connects with its first call.
                self._channels[place] = open_channel(there), open_channel(there, streams=True)
            setattr(self, service, ServiceMethods(*self._channels[place], service, self.target.metadata()))

    reader: ServiceMethods
    vault: ServiceMethods
    scheduler: ServiceMethods
    governance: ServiceMethods
    memstore: ServiceMethods
    transfer: ServiceMethods
    inference: ServiceMethods

    def close(self) -> None:
        """Close the channels."""
        for pair in self._channels.values():
            for channel in pair:
                channel.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the channels."""
        self.close()


def _bind(channel: grpc.Channel, method: MethodDescriptor, metadata: tuple[tuple[str, str], ...]) -> Callable[..., Any]:
    call = _methods.callable_for(channel, method)

    def invoke(
        given: Message | Iterable[Message] | None = None, *, timeout_s: float | None = None, **fields: Any
    ) -> Any:
        streams = method.client_streaming
        request = given if streams else _methods.build_request(method, given, fields)  # type: ignore[arg-type]
        if streams:
            request = iter(given or ())  # type: ignore[arg-type]
        try:
            if method.server_streaming:
                first = call(request, metadata=metadata, timeout=timeout_s)
                # Requests that were sent as a stream are gone.
                again = None if streams else partial(call, request, metadata=metadata)
                return _responses(first, again, timeout_s)
            return call(request, metadata=metadata, timeout=timeout_s or DEFAULT_TIMEOUT_S)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    invoke.__name__ = _methods.snake(method.name)
    invoke.__doc__ = f"Call {_methods.path(method)} with the fields of {method.input_type.full_name}."
    return invoke


def _responses(call: Any, again: Callable[..., Any] | None, timeout_s: float | None) -> Iterator[Message]:
    """Yield responses; a call that could not reach the server is made again while there was no response."""
    ends = None if timeout_s is None else time.monotonic() + timeout_s
    waits, left_s = stream_waits(), timeout_s
    while True:
        begun = False
        try:
            for response in call:
                begun = True
                yield response
            return  # noqa: TRY300 - the generator's end, beside its `finally`
        except grpc.RpcError as error:
            retried = again is not None and not begun and error.code() is grpc.StatusCode.UNAVAILABLE
            wait_s = next(waits, None) if retried else None
            left_s = None if ends is None or wait_s is None else ends - time.monotonic() - wait_s
            if again is None or wait_s is None or (left_s is not None and left_s <= 0):
                raise from_rpc_error(error) from None
        finally:
            call.cancel()
        time.sleep(wait_s)
        call = again(timeout=left_s)
