"""Services of one process reach each other without a connection, and yet as they would over one."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from memporium_platform.call import acting_as, current_call, maybe_call, service_principal
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc import in_process
from memporium_platform.rpc.errors_client import reason_of
from support.echo import SERVICE, EchoRequest, EchoResponse, EchoStub
from support.patience import patiences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Echo

NAME = "orgs/acme/vaults/v"
_OF_CALLER: ContextVar[str] = ContextVar("of_caller", default="")


@pytest.fixture(params=["here", "socket"])
def way(request: pytest.FixtureRequest, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the process's services call each other in a test."""
    monkeypatch.setattr(in_process, "WHOLE_STREAMS", frozenset({f"/{SERVICE}/Expand"}))
    if request.param == "socket":
        channels = echo.module.kernel.channels
        channels.set_own_address(channels._own_address)
    return str(request.param)


@pytest.fixture
def stub(echo: Echo, way: str) -> Iterator[Any]:
    """A stub as a service named `reader` uses it, within a user's call."""
    kernel = echo.module.kernel
    with acting_as(kernel.authz.authenticate(echo.key, kernel.clock.now())):
        yield kernel.channels.bind("reader").stub(EchoStub)


async def test_only_what_asks_for_no_open_stream_stays_within(echo: Echo, stub: Any, way: str) -> None:
    here = echo.module.kernel.channels.here("echo")
    assert (here is not None) is (way == "here")
    if here is not None:
        served = {name: here.handler(f"/{SERVICE}/{name}") for name in ("Echo", "Expand", "Collect", "Chat", "Nothing")}
        assert {name for name, handler in served.items() if handler is not None} == {"Echo", "Expand"}
    assert (await stub.Echo(EchoRequest(name=NAME, text="a"))).text == "a"
    assert [one.text async for one in stub.Expand(EchoRequest(name=NAME, text="a b"))] == ["a", "b"]


async def test_nothing_of_the_caller_reaches_the_handler_but_by_its_token(echo: Echo, stub: Any) -> None:
    seen: list[Any] = []

    async def look(_name: str, request: Any) -> Any:
        seen.append((_OF_CALLER.get(), current_call().principal.via, request))
        request.text = "changed"
        return EchoResponse(text="answer")

    echo.module.on_call = look
    _OF_CALLER.set("set by the caller")
    request = EchoRequest(name=NAME, text="mine")
    before = maybe_call()
    await stub.Echo(request)
    assert seen[0][:2] == ("", "reader")
    assert seen[0][2] is not request
    assert request.text == "mine"
    assert maybe_call() is before


async def test_what_is_refused_is_refused_and_recorded(echo: Echo, stub: Any) -> None:
    echo.records()
    with pytest.raises(grpc.aio.AioRpcError) as denied:
        await stub.Change(EchoRequest(name="orgs/other/vaults/v"))
    with pytest.raises(grpc.aio.AioRpcError) as streamed:
        assert not [one async for one in stub.Expand(EchoRequest(name="orgs/other/vaults/v"))]
    with acting_as(service_principal("reader")), pytest.raises(grpc.aio.AioRpcError) as alone:
        await stub.Echo(EchoRequest(name=NAME))
    for caught in (denied, streamed, alone):
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert reason_of(caught.value).reason is Reason.PERMISSION_DENIED
    records = echo.records()
    assert [one.method.rsplit("/", 1)[1] for one in records] == ["Change", "Expand", "Echo"]
    assert {(one.effect, one.via) for one in records[:2]} == {("DENY", "reader")}


async def test_errors_come_as_they_were_raised(echo: Echo, stub: Any) -> None:
    async def fail(name: str, _request: Any) -> Any:
        if name == "Inside":
            raise RuntimeError("of the handler alone")
        raise PlatformError(Reason.CONFLICT, "again", metadata={"held": "by another"}, retry_after_s=1.5)

    echo.module.on_call = fail
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Echo(EchoRequest(name=NAME))
    found = reason_of(caught.value)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.ABORTED, "again")
    assert (found.reason, found.metadata, found.retry_after_s) == (Reason.CONFLICT, {"held": "by another"}, 1.5)
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.Inside(EchoRequest(name=NAME))
    assert reason_of(unknown.value).reason is Reason.INTERNAL
    assert "handler alone" not in (unknown.value.details() or "")


async def test_a_message_that_is_too_large_is_not_taken(echo: Echo, stub: Any) -> None:
    most = echo.module.kernel.settings.max_message_bytes
    with pytest.raises(grpc.aio.AioRpcError) as sent:
        await stub.Echo(EchoRequest(name=NAME, text="a" * (most + 1)))
    assert sent.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    async def much(_name: str, _request: Any) -> Any:
        return EchoResponse(text="a" * (most + 1))

    echo.module.on_call = much
    with pytest.raises(grpc.aio.AioRpcError) as received:
        await stub.Echo(EchoRequest(name=NAME))
    assert received.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_caller_without_time_leaves_and_ends_the_handler(echo: Echo, stub: Any) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()

    async def hold(_name: str, _request: Any) -> Any:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    echo.module.on_call = hold
    for patience_s in patiences(0.1):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Echo(EchoRequest(name=NAME), timeout=patience_s)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if entered.is_set():
            break
    await asyncio.wait_for(ended.wait(), 30)


async def test_a_caller_who_is_cancelled_leaves_at_once_and_ends_the_handler(echo: Echo, stub: Any) -> None:
    entered, told, let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(_name: str, _request: Any) -> Any:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.set()
            # A handler that is slow to end keeps nobody waiting.
            await let_go.wait()
            raise

    echo.module.on_call = hold
    asking = asyncio.create_task(stub.Echo(EchoRequest(name=NAME)))
    await asyncio.wait_for(entered.wait(), 30)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 30)
    await asyncio.wait_for(told.wait(), 30)
    let_go.set()


async def test_after_the_server_has_stopped_nobody_gets_in(echo: Echo, stub: Any) -> None:
    await echo.platform.running.server.stop()
    here = echo.module.kernel.channels.here("echo")
    assert here is None or here.handler(f"/{SERVICE}/Echo") is None
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Change(EchoRequest(name=NAME))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
