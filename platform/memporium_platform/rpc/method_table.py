"""The method table: what the `access` option in the protos says about each method, read when a service registers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pool, message_factory

from memporium.common.v1 import access_pb2
from memporium_platform.rpc.required import compile_check
from memporium_platform.rpc.values import compile_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Row:
    """One method.

    Attributes:
        method: Full gRPC method, `/memporium.vault.v1.VaultService/GetCube`.
        service: Short name of the service, `vault`: the audience of internal tokens.
        action: `<service>.<resource>.<verb>`.
        domain: In which organisation the caller's roles count (`access_pb2.AccessDomain`).
        mutation: Whether the method changes state.
        parse: Bytes to request.
        resource: Path of the field that names what a request is about; empty where the domain itself is the resource.
        resources: Request to the resource names it is about; none where the domain itself is the resource.
        check: Refuses a request without its REQUIRED fields.
        sense: Refuses a message with impossible values; takes the message's bytes, too.
        request_id: Request to its idempotency id, or "".
        digest: Request to the SHA-256 of it without its idempotency id.
    """

    method: str
    service: str
    action: str
    domain: int
    mutation: bool
    parse: Callable[[bytes], Message]
    resource: str
    resources: Callable[[Any], tuple[str, ...]]
    check: Callable[[Message], None]
    sense: Callable[[Message, bytes], None]
    request_id: Callable[[Any], str]
    digest: Callable[[Any], bytes]


class NoAccessOptionError(Exception):
    """A method carries no `access` option, so nobody could be let in rightly."""


def rows_of(service_name: str) -> dict[str, Row]:
    """Return the rows of a service, for instance `memporium.vault.v1.VaultService`, by full method.

    Raises:
        NoAccessOptionError: A method has no `access` option or its resource path is not in the request.
    """
    service = _descriptor(service_name)
    rows = (_row(service_name, method) for method in service.methods)
    return {row.method: row for row in rows}


def is_mutation(method: str) -> bool:
    """Whether a full gRPC method changes state."""
    service, _, name = method.lstrip("/").partition("/")
    return bool(_descriptor(service).methods_by_name[name].GetOptions().Extensions[access_pb2.access].mutation)


def _descriptor(service_name: str) -> ServiceDescriptor:
    """Return a service's descriptor; its stubs import the files of its messages, which need not be its own."""
    pool = descriptor_pool.Default()
    try:
        return pool.FindServiceByName(service_name)
    except KeyError:
        package = service_name.rpartition(".")[0]
        import_module(f"{package}.{package.split('.')[1]}_service_pb2")
        return pool.FindServiceByName(service_name)


def _row(service_name: str, method: MethodDescriptor) -> Row:
    name = f"/{service_name}/{method.name}"
    access = method.GetOptions().Extensions[access_pb2.access]
    if not access.action:
        message = f"{name} has no access option"
        raise NoAccessOptionError(message)
    request_class = message_factory.GetMessageClass(method.input_type)
    id_path = _request_id_path(method.input_type, access.resource)
    return Row(
        method=name,
        service=service_name.split(".")[1],
        action=access.action,
        domain=access.domain or access_pb2.ACCESS_DOMAIN_RESOURCE,
        mutation=access.mutation,
        parse=request_class.FromString,
        resource=access.resource,
        resources=_names_at(name, method.input_type, access.resource),
        check=compile_check(method.input_type),
        sense=_sense(method.input_type),
        request_id=_text_at(id_path),
        digest=_digest_without(name, id_path),
    )


def _sense(descriptor: Descriptor) -> Callable[[Message, bytes], None]:
    every, but_texts = compile_values(descriptor), compile_values(descriptor, texts=False)

    def sense(message: Message, raw: bytes) -> None:
        # A NUL in a text is a zero among the bytes, which few messages have: texts are not looked at one by one.
        (every if 0 in raw else but_texts)(message, "")

    return sense


def _names_at(method: str, descriptor: Descriptor, path: str) -> Callable[[Any], tuple[str, ...]]:
    if not path:
        return lambda _request: ()
    parts = path.split(".")
    repeated: list[bool] = []
    below: Descriptor | None = descriptor
    for part in parts:
        field = below.fields_by_name.get(part) if below is not None else None
        if field is None:
            message = f"{method}: no request field {path}"
            raise NoAccessOptionError(message)
        repeated.append(field.is_repeated)
        below = field.message_type
    if any(repeated):
        steps = list(zip(parts, repeated, strict=True))
        return lambda request: tuple(_walk(request, steps))
    if len(parts) == 1:
        return lambda request: (getattr(request, path),)
    text = _text_at(parts)
    return lambda request: (text(request),)


def _walk(message: Any, steps: list[tuple[str, bool]]) -> list[str]:
    """Return every value at a path, through repeated fields."""
    values = [message]
    for part, repeated in steps:
        if repeated:
            values = [inner for value in values for inner in getattr(value, part)]
        else:
            values = [getattr(value, part) for value in values]
    return values


def _request_id_path(descriptor: Descriptor, resource: str) -> list[str]:
    """Return where the request id is: in the request, or beside the resource in a stream's header."""
    if "request_id" in descriptor.fields_by_name:
        return ["request_id"]
    header = descriptor.fields_by_name.get(resource.partition(".")[0])
    below = header.message_type if header is not None and not header.is_repeated else None
    if header is not None and below is not None and "request_id" in below.fields_by_name:
        return [header.name, "request_id"]
    return []


def _text_at(parts: list[str]) -> Callable[[Any], str]:
    def text(request: Any) -> str:
        value = request
        for part in parts:
            value = getattr(value, part)
        return str(value)

    return text if parts else lambda _request: ""


def _digest_without(method: str, id_path: list[str]) -> Callable[[Any], bytes]:
    prefix = method.encode() + b"\0"

    def digest(request: Any) -> bytes:
        copy = type(request)()
        copy.CopyFrom(request)
        holder = copy
        for part in id_path[:-1]:
            holder = getattr(holder, part)
        if id_path:
            holder.ClearField(id_path[-1])
        return hashlib.sha256(prefix + copy.SerializeToString(deterministic=True)).digest()

    return digest
