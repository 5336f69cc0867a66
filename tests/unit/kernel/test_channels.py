from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from memporium_platform.call import acting_as, current_call, service_principal
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.errors_client import reason_of
from support.echo import EchoRequest, EchoResponse, EchoStub, EmptyRequest, Header, PartRequest
from support.patience import patiences
from support.rpc import refused

if TYPE_CHECKING:
    from conftest import Echo

NAME = "orgs/acme/vaults/v"


@pytest.fixture
def stub(echo: Echo) -> Any:
    """A stub as a service named `reader` would use it."""
    return echo.module.kernel.channels.bind("reader").stub(EchoStub)


async def test_a_service_calls_on_behalf_of_the_user(echo: Echo, stub: Any) -> None:
    seen = []

    async def forward(name: str, request: Any) -> Any:
        seen.append(current_call())
        if name == "Echo":
            answer = await stub.Inside(EchoRequest(name=NAME, text="inner"))
            return EchoResponse(text=answer.text)
        return None

    echo.module.on_call = forward
    caller = echo.as_caller(echo.key, purpose="research", region="eu")
    assert (await caller.Echo(EchoRequest(name=NAME), timeout=30)).text == "inner"
    outer, inner = seen
    assert inner.principal.name == outer.principal.name
    assert (inner.principal.via, inner.principal.credential) == ("reader", "acme-owner")
    assert (inner.purpose, inner.region) == ("research", "eu")
    assert inner.root_id == outer.decision_id != inner.decision_id
    assert inner.deadline <= outer.deadline + 0.1
    # gRPC rounds a timeout up on the wire, here by up to a hundredth at each of the two hops.
    assert inner.deadline - time.monotonic() < 30.1


async def test_the_users_own_rights_count_inside(echo: Echo, stub: Any) -> None:
    async def forward(name: str, _request: Any) -> Any:
        if name == "Echo":
            await stub.Change(EchoRequest(name="orgs/other/vaults/v"))

    echo.module.on_call = forward
    with refused(Reason.PERMISSION_DENIED) as refusal:
        await echo.stub.Echo(EchoRequest(name=NAME))
    assert refusal.error.metadata["resource"] == "orgs/other/vaults/v"


async def test_a_service_itself_may_call_internal_methods_only(echo: Echo, stub: Any) -> None:
    with acting_as(service_principal("reader")):
        await stub.Inside(EchoRequest(name=NAME))
        await stub.Anybody(EmptyRequest())
        for method in (stub.Echo, stub.Change):
            with refused(Reason.PERMISSION_DENIED):
                await method(EchoRequest(name=NAME))
    await stub.Inside(EchoRequest(name=NAME))


async def test_the_root_id_of_an_outsider_is_not_believed(echo: Echo) -> None:
    seen = []

    async def look(_name: str, _request: Any) -> None:
        seen.append(current_call())

    echo.module.on_call = look
    await echo.as_caller(echo.key, root_id="forged").Echo(EchoRequest(name=NAME))
    assert seen[0].root_id == seen[0].decision_id


async def test_a_disabled_principal_is_refused_inside_too(echo: Echo, stub: Any) -> None:
    async def forward(name: str, _request: Any) -> Any:
        if name == "Echo":
            echo.static.disable(echo.key)
            await stub.Inside(EchoRequest(name=NAME))

    echo.module.on_call = forward
    with refused(Reason.CREDENTIAL_REVOKED):
        await echo.stub.Echo(EchoRequest(name=NAME))


async def test_streams_carry_the_token(echo: Echo, stub: Any) -> None:
    user = echo.module.kernel.authz.authenticate(echo.key, echo.module.kernel.clock.now())

    async def parts() -> Any:
        yield PartRequest(header=Header(parent=NAME))
        yield PartRequest(text="x")

    with acting_as(user):
        assert [one.text async for one in stub.Expand(EchoRequest(name=NAME, text="a b"))] == ["a", "b"]
        assert (await stub.Collect(parts())).text == f"{NAME} x"
        assert [one.text async for one in stub.Chat(parts())] == ["", "x"]


async def test_a_peers_error_passes_through(echo: Echo, stub: Any) -> None:
    async def forward(name: str, _request: Any) -> Any:
        if name == "Echo":
            await stub.Inside(EchoRequest(name=NAME))
        raise PlatformError(Reason.LICENCE_EXPIRED, "over", metadata={"agreement": "a"})

    echo.module.on_call = forward
    with refused(Reason.LICENCE_EXPIRED) as refusal:
        await echo.stub.Echo(EchoRequest(name=NAME))
    assert refusal.error.metadata == {"agreement": "a"}


@pytest.mark.parametrize(("method", "request_id", "attempts"), [("Change", "r", 4), ("Change", "", 1), ("Echo", "", 4)])
async def test_what_may_be_repeated_is_tried_again(
    echo: Echo, stub: Any, method: str, request_id: str, attempts: int
) -> None:
    calls = []

    async def away(_name: str, _request: Any) -> Any:
        calls.append(current_call().request_id)
        raise PlatformError(Reason.UNAVAILABLE, "away")

    echo.module.on_call = away
    user = echo.module.kernel.authz.authenticate(echo.key, echo.module.kernel.clock.now())
    with acting_as(user), refused(Reason.UNAVAILABLE):
        await getattr(stub, method)(EchoRequest(name=NAME, request_id=request_id))
    assert calls == [request_id] * attempts


async def test_other_errors_are_not_tried_again(echo: Echo, stub: Any) -> None:
    calls = []

    async def fail(_name: str, _request: Any) -> Any:
        calls.append(1)
        raise PlatformError(Reason.CONFLICT, "again")

    echo.module.on_call = fail
    with refused(Reason.CONFLICT):
        await stub.Anybody(EmptyRequest())
    assert calls == [1]


async def test_the_calls_time_ends_the_inner_call(echo: Echo, stub: Any) -> None:
    inner_entered, inner_ended = asyncio.Event(), asyncio.Event()

    async def forward(name: str, _request: Any) -> Any:
        if name == "Echo":
            await stub.Inside(EchoRequest(name=NAME))
        inner_entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            inner_ended.set()

    echo.module.on_call = forward
    for patience_s in patiences(0.1):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await echo.stub.Echo(EchoRequest(name=NAME), timeout=patience_s)
        assert reason_of(caught.value).reason is Reason.DEADLINE_EXCEEDED
        if inner_entered.is_set():
            break
    await asyncio.wait_for(inner_ended.wait(), 30)
