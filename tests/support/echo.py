"""A small service of all four call shapes, made at run time: the kernel's tests need no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from memporium.common.v1 import access_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from google.protobuf.message import Message

SERVICE = "memporium.testing.v1.EchoService"
_PACKAGE = "memporium.testing.v1"
_FILE = "memporium/testing/v1/echo_service.proto"
_Field = descriptor_pb2.FieldDescriptorProto

# name, client streams, server streams, resource path, domain, mutation
METHODS = (
    ("Echo", False, False, "name", access_pb2.ACCESS_DOMAIN_RESOURCE, False),
    ("Expand", False, True, "name", access_pb2.ACCESS_DOMAIN_RESOURCE, False),
    ("Collect", True, False, "header.parent", access_pb2.ACCESS_DOMAIN_RESOURCE, True),
    ("Chat", True, True, "header.parent", access_pb2.ACCESS_DOMAIN_RESOURCE, False),
    ("Change", False, False, "name", access_pb2.ACCESS_DOMAIN_RESOURCE, True),
    ("Many", False, False, "names", access_pb2.ACCESS_DOMAIN_RESOURCE, False),
    ("Inside", False, False, "name", access_pb2.ACCESS_DOMAIN_INTERNAL, False),
    ("Anybody", False, False, "", access_pb2.ACCESS_DOMAIN_ANY, False),
    ("Mine", False, False, "name", access_pb2.ACCESS_DOMAIN_CALLER, False),
    ("Operate", False, False, "", access_pb2.ACCESS_DOMAIN_PLATFORM, False),
)


def _field(name: str, number: int, *, kind: Any = _Field.TYPE_STRING, repeated: bool = False, **more: Any) -> Any:
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    return _Field(name=name, number=number, type=kind, label=label, **more)


def _required(field: Any) -> Any:
    field.options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.REQUIRED)
    return field


def _file() -> descriptor_pb2.FileDescriptorProto:
    message = _Field.TYPE_MESSAGE
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3")
    file.dependency.extend(["memporium/common/v1/access.proto", "google/api/field_behavior.proto"])
    header = file.message_type.add(name="Header")
    header.field.extend([_required(_field("parent", 1)), _field("request_id", 2)])
    item = file.message_type.add(name="Item")
    item.field.extend([_required(_field("label", 1)), _field("count", 2, kind=_Field.TYPE_INT64)])
    request = file.message_type.add(name="EchoRequest")
    request.field.extend(
        [
            _required(_field("name", 1)),
            _field("text", 2),
            _field("request_id", 3),
            _field("names", 4, repeated=True),
            _field("items", 5, kind=message, type_name=f".{_PACKAGE}.Item", repeated=True),
            _field("payload", 6, kind=_Field.TYPE_BYTES),
        ]
    )
    part = file.message_type.add(name="PartRequest")
    part.field.extend([_field("header", 1, kind=message, type_name=f".{_PACKAGE}.Header"), _field("text", 2)])
    anyone = file.message_type.add(name="EmptyRequest")
    anyone.field.extend([_field("text", 1), _field("names", 2, repeated=True)])
    response = file.message_type.add(name="EchoResponse")
    response.field.extend([_field("text", 1), _field("payload", 2, kind=_Field.TYPE_BYTES)])
    service = file.service.add(name="EchoService")
    for name, client, server, path, domain, mutation in METHODS:
        kind = "PartRequest" if client else "EchoRequest" if path == "name" else "EmptyRequest"
        method = service.method.add(
            name=name,
            input_type=f".{_PACKAGE}.{kind}",
            output_type=f".{_PACKAGE}.EchoResponse",
            client_streaming=client,
            server_streaming=server,
        )
        method.options.Extensions[access_pb2.access].CopyFrom(
            access_pb2.Access(action=f"testing.echo.{name.lower()}", resource=path, domain=domain, mutation=mutation)
        )
    return file


descriptor_pool.Default().AddSerializedFile(_file().SerializeToString())


def message_class(name: str) -> Any:
    """Return a message class of the service."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(f"{_PACKAGE}.{name}")
    return message_factory.GetMessageClass(descriptor)


EchoRequest = message_class("EchoRequest")
EmptyRequest = message_class("EmptyRequest")
PartRequest = message_class("PartRequest")
Header = message_class("Header")
Item = message_class("Item")
EchoResponse = message_class("EchoResponse")


class EchoModule:
    """The service; `on_call` runs in each handler, so a test decides what happens there."""

    name = "testing"

    def __init__(self, on_call: Callable[[str, Message], Awaitable[Any]] | None = None) -> None:
        self.on_call = on_call
        self.kernel: Any = None

    def add_to(self, server: Any) -> None:
        handlers = {name: self._handler(name, client, answers) for name, client, answers, *_ in METHODS}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_registered_method_handlers(SERVICE, handlers)

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    def _handler(self, name: str, client: bool, answers: bool) -> Any:
        async def heard(request: Message) -> Any:
            answer = await self.on_call(name, request) if self.on_call is not None else None
            return answer if answer is not None else EchoResponse(text=request.text)

        async def unary_unary(request: Any, context: Any) -> Any:
            return await heard(request)

        async def unary_stream(request: Any, context: Any) -> AsyncIterator[Any]:
            for word in request.text.split():
                yield EchoResponse(text=word)
                await heard(request)

        async def stream_unary(requests: AsyncIterator[Any], context: Any) -> Any:
            texts = []
            async for request in requests:
                await heard(request)
                texts.append(request.header.parent or request.text)
            return EchoResponse(text=" ".join(texts))

        async def stream_stream(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            async for request in requests:
                yield await heard(request)

        behaviour: Any = {
            (False, False): unary_unary,
            (False, True): unary_stream,
            (True, False): stream_unary,
            (True, True): stream_stream,
        }[client, answers]
        make: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[client, answers]
        request_class = PartRequest if client else _input(name)
        return make(behaviour, request_class.FromString, EchoResponse.SerializeToString)


def _input(name: str) -> Any:
    method = descriptor_pool.Default().FindServiceByName(SERVICE).methods_by_name[name]
    return message_factory.GetMessageClass(method.input_type)


class EchoStub:
    """What generated code would be."""

    def __init__(self, channel: Any) -> None:
        for name, client, answers, *_ in METHODS:
            shape = f"{'stream' if client else 'unary'}_{'stream' if answers else 'unary'}"
            method = getattr(channel, shape)(
                f"/{SERVICE}/{name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=EchoResponse.FromString,
                _registered_method=True,
            )
            setattr(self, name, method)


EchoStub.__module__ = f"{_PACKAGE}.echo_service_pb2_grpc"
