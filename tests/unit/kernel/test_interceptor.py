from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from memporium_platform.call import current_call, maybe_call
from memporium_platform.errors import PlatformError, Reason, not_found
from support.echo import SERVICE, EchoRequest, EchoResponse, EmptyRequest, Header, Item, PartRequest
from support.patience import eventually, patiences
from support.rpc import refused

if TYPE_CHECKING:
    from conftest import Echo

NAME = "orgs/acme/vaults/v"
OTHER = "orgs/other/vaults/v"


def parts(*texts: str, parent: str = NAME) -> Any:
    async def messages() -> Any:
        yield PartRequest(header=Header(parent=parent))
        for text in texts:
            yield PartRequest(text=text)

    return messages()


async def call(stub: Any, shape: str, *, name: str = NAME, text: str = "one two") -> list[str]:
    """Call one of the four shapes; return the texts of the answer."""
    if shape == "Echo":
        return [(await stub.Echo(EchoRequest(name=name, text=text))).text]
    if shape == "Expand":
        return [response.text async for response in stub.Expand(EchoRequest(name=name, text=text))]
    if shape == "Collect":
        return [(await stub.Collect(parts(*text.split(), parent=name))).text]
    return [response.text async for response in stub.Chat(parts(*text.split(), parent=name))]


SHAPES = ["Echo", "Expand", "Collect", "Chat"]


@pytest.mark.parametrize(
    ("shape", "texts"),
    [
        ("Echo", ["one two"]),
        ("Expand", ["one", "two"]),
        ("Collect", [f"{NAME} one two"]),
        ("Chat", ["", "one", "two"]),
    ],
)
async def test_every_shape_answers_and_loses_no_message(echo: Echo, shape: str, texts: list[str]) -> None:
    assert await call(echo.stub, shape) == texts


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_refuses_without_credential(echo: Echo, shape: str) -> None:
    with refused(Reason.CREDENTIAL_MISSING) as refusal:
        await call(echo.as_caller(), shape)
    assert refusal.rpc.code() is grpc.StatusCode.UNAUTHENTICATED
    with refused(Reason.CREDENTIAL_INVALID):
        await call(echo.as_caller("mpk_no_such"), shape)
    assert [record.effect for record in echo.records()] == ["DENY", "DENY"]


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_refuses_another_organisation(echo: Echo, shape: str) -> None:
    with refused(Reason.PERMISSION_DENIED) as refusal:
        await call(echo.stub, shape, name=OTHER)
    assert refusal.error.metadata["resource"] == OTHER
    (record,) = echo.records()
    assert (record.effect, record.reason, record.resource) == ("DENY", "PERMISSION_DENIED", OTHER)
    assert record.principal == "orgs/acme/principals/owner"


@pytest.mark.parametrize(("name", "wrong"), [("", "is empty"), ("vaults/v", "is no name of a resource")])
@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_says_which_field_names_no_resource(echo: Echo, shape: str, name: str, wrong: str) -> None:
    with refused(Reason.PERMISSION_DENIED) as refusal:
        await call(echo.stub, shape, name=name)
    (field,) = refusal.error.fields
    assert field.field == ("name" if shape in {"Echo", "Expand"} else "header.parent")
    assert wrong in field.description
    assert refusal.error.metadata["resource"] == name
    (record,) = echo.records()
    assert (record.effect, record.reason) == ("DENY", "PERMISSION_DENIED")


