"""Every method of every service refuses callers without a good credential, and outsiders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory

from memporium.common.v1 import access_pb2
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.authz import StaticAuthorizer
from support.platform import present_services, running_platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
    from google.protobuf.message import Message

    from support.platform import Platform

SERVICES = present_services()
SERVICE_NAMES = {name: f"memporium.{name}.v1.{name.capitalize()}Service" for name in SERVICES}


def methods_of(service: str) -> list[MethodDescriptor]:
    __import__(f"memporium.{service}.v1.{service}_service_pb2")
    return list(descriptor_pool.Default().FindServiceByName(SERVICE_NAMES[service]).methods)


METHODS = [(service, method) for service in SERVICES for method in methods_of(service)]
IDS = [f"{service}.{method.name}" for service, method in METHODS]


@pytest.fixture
async def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    authorizer = StaticAuthorizer()
    async with running_platform(SERVICES, data_dir=tmp_path, authorizer=authorizer) as running:
        yield running


async def outcome(platform: Platform, service: str, method: MethodDescriptor, key: str, request: Message) -> Any:
    """Call the method in its own shape; return the reason of the refusal, or None."""
    shape = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    call = getattr(platform.channel(key), shape)(f"/{SERVICE_NAMES[service]}/{method.name}")
    raw = request.SerializeToString()

    async def one() -> AsyncIterator[bytes]:
        yield raw

    try:
        answer = call(one() if method.client_streaming else raw, timeout=60)
        if method.server_streaming:
            async for _ in answer:
                return None
        else:
            await answer
    except grpc.aio.AioRpcError as error:
        return reason_of(error).reason
    return None


def request_about(method: MethodDescriptor, org: str) -> Message:
    """Return a request whose resource lies in an organisation."""
    request = message_factory.GetMessageClass(method.input_type)()
    path = method.GetOptions().Extensions[access_pb2.access].resource
    holder: Any = request
    descriptor = method.input_type
    parts = path.split(".") if path else []
    for position, part in enumerate(parts):
        field: FieldDescriptor = descriptor.fields_by_name[part]
        last = position == len(parts) - 1
        if last:
            name = f"orgs/{org}/vaults/v"
            getattr(holder, part).append(name) if field.is_repeated else setattr(holder, part, name)
        else:
            holder = getattr(holder, part).add() if field.is_repeated else getattr(holder, part)
            descriptor = field.message_type
    return request


async def test_every_method_refuses_bad_credentials(platform: Platform) -> None:
    authz = platform.static
    assert authz is not None
    expired, revoked, disabled = (authz.add("acme", name) for name in ("expired", "revoked", "disabled"))
    authz.expire(expired)
    authz.revoke(revoked)
    authz.disable(disabled)
    keys = {
        "": Reason.CREDENTIAL_MISSING,
        "garbage": Reason.CREDENTIAL_INVALID,
        "mpk_0123_deadbeef": Reason.CREDENTIAL_INVALID,
        "eyJhbGciOiJub25lIn0.e30.": Reason.CREDENTIAL_INVALID,
        expired: Reason.CREDENTIAL_EXPIRED,
        revoked: Reason.CREDENTIAL_REVOKED,
        disabled: Reason.CREDENTIAL_REVOKED,
    }
    wrong = []
    for service, method in METHODS:
        request = request_about(method, "acme")
        for key, reason in keys.items():
            got = await outcome(platform, service, method, key, request)
            if got is not reason:
                wrong.append(f"{service}.{method.name} with {key[:12]!r}: {got}")
    assert not wrong


async def test_every_method_refuses_an_outsider(platform: Platform) -> None:
    """Another organisation's owner gets the same answer whether the resource exists or not; internal methods refuse."""
    outsider = (await platform.organisation("outsider")).owner_key
    await platform.organisation("acme")
    wrong = []
    for service, method in METHODS:
        domain = method.GetOptions().Extensions[access_pb2.access].domain or access_pb2.ACCESS_DOMAIN_RESOURCE
        if domain in {access_pb2.ACCESS_DOMAIN_ANY, access_pb2.ACCESS_DOMAIN_CALLER}:
            continue  # The service itself checks who is party to what.
        got = await outcome(platform, service, method, outsider, request_about(method, "acme"))
        if got is not Reason.PERMISSION_DENIED:
            wrong.append(f"{service}.{method.name}: {got}")
    assert not wrong


@pytest.mark.parametrize(("service", "method"), METHODS, ids=IDS)
def test_every_method_has_a_complete_row(service: str, method: MethodDescriptor) -> None:
    access = method.GetOptions().Extensions[access_pb2.access]
    assert access.action.split(".")[0] == service
    assert len(access.action.split(".")) == 3
    if access.mutation and access.domain != access_pb2.ACCESS_DOMAIN_INTERNAL:
        fields = method.input_type.fields_by_name
        header = fields.get(access.resource.split(".")[0])
        below = header.message_type.fields_by_name if header is not None and header.message_type is not None else {}
        assert "request_id" in fields or "request_id" in below
