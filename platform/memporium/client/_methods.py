"""Every RPC of a service as a snake-case method with keyword arguments, made from its descriptor.

`client.vault.create_vault(parent="orgs/acme", vault_id="notes")` builds the request from the keywords, gives a
mutation its `request_id`, and returns the response message. A first argument that is a message is sent as it is.
"""

from __future__ import annotations

import re
import uuid
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message

SERVICES = ("reader", "vault", "scheduler", "governance", "memstore", "transfer", "inference")
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


def snake(name: str) -> str:
    """Return `CreateVault` as `create_vault`."""
    return _HUMP.sub("_", name).lower()


@cache
def service_descriptor(service: str) -> ServiceDescriptor:
    """Return the descriptor of a service, for instance `vault`.

    Raises:
        KeyError: No such service.
    """
    if service not in SERVICES:
        raise KeyError(service)
    module = import_module(f"memporium.{service}.v1.{service}_service_pb2")
    found: ServiceDescriptor
    (found,) = module.DESCRIPTOR.services_by_name.values()
    return found


@cache
def methods(service: str) -> dict[str, MethodDescriptor]:
    """Return the methods of a service by snake-case name."""
    return {snake(method.name): method for method in service_descriptor(service).methods}


def message_class(descriptor: Descriptor) -> type[Message]:
    """Return the generated class of a message."""
    return message_factory.GetMessageClass(descriptor)


def build_request(method: MethodDescriptor, given: Message | None, fields: dict[str, Any]) -> Message:
    """Return the request for a method from a message or from keywords; a mutation gets a request id if it has none."""
    request = given if given is not None else message_class(method.input_type)(**fields)
    if "request_id" in method.input_type.fields_by_name and not request.request_id:  # type: ignore[attr-defined]
        request.request_id = str(uuid.uuid4())  # type: ignore[attr-defined]
    return request


def path(method: MethodDescriptor) -> str:
    """Return the full gRPC path of a method."""
    return f"/{method.containing_service.full_name}/{method.name}"


def callable_for(channel: Any, method: MethodDescriptor) -> Any:
    """Return gRPC's multi-callable for a method, sync or async by the channel."""
    shape = (
        ("stream" if method.client_streaming else "unary") + "_" + ("stream" if method.server_streaming else "unary")
    )
    return getattr(channel, shape)(
        path(method),
        request_serializer=message_class(method.input_type).SerializeToString,
        response_deserializer=message_class(method.output_type).FromString,
    )
