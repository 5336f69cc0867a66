"""Licensed memory moves to KV where every licence allows it, is counted, and carries the licence on."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration

from memporium.memstore.v1.terms_pb2 import LicenceAction
from memporium.scheduler.v1 import conversion_pb2, job_pb2
from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_BASIC, UseAction
from memporium_platform.errors import Reason
from support.licensed import A1, agreements_of, pack_of
from support.platform import running_platform
from support.vaults import FakeMemstore, VaultPlace

RULES = conversion_pb2.ConversionRules(
    frequent_heat=2.0, stable_after=Duration(), dwell=Duration(seconds=3600), model="tiny-random", no_training=True
)


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_VAULT_USE_FLUSH_S", "0.01")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_POLLING_INTERVAL_S", "0.02")
    memstore, services = FakeMemstore(), ("vault", "inference", "scheduler")
    async with running_platform(services, data_dir=tmp_path, modules=[memstore]) as platform:
        made = VaultPlace(platform, await platform.organisation("acme"), memstore)
        made.jobs = SchedulerServiceStub(platform.channel(made.org.owner_key))
        made.own = await made.vault("own")
        (made.cube,) = await pack_of(made, "pack", A1, "bridges of steel rust without paint")
        await made.stub.CreateMount(api.CreateMountRequest(parent=made.own, mount={"vault": "orgs/acme/vaults/pack"}))
        for _ in range(4):
            await made.stub.GetCube(api.GetCubeRequest(name=made.cube))
        basic = api.GetCubeRequest(name=made.cube, view=CUBE_VIEW_BASIC)
        # All four: where two were written by themselves, they would have cooled below the limit of two by the time of the plan.
        async with asyncio.timeout(120):
            while (await made.stub.GetCube(basic)).cube.behavioural.heat < 3.9:
                await asyncio.sleep(0.01)
        memstore.reserved.clear()
        yield made


async def plan(place):
    request = conversion_pb2.PlanConversionsRequest(parent=place.own, rules=RULES)
    return (await place.jobs.PlanConversions(request)).proposals


async def converted(place):
    spec = job_pb2.JobSpec(convert_memories=job_pb2.ConvertMemories(vault=place.own, rules=RULES))
    job = (await place.jobs.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=spec))).job
    async for response in place.jobs.WatchJob(pb.WatchJobRequest(name=job.name)):
        job = response.job
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    return job


async def kept(place):
    return list((await place.stub.ListCubes(api.ListCubesRequest(parent=place.own, view=CUBE_VIEW_BASIC))).cubes)


async def test_mounted_memory_moves_under_its_licence_and_is_counted(place):
    (proposal,) = await plan(place)
    assert (list(proposal.cubes), proposal.blocked) == ([place.cube], "")
    # To ask is no use.
    assert not place.memstore.reserved
    assert (await converted(place)).result["activation"] == "1"
    assert {one.action for one in place.memstore.reserved.values()} == {UseAction.USE_ACTION_MATERIALISE_KV}
    (kv,) = await kept(place)
    assert agreements_of(kv) == {A1}
    assert kv.behavioural.lineage.parents == [place.cube]


async def test_a_licence_that_forbids_it_blocks_the_proposal_and_the_conversion(place):
    place.memstore.refused[A1, LicenceAction.LICENCE_ACTION_MATERIALISE_KV] = Reason.LICENCE_NOT_PERMITTED
    (proposal,) = await plan(place)
    assert proposal.blocked == f"{A1}: the licence does not permit it"
    done = await converted(place)
    assert (done.result["activation"], done.result["blocked"]) == ("0", "1")
    assert await kept(place) == []


async def test_a_licence_that_ends_between_plan_and_conversion_refuses_it_there(place, monkeypatch):
    async def permits(_self, _agreement, _target):
        return ""

    monkeypatch.setattr("memporium_services.scheduler.adapters.grpc_moves.GrpcMoves.refusal", permits)
    place.memstore.refused[A1, UseAction.USE_ACTION_MATERIALISE_KV] = Reason.LICENCE_REVOKED
    done = await converted(place)
    assert (done.result["activation"], done.result["refused"]) == ("0", "LICENCE_REVOKED")
    assert await kept(place) == []
