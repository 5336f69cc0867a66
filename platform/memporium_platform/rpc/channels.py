"""Channels to other services: calls carry an internal token for the call in progress, its deadline and its trace.

A service reaches every other one this way, also in its own process, so every check runs in both modes; there, calls
that are no open streams go straight to the gate (`in_process`).
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc

from memporium_platform.call import Call, maybe_call, service_principal
from memporium_platform.errors import Reason
from memporium_platform.rpc import identity
from memporium_platform.rpc.errors_client import reason_of
from memporium_platform.rpc.method_table import is_mutation
from memporium_platform.tokens import TokenIssuer, without_via

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from memporium_platform.rpc.in_process import Handler, InProcess
    from memporium_platform.settings import PlatformSettings

S = TypeVar("S")

# Attempts of one call, the first among them, where the service does not answer.
_ATTEMPTS = 4
# Seconds before the second attempt; doubles, with full jitter.
_BACKOFF_S = 0.05
# Streams have a deadline only where the call in progress has one.
_NO_DEADLINE: float | None = None


class Channels:
    """Stubs to the services, for one calling service."""

    def __init__(self, settings: PlatformSettings, issuer: TokenIssuer, *, service: str = "kernel") -> None:
        """Call as `service`; `bind` gives the same channels to another."""
        self._settings = settings
        self._issuer = issuer
        self._service = service
        self._own_address = ""
        self._here: InProcess | None = None
        self._raw: dict[str, grpc.aio.Channel] = {}
        self._stubs: dict[Callable[[grpc.aio.Channel], Any], Any] = {}
        self._root = self

    def bind(self, service: str) -> Channels:
        """Return channels that call as another service over the same connections."""
        bound = Channels(self._settings, self._issuer, service=service)
        bound._root = self._root
        return bound

    def set_own_address(self, target: str, here: InProcess | None = None) -> None:
        """Say where this process listens; before that, only services of other processes can be reached.

        Args:
            target: The address.
            here: What calls this process's services without a connection; None: nothing does.
        """
        self._root._own_address, self._root._here = target, here  # noqa: SLF001 - its own class

    def here(self, service: str) -> InProcess | None:
        """Return what calls a service of this process; None: it is another's, or the server has not begun."""
        return None if self._settings.address_of(service) else self._root._here  # noqa: SLF001 - its own class

    def stub(self, stub_class: Callable[[grpc.aio.Channel], S]) -> S:
        """Return a stub, for instance of `VaultServiceStub`; the same one each time."""
        found = self._stubs.get(stub_class)
        if found is None:
            # Generated code lives in memporium.<service>.v1.
            service = stub_class.__module__.split(".")[1]
            calls = cast("grpc.aio.Channel", _Calls(self, service))
            found = self._stubs[stub_class] = stub_class(calls)
        return cast("S", found)

    async def close(self) -> None:
        """Close the connections."""
        raw, self._root._raw = self._root._raw, {}  # noqa: SLF001 - its own class
        for channel in raw.values():
            await channel.close()

    def raw(self, service: str) -> grpc.aio.Channel:
        """Return the bare channel to a service, without tokens."""
        root = self._root
        target = self._settings.address_of(service) or root._own_address  # noqa: SLF001 - its own class
        channel = root._raw.get(target)  # noqa: SLF001 - its own class
        if channel is None:
            channel = root._raw[target] = self._open(target)  # noqa: SLF001 - its own class
        return channel

    def _open(self, target: str) -> grpc.aio.Channel:
        options = [
            ("grpc.max_receive_message_length", self._settings.max_message_bytes),
            ("grpc.max_send_message_length", self._settings.max_message_bytes),
            ("grpc.keepalive_time_ms", 30_000),
            # A lost peer is tried again soon: others wait for it.
            ("grpc.max_reconnect_backoff_ms", 1_000),
        ]
        if self._settings.tls_ca is None or target.startswith("unix:"):
            return grpc.aio.insecure_channel(target, options=options)
        credentials = grpc.ssl_channel_credentials(
            self._settings.tls_ca.read_bytes(),
            private_key=_read(self._settings.tls_client_private_key),
            certificate_chain=_read(self._settings.tls_client_certificate),
        )
        return grpc.aio.secure_channel(target, credentials, options=options)

    def metadata(self, audience: str, call: Call | None) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call to service `audience` within `call`."""
        principal = call.principal if call is not None else service_principal(self._service)
        purpose = call.purpose if call is not None else ""
        token = self._issuer.issue(without_via(principal), via=self._service, audience=audience, purpose=purpose)
        pairs = [(identity.AUTHORIZATION, f"Bearer {token}")]
        if call is not None:
            if call.root_id:
                pairs.append((identity.ROOT_ID, call.root_id))
            if call.region:
                pairs.append((identity.REGION, call.region))
            if call.epoch:
                pairs.append((identity.AT_LEAST_EPOCH, str(call.epoch)))
            if call.traceparent:
                pairs.append((identity.TRACEPARENT, call.traceparent))
        return tuple(pairs)

    def timeout(self, call: Call | None, asked: float | None, *, stream: bool) -> float | None:
        """Return the seconds for a call within `call`: what is left of its time, and no more than was asked for."""
        if asked is None:
            asked = _NO_DEADLINE if stream else self._settings.internal_deadline_s
        if call is None or not call.deadline:
            return asked
        left = max(call.deadline - time.monotonic(), 0.0)
        return left if asked is None else min(left, asked)


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path is not None else None


class _Calls:
    """What a generated stub takes for a channel."""

    def __init__(self, channels: Channels, service: str) -> None:
        self._channels = channels
        self._service = service

    def unary_unary(self, method: str, **options: Any) -> Any:
        return _Unary(self._channels, self._service, "unary_unary", method, options)

    def unary_stream(self, method: str, **options: Any) -> Any:
        return _Stream(self._channels, self._service, "unary_stream", method, options)

    def stream_unary(self, method: str, **options: Any) -> Any:
        return _Stream(self._channels, self._service, "stream_unary", method, options)

    def stream_stream(self, method: str, **options: Any) -> Any:
        return _Stream(self._channels, self._service, "stream_stream", method, options)


class _Method:
    """One method of a stub; opens its channel at the first call, when addresses are known."""

    def __init__(self, channels: Channels, service: str, shape: str, method: str, options: dict[str, Any]) -> None:
        self._channels = channels
        self._service = service
        self._shape = shape
        self._method = method
        self._options = options
        self._opened: tuple[grpc.aio.Channel, Any] | None = None

    def _callable(self) -> Any:
        channel = self._channels.raw(self._service)
        if self._opened is None or self._opened[0] is not channel:
            self._opened = (channel, getattr(channel, self._shape)(self._method, **self._options))
        return self._opened[1]

    def _here(self) -> tuple[InProcess, Handler] | None:
        """Return what answers the method in this process; None: it is called over the socket."""
        here = self._channels.here(self._service)
        handler = here.handler(self._method) if here is not None else None
        return None if here is None or handler is None else (here, handler)


class _Stream(_Method):
    """A streaming method: returns grpc's own call object."""

    def __call__(
        self,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> Any:
        call = maybe_call()
        left = self._channels.timeout(call, timeout, stream=True)
        pairs = (*self._channels.metadata(self._service, call), *metadata)
        found = self._here()
        if found is not None:
            here, handler = found
            return _each(partial(here.stream, handler, request, timeout=left, metadata=pairs))
        return self._callable()(request, timeout=left, metadata=pairs, wait_for_ready=True)


async def _each(call: Callable[[], Awaitable[list[Any]]]) -> AsyncIterator[Any]:
    for message in await call():
        yield message


class _Unary(_Method):
    """A unary method: tried again while the service does not answer, if the request may be repeated."""

    @cached_property
    def _mutation(self) -> bool:
        return is_mutation(self._method)

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - grpc's own argument
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> Any:
        call = maybe_call()
        channels = self._channels
        for attempt in range(1, _ATTEMPTS + 1):
            left = channels.timeout(call, timeout, stream=False)
            pairs = (*channels.metadata(self._service, call), *metadata)
            found = self._here()
            try:
                if found is not None:
                    here, handler = found
                    parse = self._options["response_deserializer"]
                    return await here.unary(handler, request, parse, timeout=left, metadata=pairs)
                return await self._callable()(request, timeout=left, metadata=pairs)
            except grpc.aio.AioRpcError as error:
                if attempt == _ATTEMPTS or not _may_repeat(error, request, mutation=self._mutation):
                    raise
            # Full jitter, so that callers who lost the same peer do not come back together.
            await asyncio.sleep(random.uniform(0, _BACKOFF_S * 2**attempt))
        raise AssertionError  # the last attempt returns or raises


def _may_repeat(error: grpc.aio.AioRpcError, request: Any, *, mutation: bool) -> bool:
    """Whether an attempt may be made again: the service was away, and sending twice does no more than sending once."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return False
    if reason_of(error).reason not in {Reason.UNAVAILABLE, Reason.POLICY_STALE}:
        return False
    return not mutation or bool(getattr(request, "request_id", ""))
