"""Services in processes of their own: start, split mode, and stop by signal."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from memporium.governance.v1 import audit_pb2, organisation_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.vault.v1 import vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_services.operator_key import read_operator_key
from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
SERVE = "import sys; from memporium_services.cli import serve; serve(sys.argv[1:])"
START_S = 180

# Services follow governance over the wire: on a busy machine a caller that demands an epoch waits longer for it.
SETTINGS = {"MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384", "MEMPORIUM_EPOCH_WAIT_S": "60"}


def environment(**settings: str) -> dict[str, str]:
    paths = os.pathsep.join(str(ROOT / name) for name in ("platform", "services"))
    return {**os.environ, "PYTHONPATH": paths, **SETTINGS, **settings}


@asynccontextmanager
async def serving(*services: str, data_dir: Path, port: int, **settings: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *services],
        env=environment(MEMPORIUM_DATA_DIR=str(data_dir), MEMPORIUM_LISTEN=f"127.0.0.1:{port}", **settings),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def keyed(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


async def ready(address: str) -> None:
    """Wait until all services of a process answer."""
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(START_S):
        stub = health_pb2_grpc.HealthStub(channel)
        async for answer in stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return


async def stopped(process: subprocess.Popen[bytes], number: int) -> int:
    process.send_signal(number)
    return await asyncio.to_thread(process.wait, 120)


async def logged(stub: GovernanceServiceStub, action: str, key: str) -> None:
    """Wait until an action is in the organisation's audit log."""
    request = audit_pb2.QueryLogRequest(parent="orgs/acme", filter=audit_pb2.LogFilter(actions=[action]))
    async with asyncio.timeout(120):
        while not (await stub.QueryLog(request, metadata=keyed(key))).entries:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_starts_and_stops(tmp_path: Path, number: int) -> None:
    port = free_port()
    async with serving("governance", data_dir=tmp_path, port=port) as process:
        await ready(f"127.0.0.1:{port}")
        key_file = tmp_path / "operator.key"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            made = await GovernanceServiceStub(channel).CreateOrganisation(
                organisation_pb2.CreateOrganisationRequest(organisation_id="acme"),
                metadata=keyed(read_operator_key(tmp_path)),
            )
            assert made.owner_secret.startswith("mpk_")
        assert await stopped(process, number) == 0


async def test_a_restart_keeps_the_operator_and_ships_what_was_left(tmp_path: Path) -> None:
    keys, secret = set(), ""
    for _ in range(2):
        port = free_port()
        async with serving("governance", data_dir=tmp_path, port=port) as process:
            await ready(f"127.0.0.1:{port}")
            keys.add(read_operator_key(tmp_path))
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = GovernanceServiceStub(channel)
                if not secret:
                    made = await stub.CreateOrganisation(
                        organisation_pb2.CreateOrganisationRequest(organisation_id="acme"),
                        metadata=keyed(read_operator_key(tmp_path)),
                    )
                    secret = made.owner_secret
                else:
                    await logged(stub, "governance.organisations.create", secret)
            # At once, so that the relay has had no time.
            assert await stopped(process, signal.SIGTERM) == 0
    assert len(keys) == 1


async def test_split_services_reach_each_other(tmp_path: Path) -> None:
    ports = {name: free_port() for name in ("governance", "inference", "vault")}
    addresses = {f"MEMPORIUM_{name.upper()}_ADDRESS": f"127.0.0.1:{port}" for name, port in ports.items()}

    def others(own: str) -> dict[str, str]:
        return {name: address for name, address in addresses.items() if own.upper() not in name}

    async with (
        serving("vault", data_dir=tmp_path, port=ports["vault"], **others("vault")),
        serving("governance", data_dir=tmp_path, port=ports["governance"], **others("governance")),
        serving("inference", data_dir=tmp_path, port=ports["inference"], **others("inference")),
    ):
        for port in ports.values():
            await ready(f"127.0.0.1:{port}")
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{ports['governance']}") as governance,
            grpc.aio.insecure_channel(f"127.0.0.1:{ports['vault']}") as vault,
        ):
            org = await GovernanceServiceStub(governance).CreateOrganisation(
                organisation_pb2.CreateOrganisationRequest(organisation_id="acme"),
                metadata=keyed(read_operator_key(tmp_path)),
            )
            made = await VaultServiceStub(vault).CreateVault(
                vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id="notes"),
                metadata=(*keyed(org.owner_secret), ("memporium-at-least-epoch", str(org.epoch))),
            )
            assert made.vault.name == "orgs/acme/vaults/notes"
            await logged(GovernanceServiceStub(governance), "vault.vaults.create", org.owner_secret)


@pytest.mark.parametrize("service", ["vault", "governance", "reader", "memstore", "transfer", "scheduler"])
def test_a_service_alone_needs_no_torch(service: str) -> None:
    code = f"import sys, memporium_services.{service}.module; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
