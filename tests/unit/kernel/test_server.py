from __future__ import annotations

import asyncio
import urllib.request
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from memporium_platform.call import PrincipalKind
from memporium_platform.errors import Reason
from memporium_platform.rpc.server import InsecureListenError
from memporium_platform.settings import PlatformSettings
from memporium_services.runner import UnknownServiceError, running
from support.authz import StaticAuthorizer
from support.certificates import Authority
from support.echo import SERVICE, EchoModule, EchoRequest, EchoStub, EmptyRequest
from support.patience import LIMIT_S
from support.platform import running_platform
from support.processes import free_port
from support.rpc import refused

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Echo

NAME = "orgs/acme/vaults/v"


async def test_health_needs_no_credential(echo: Echo) -> None:
    health = health_pb2_grpc.HealthStub(echo.platform.channel())
    for service in ("", SERVICE):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


class _Beginning(EchoModule):
    """Asks how the platform is while it begins."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self.told: list[int] = []

    async def start(self) -> None:
        await super().start()
        async with grpc.aio.insecure_channel(self._address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for service in ("", SERVICE):
                request = health_pb2.HealthCheckRequest(service=service)
                self.told.append((await health.Check(request, wait_for_ready=True, timeout=LIMIT_S)).status)


async def test_health_says_that_all_is_well_only_when_everything_has_begun(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    module = _Beginning(address)
    async with running_platform(data_dir=tmp_path, modules=[module], listen=address) as platform:
        health = health_pb2_grpc.HealthStub(platform.channel())
        after = (await health.Check(health_pb2.HealthCheckRequest())).status
    assert module.told == [health_pb2.HealthCheckResponse.NOT_SERVING] * 2
    assert after == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_names_the_services(echo: Echo) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(echo.platform.channel())

    async def ask() -> Any:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    answers = [answer async for answer in stub.ServerReflectionInfo(ask())]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


async def test_reflection_can_be_off(tmp_path: Path) -> None:
    async with running_platform(data_dir=tmp_path, modules=[EchoModule()], reflection=False) as platform:
        stub = reflection_pb2_grpc.ServerReflectionStub(platform.channel())

        async def ask() -> Any:
            yield reflection_pb2.ServerReflectionRequest(list_services="")

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [answer async for answer in stub.ServerReflectionInfo(ask())]
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_calls_in_progress_end_before_the_stop(tmp_path: Path) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_name: str, _request: Any) -> None:
        entered.set()
        await go_on.wait()

    async with running_platform(data_dir=tmp_path, modules=[EchoModule(wait)], grace_s=60) as platform:
        org = await platform.organisation("acme")
        stub = EchoStub(platform.channel(org.owner_key))
        answer = stub.Echo(EchoRequest(name=NAME, text="x"))
        await entered.wait()
        stopping = asyncio.create_task(platform.running.server.stop())
        refusal = None
        async with asyncio.timeout(LIMIT_S):
            # Until the stop has begun, calls come in.
            while refusal is None:
                try:
                    await stub.Anybody(EmptyRequest())
                except grpc.aio.AioRpcError as error:
                    refusal = error.code()
        assert refusal in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert not answer.done()
        go_on.set()
        assert (await answer).text == "x"
        await stopping


async def test_metrics_are_counted_by_method_tenant_and_code(tmp_path: Path) -> None:
    async with running_platform(data_dir=tmp_path, modules=[EchoModule()], metrics_listen="127.0.0.1:0") as platform:
        org = await platform.organisation("acme")
        stub = EchoStub(platform.channel(org.owner_key))
        await stub.Echo(EchoRequest(name=NAME))
        with refused(Reason.PERMISSION_DENIED):
            await stub.Echo(EchoRequest(name="orgs/other/x"))
        port = platform.running.engines.gate.telemetry.metrics_port
        url = f"http://127.0.0.1:{port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=30).read().decode())
    labels = f'method="/{SERVICE}/Echo",tenant="acme"'
    assert f'memporium_calls_total{{code="OK",{labels}}} 1.0' in text
    assert f'memporium_calls_total{{code="PERMISSION_DENIED",{labels}}} 1.0' in text
    assert f'memporium_call_seconds_count{{method="/{SERVICE}/Echo"}} 2.0' in text


async def test_limits_answer_with_a_delay(tmp_path: Path) -> None:
    async with running_platform(
        data_dir=tmp_path, modules=[EchoModule()], tenant_calls_per_s=1, tenant_burst_calls=2
    ) as platform:
        one, other = await platform.organisation("one"), await platform.organisation("other")
        stub = EchoStub(platform.channel(one.owner_key))
        for _ in range(2):
            await stub.Anybody(EmptyRequest())
        with refused(Reason.RATE_LIMITED) as refusal:
            await stub.Anybody(EmptyRequest())
        assert 0 < (refusal.error.retry_after_s or 0) <= 1
        await EchoStub(platform.channel(other.owner_key)).Anybody(EmptyRequest())


async def test_a_client_certificate_is_an_identity(tmp_path: Path) -> None:
    authority = Authority("tests")
    files = authority.write_server(tmp_path, "localhost")
    authz = StaticAuthorizer()
    authz.add("acme", "robot", kind=PrincipalKind.WORKLOAD)
    async with running_platform(
        data_dir=tmp_path / "data",
        modules=[EchoModule()],
        authorizer=authz,
        tls_certificate=files.certificate,
        tls_private_key=files.private_key,
        tls_client_ca=files.authority,
    ) as platform:
        address = platform.address.replace("127.0.0.1", "localhost")
        key, certificate = authority.issue("acme-robot")
        stranger_key, stranger = authority.issue("somebody")
        # One that the server does not trust, for a name that it knows.
        forged_key, forged = Authority("elsewhere").issue("acme-robot")
        roots = files.authority.read_bytes()
        for client_key, client, reason in (
            (key, certificate, None),
            (stranger_key, stranger, Reason.CREDENTIAL_INVALID),
            (forged_key, forged, Reason.UNAVAILABLE),
            (None, None, Reason.UNAVAILABLE),
        ):
            credentials = grpc.ssl_channel_credentials(roots, client_key, client)
            async with grpc.aio.secure_channel(address, credentials) as channel:
                stub = EchoStub(channel)
                if reason is None:
                    assert (await stub.Echo(EchoRequest(name=NAME, text="x"))).text == "x"
                else:
                    with refused(reason):
                        await stub.Echo(EchoRequest(name=NAME))


async def test_no_listening_beyond_loopback_without_tls(tmp_path: Path) -> None:
    with pytest.raises(InsecureListenError):
        async with running_platform(data_dir=tmp_path, modules=[EchoModule()], listen="0.0.0.0:0"):
            pass
    async with running_platform(
        data_dir=tmp_path, modules=[EchoModule()], listen="0.0.0.0:0", insecure_listen_without_tls=True
    ) as platform:
        assert platform.running.server.port > 0


async def test_an_unknown_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownServiceError):
        async with running(PlatformSettings(data_dir=tmp_path), ["nonsense"]):
            pass


async def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running_platform(data_dir=data, modules=[EchoModule()]):
        assert data.stat().st_mode & 0o077 == 0
