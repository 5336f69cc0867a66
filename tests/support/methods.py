"""Every method of every service, called by its descriptor alone: in its own shape, with whatever bytes a test likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2, status_pb2

from memporium.common.v1 import access_pb2
from memporium_platform.rpc.status import DETAILS_KEY
from support.platform import present_services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

# Most messages of a stream that are read.
_MAX_MESSAGES = 50


@dataclass(frozen=True)
class Method:
    """One method of the API."""

    service: str
    name: str
    path: str
    input: Descriptor
    shape: str
    resource: str
    domain: int
    mutation: bool

    @property
    def id(self) -> str:
        return f"{self.service}.{self.name}"

    @property
    def endless(self) -> bool:
        """Whether its answer goes on until the caller leaves."""
        return self.name.startswith("Watch") or self.name == "StreamEvents"


@dataclass
class Outcome:
    """What a caller gets to see of a call."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = ""
    info: dict[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    seen: bytes = b""
    responses: list[bytes] = field(default_factory=list)

    @property
    def messages(self) -> int:
        return len(self.responses)


def all_methods() -> list[Method]:
    """Return the methods of all seven services."""
    found = []
    for service in present_services():
        import_module(f"memporium.{service}.v1.{service}_service_pb2")
        full_name = f"memporium.{service}.v1.{service.capitalize()}Service"
        for method in descriptor_pool.Default().FindServiceByName(full_name).methods:
            access = method.GetOptions().Extensions[access_pb2.access]
            sides = ("stream" if side else "unary" for side in (method.client_streaming, method.server_streaming))
            found.append(
                Method(
                    service,
                    method.name,
                    f"/{full_name}/{method.name}",
                    method.input_type,
                    "_".join(sides),
                    access.resource,
                    access.domain or access_pb2.ACCESS_DOMAIN_RESOURCE,
                    access.mutation,
                )
            )
    return found


async def outcome(
    channel: Any,
    method: Method,
    requests: Sequence[Message | bytes],
    *,
    timeout_s: float = 20,
    metadata: Sequence[tuple[str, str]] = (),
) -> Outcome:
    """Call a method with these messages (one, but for client streams); return all that the caller sees."""
    call = getattr(channel, method.shape)(method.path)
    raws = [request if isinstance(request, bytes) else request.SerializeToString() for request in requests]

    async def stream() -> AsyncIterator[bytes]:
        for raw in raws:
            yield raw

    seen: list[bytes] = []
    answer = call(stream() if method.shape.startswith("stream") else raws[0], timeout=timeout_s, metadata=metadata)
    try:
        if method.shape.endswith("stream"):
            async for message in answer:
                seen.append(message)
                if len(seen) >= _MAX_MESSAGES:
                    answer.cancel()
                    break
        else:
            seen.append(await answer)
    except grpc.aio.AioRpcError as error:
        return _refusal(error, seen)
    trailing = [] if len(seen) >= _MAX_MESSAGES else await answer.trailing_metadata() or []
    return Outcome(grpc.StatusCode.OK, seen=b"\0".join([*seen, *_texts(trailing)]), responses=seen)


def _refusal(error: grpc.aio.AioRpcError, seen: list[bytes]) -> Outcome:
    trailing = list(error.trailing_metadata() or ())
    found = Outcome(error.code(), message=error.details() or "", responses=seen)
    found.seen = b"\0".join([*seen, found.message.encode(), *_texts(trailing)])
    status = status_pb2.Status()
    status.ParseFromString(dict(trailing).get(DETAILS_KEY, b""))
    found.kinds = tuple(detail.type_url for detail in status.details)
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            found.reason, found.info = info.reason, dict(info.metadata)
    return found


def _texts(pairs: Any) -> list[bytes]:
    return [part if isinstance(part, bytes) else part.encode() for pair in pairs for part in pair]
