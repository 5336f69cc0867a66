"""A run acts with the rights of who began it, looked up anew at each step and at the commit; and it works on PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
import yaml
from google.protobuf.json_format import ParseDict

from memporium.governance.v1 import principal_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import cubes_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_services.scheduler.app.staging import Staging
from support.platform import running_platform
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from support.vaults import cell

ORG, PARENT = "orgs/acme", "orgs/acme/vaults/notes"
SERVICES = ("governance", "vault", "inference", "reader", "scheduler")
_NOTE = "{id: note, remember: {text: The pilot is called Ines.}}"
WRITE = f"{{steps: [{_NOTE}, {{id: sum, augment: {{prompt: x, model: none}}}}]}}"
FORGET = f"{{steps: [{_NOTE}, {{id: away, forget: {{cubes: [{PARENT}/cubes/c0]}}}}]}}"


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with running_platform(SERVICES, data_dir=tmp_path, database_url=url) as platform:
        org = await platform.organisation("acme")
        vault = VaultServiceStub(platform.channel(org.owner_key))
        await vault.CreateVault(vault_service_pb2.CreateVaultRequest(parent=ORG, vault_id="notes"))
        new = cubes_pb2.NewCube(cube_id="c0", cube=cell("The boat is green."))
        await vault.BatchCreateCubes(vault_service_pb2.BatchCreateCubesRequest(parent=PARENT, cubes=[new]))
        yield platform, org, vault


async def _begin(platform, key, steps):
    stub = SchedulerServiceStub(platform.channel(key))
    definition = ParseDict(yaml.safe_load(steps), pipeline_pb2.Pipeline())
    return (await stub.RunPipeline(pb.RunPipelineRequest(parent=ORG, definition=definition, vault=PARENT))).run


async def _ended(platform, key, name):
    last = None
    stub = SchedulerServiceStub(platform.channel(key))
    async for response in stub.WatchPipelineRun(pb.WatchPipelineRunRequest(name=name)):
        last = response.run
    return last


async def _count(vault):
    return len((await vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=PARENT))).cubes)


async def test_rights_hold_at_every_step_and_at_the_commit(place, monkeypatch):
    platform, org, vault = place
    key = await platform.principal("acme", "bob", roles=("agent",))
    done = await _ended(platform, org.owner_key, (await _begin(platform, key, WRITE)).name)
    assert (done.state, done.principal) == (job_pb2.JOB_STATE_SUCCEEDED, f"{ORG}/principals/bob")
    assert await _count(vault) == 2
    # An agent may remember and may not forget: the whole run is refused.
    refused = await _ended(platform, org.owner_key, (await _begin(platform, key, FORGET)).name)
    assert (refused.state, refused.error_reason) == (job_pb2.JOB_STATE_FAILED, "PERMISSION_DENIED")
    assert await _count(vault) == 2
    # A principal that is shut out while its run is under way writes nothing.
    reached, go, real = asyncio.Event(), asyncio.Event(), Staging.run

    async def run(self, step, scene):
        outcome = await real(self, step, scene)
        if step.id == "sum":
            reached.set()
            await go.wait()
        return outcome

    monkeypatch.setattr(Staging, "run", run)
    begun = await _begin(platform, key, WRITE.replace("Ines", "Otto"))
    await asyncio.wait_for(reached.wait(), 30)
    governance = GovernanceServiceStub(platform.channel(org.owner_key))
    disabled = await governance.DisablePrincipal(principal_pb2.DisablePrincipalRequest(name=f"{ORG}/principals/bob"))
    await platform.kernel.authz.wait_for(disabled.epoch, 30)
    go.set()
    stopped = await _ended(platform, org.owner_key, begun.name)
    assert stopped.state == job_pb2.JOB_STATE_FAILED
    assert await _count(vault) == 2