async def test_a_stream_that_begins_without_its_header_is_told_so(echo: Echo) -> None:
    async def headless() -> Any:
        yield PartRequest(text="one")

    with refused(Reason.PERMISSION_DENIED) as refusal:
        await echo.stub.Collect(headless())
    assert "header.parent is empty" in refusal.error.message


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_maps_an_error_of_the_handler(echo: Echo, shape: str) -> None:
    async def fail(_name: str, _request: Any) -> None:
        raise not_found("orgs/acme/vaults/v")

    echo.module.on_call = fail
    with refused(Reason.NOT_FOUND) as refusal:
        await call(echo.stub, shape)
    assert refusal.error.metadata == {"resource": NAME}
    (record,) = echo.records()
    assert (record.effect, record.reason) == ("ERROR", "NOT_FOUND")


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_hides_an_unexpected_error(echo: Echo, shape: str) -> None:
    async def fail(_name: str, _request: Any) -> None:
        raise ValueError("a secret detail")

    echo.module.on_call = fail
    with refused(Reason.INTERNAL) as refusal:
        await call(echo.stub, shape)
    assert "secret" not in str(refusal.rpc)
    assert refusal.trailing("memporium-error-id") == refusal.error.metadata["error_id"] != ""


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_says_that_the_disk_is_full(echo: Echo, shape: str) -> None:
    async def fail(_name: str, _request: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/a/path")

    echo.module.on_call = fail
    with refused(Reason.UNAVAILABLE) as refusal:
        await call(echo.stub, shape)
    assert refusal.error.message == "the disk of the platform is full"
    assert "/a/path" not in str(refusal.rpc)


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_sets_the_call(echo: Echo, shape: str) -> None:
    seen = []

    async def look(_name: str, _request: Any) -> None:
        seen.append(current_call())

    echo.module.on_call = look
    await call(echo.as_caller(echo.key, purpose="research", region="eu"), shape)
    for one in seen:
        assert one.principal.name == "orgs/acme/principals/owner"
        assert (one.action, one.resource) == (f"testing.echo.{shape.lower()}", NAME)
        assert (one.purpose, one.region, one.rule) == ("research", "eu", "static")
        assert one.root_id == one.decision_id
    assert seen
    assert maybe_call() is None


async def test_calls_at_once_keep_apart(echo: Echo) -> None:
    async def look(_name: str, request: Any) -> Any:
        await asyncio.sleep(0)
        return EchoResponse(text=f"{request.text} {current_call().resource}")

    echo.module.on_call = look
    names = [f"orgs/acme/vaults/v{number}" for number in range(50)]
    answers = await asyncio.gather(*(call(echo.stub, "Echo", name=name, text=name) for name in names))
    assert answers == [[f"{name} {name}"] for name in names]


async def test_an_allowed_read_is_recorded(echo: Echo) -> None:
    await call(echo.stub, "Echo")
    (record,) = echo.records()
    assert (record.effect, record.reason, record.action) == ("ALLOW", "", "testing.echo.echo")
    assert record.credential == "acme-owner"


async def test_authorises_before_validating(echo: Echo) -> None:
    incomplete = [Item(label="x"), Item(count=1)]
    with refused(Reason.PERMISSION_DENIED):
        await echo.stub.Echo(EchoRequest(name=OTHER, items=incomplete))
    with refused(Reason.INVALID_FIELD) as refusal:
        await echo.stub.Echo(EchoRequest(name=NAME, items=incomplete))
    assert [wrong.field for wrong in refusal.error.fields] == ["items[1].label"]


async def test_a_name_of_no_organisation_is_denied(echo: Echo) -> None:
    for name in ("", "orgs/", "orgs/../acme", "vaults/v", "orgs/acme*/x"):
        with refused(Reason.PERMISSION_DENIED):
            await echo.stub.Echo(EchoRequest(name=name))


async def test_bytes_that_are_no_message_are_refused(echo: Echo) -> None:
    raw = echo.platform.channel(echo.key).unary_unary(f"/{SERVICE}/Echo")
    with refused(Reason.INVALID_FIELD):
        await raw(b"\xff\xff\xff")
    raw = echo.platform.channel().unary_unary(f"/{SERVICE}/Echo")
    with refused(Reason.CREDENTIAL_MISSING):
        await raw(b"\xff\xff\xff")


async def test_an_empty_client_stream_is_refused(echo: Echo) -> None:
    async def nothing() -> Any:
        return
        yield

    with refused(Reason.INVALID_FIELD):
        await echo.stub.Collect(nothing())


async def test_of_several_resources_each_must_be_allowed(echo: Echo) -> None:
    await echo.stub.Many(EmptyRequest(names=[NAME, "orgs/acme/vaults/w"]))
    with refused(Reason.PERMISSION_DENIED):
        await echo.stub.Many(EmptyRequest(names=[NAME, OTHER]))
    with refused(Reason.PERMISSION_DENIED):
        await echo.stub.Many(EmptyRequest())


async def test_domains(echo: Echo) -> None:
    await echo.stub.Anybody(EmptyRequest())
    await echo.stub.Mine(EchoRequest(name=OTHER))
    with refused(Reason.PERMISSION_DENIED):
        await echo.stub.Inside(EchoRequest(name=NAME))
    with refused(Reason.PERMISSION_DENIED):
        await echo.stub.Operate(EmptyRequest())
    operator = echo.static.add("platform", "operator")
    await echo.as_caller(operator).Operate(EmptyRequest())
    with refused(Reason.PERMISSION_DENIED):
        await call(echo.as_caller(operator), "Echo")


async def test_the_epoch_is_in_the_trailing_metadata(echo: Echo) -> None:
    answer = echo.stub.Echo(EchoRequest(name=NAME))
    await answer
    assert dict(await answer.trailing_metadata())["memporium-policy-epoch"] == str(echo.static.epoch)


async def test_a_caller_may_demand_an_epoch(tmp_path: Any, echo: Echo) -> None:
    wanted = echo.static.epoch + 1
    waiting = asyncio.create_task(call(echo.as_caller(echo.key, at_least_epoch=str(wanted)), "Echo"))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await echo.static.reach(wanted)
    assert await waiting == ["one two"]
    with refused(Reason.POLICY_STALE) as refusal:
        await call(echo.as_caller(echo.key, at_least_epoch=str(wanted + 1)), "Echo")
    assert refusal.error.retry_after_s is not None
    with refused(Reason.INVALID_FIELD):
        await call(echo.as_caller(echo.key, at_least_epoch="soon"), "Echo")


@pytest.mark.parametrize("shape", ["Expand", "Chat"])
async def test_a_stream_ends_when_its_key_is_revoked(echo: Echo, shape: str) -> None:
    async def revoke(_name: str, request: Any) -> None:
        if request.text != "three":
            echo.static.revoke(echo.key)

    echo.module.on_call = revoke
    with refused(Reason.CREDENTIAL_REVOKED):
        await call(echo.stub, shape, text="one two three")


async def test_a_stream_ends_when_its_permission_is_gone(echo: Echo) -> None:
    key = echo.static.add("acme", "agent", actions=("testing.*",))

    async def forbid(_name: str, _request: Any) -> None:
        echo.static.add("acme", "agent", actions=())

    echo.module.on_call = forbid
    with refused(Reason.PERMISSION_DENIED):
        await call(echo.as_caller(key), "Expand")


async def test_the_callers_deadline_ends_the_call(echo: Echo) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()

    async def wait(_name: str, _request: Any) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    echo.module.on_call = wait
    for patience_s in patiences(0.05):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await echo.stub.Echo(EchoRequest(name=NAME), timeout=patience_s)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if entered.is_set():
            break
    await asyncio.wait_for(ended.wait(), 30)


async def test_a_cancelled_call_is_recorded(echo: Echo) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()

    async def wait(_name: str, _request: Any) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    echo.module.on_call = wait
    running = asyncio.ensure_future(echo.stub.Echo(EchoRequest(name=NAME)))
    await entered.wait()
    running.cancel()
    await asyncio.wait_for(ended.wait(), 30)
    records = await eventually(echo.records)
    assert [record.reason for record in records] == ["CANCELLED"]


async def test_an_abort_of_the_handler_passes(echo: Echo) -> None:
    async def abort(_name: str, _request: Any) -> None:
        raise PlatformError(Reason.LEGAL_HOLD, "held", metadata={"resource": NAME})

    echo.module.on_call = abort
    with refused(Reason.LEGAL_HOLD):
        await call(echo.stub, "Expand")


async def test_a_method_without_row_is_not_served(echo: Echo) -> None:
    raw = echo.platform.channel(echo.key).unary_unary(f"/{SERVICE}/NoSuch")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
