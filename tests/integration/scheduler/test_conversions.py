"""Memory moved between text and KV by a durable job, undone, and the tier that it is used from, over real services."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import convert_pb2, generate_pb2, tier_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.scheduler.v1 import conversion_pb2, job_pb2
from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1 import tier_pb2 as simulation_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import cubes_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

MODEL = "tiny-random"
# At once: what is a day for people is nothing for a test.
RULES = conversion_pb2.ConversionRules(
    frequent_heat=2.0, stable_after=Duration(), dwell=Duration(), model=MODEL, no_training=True
)


@dataclass
class World:
    vault: Any
    inference: Any
    scheduler: Any
    rival: Any
    parent: str
    cubes: dict[str, str]

    async def read(self, name, times=1):
        for _ in range(times):
            await self.vault.GetCube(vault_service_pb2.GetCubeRequest(name=self.cubes[name]))
        basic = vault_service_pb2.GetCubeRequest(name=self.cubes[name], view=cubes_pb2.CUBE_VIEW_BASIC)
        # Uses are written a little later.
        async with asyncio.timeout(120):
            while (await self.vault.GetCube(basic)).cube.behavioural.heat < times - 0.1:
                await asyncio.sleep(0.01)

    async def plan(self, **rules):
        request = conversion_pb2.PlanConversionsRequest(parent=self.parent, rules=RULES)
        for key, value in rules.items():
            setattr(request.rules, key, value)
        return await self.scheduler.PlanConversions(request)

    async def convert(self):
        asked = job_pb2.ConvertMemories(vault=self.parent, rules=RULES)
        request = pb.CreateJobRequest(parent="orgs/acme", spec=job_pb2.JobSpec(convert_memories=asked))
        job = (await self.scheduler.CreateJob(request)).job
        async for response in self.scheduler.WatchJob(pb.WatchJobRequest(name=job.name)):
            job = response.job
        return job

    async def made(self):
        request = vault_service_pb2.ListCubesRequest(parent=self.parent, view=cubes_pb2.CUBE_VIEW_BASIC)
        request.filter.forms.append(cube_pb2.MEMORY_FORM_ACTIVATION)
        return list((await self.vault.ListCubes(request)).cubes)

    async def generate(self, *cubes):
        request = generate_pb2.GenerateRequest(
            model=MODEL, prompt="x", mounts=[generate_pb2.MemoryMount(cube=cube) for cube in cubes], max_tokens=1
        )
        return [event async for event in self.inference.Generate(request)]

    async def usage(self):
        return (await self.inference.GetTierUsage(tier_pb2.GetTierUsageRequest(parent="orgs/acme"))).usage


@pytest.fixture
async def world(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_POLLING_INTERVAL_S", "0.02")
    monkeypatch.setenv("MEMPORIUM_VAULT_USE_FLUSH_S", "0.01")
    # Room for two of three memories.
    monkeypatch.setenv("MEMPORIUM_INFERENCE_BLOB_CACHE_BYTES", "320000")
    async with running_platform(("vault", "inference", "scheduler"), data_dir=tmp_path) as platform:
        acme, rival = await platform.organisation("acme"), await platform.organisation("rival")
        channel = platform.channel(acme.owner_key)
        vault = VaultServiceStub(channel)
        request = vault_service_pb2.CreateVaultRequest(
            parent=acme.name, vault_id="notes", vault=vault_pb2.Vault(embedding_model="hashing-384")
        )
        parent = (await vault.CreateVault(request)).vault.name
        cubes = {}
        for name in ("door", "coffee", "printer"):
            document = cube_pb2.Document(title=name, text=f"The {name} of the office is mended on Mondays. " * 4)
            cube = cube_pb2.Cube(payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(document=document)))
            asked = vault_service_pb2.CreateCubeRequest(parent=parent, cube_id=name, cube=cube)
            cubes[name] = (await vault.CreateCube(asked)).cube.name
        rivals = platform.channel(rival.owner_key)
        yield World(
            vault,
            InferenceServiceStub(channel),
            SchedulerServiceStub(channel),
            (InferenceServiceStub(rivals), SchedulerServiceStub(rivals)),
            parent,
            cubes,
        )


async def test_what_is_used_often_becomes_kv_and_says_why_and_goes_back(world):
    await world.read("door", times=4)
    planned = await world.plan()
    (proposal,) = planned.proposals
    assert (list(proposal.cubes), proposal.target) == (
        [world.cubes["door"]],
        conversion_pb2.CONVERSION_TARGET_ACTIVATION,
    )
    assert planned.staying["not frequent"] == 2
    assert await world.made() == []

    job = await world.convert()
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert dict(job.result) == {"activation": "1", "parameter": "0", "text": "0", "not_admitted": "0", "blocked": "0"}
    (kv,) = await world.made()
    assert kv.payload_bytes > 100_000
    assert kv.behavioural.lineage.parents == [world.cubes["door"]]
    assert kv.behavioural.lineage.derivation == "build-activation"
    assert kv.behavioural.lineage.reason.startswith(f"by {job.name}: stable for 0.0 days, heat")
    assert kv.governance.owner == "orgs/acme/principals/owner"
    assert [event async for event in mounted(world, kv.name)]
    # Again: there is nothing left to do.
    assert (await world.convert()).result["activation"] == "0"
    assert len(await world.made()) == 1

    undone = await world.scheduler.UndoConversion(
        conversion_pb2.UndoConversionRequest(name=kv.name, reason="we moved house")
    )
    assert undone.cube.governance.state == cube_pb2.CUBE_STATE_EXPIRED
    assert list(undone.cubes) == [world.cubes["door"]]
    assert await world.made() == []
    versions = await world.vault.ListCubeVersions(vault_service_pb2.ListCubeVersionsRequest(name=kv.name))
    assert "conversion undone: we moved house" in {version.reason for version in versions.versions}
    # Twice is as once.
    again = await world.scheduler.UndoConversion(conversion_pb2.UndoConversionRequest(name=kv.name))
    assert again.cube.governance.state == cube_pb2.CUBE_STATE_EXPIRED


async def mounted(world, cube):
    for event in await world.generate(cube):
        yield event


async def test_what_was_undone_rests_and_a_changed_text_undoes_its_kv(world):
    await world.read("door", times=5)
    await world.convert()
    (kv,) = await world.made()
    text = vault_service_pb2.GetCubeRequest(name=world.cubes["door"])
    cube = (await world.vault.GetCube(text)).cube
    cube.payload.plaintext.document.text = "The door is mended on Tuesdays."
    await world.vault.UpdateCube(
        vault_service_pb2.UpdateCubeRequest(cube=cube, update_mask={"paths": ["payload"]}, reason="a new day")
    )
    job = await world.convert()
    assert job.result["text"] == "1"
    assert await world.made() == []
    rules = conversion_pb2.ConversionRules()
    rules.CopyFrom(RULES)
    rules.dwell.FromSeconds(3600)
    planned = await world.scheduler.PlanConversions(
        conversion_pb2.PlanConversionsRequest(parent=world.parent, rules=rules)
    )
    assert planned.staying["was undone lately"] == 1
    versions = await world.vault.ListCubeVersions(vault_service_pb2.ListCubeVersionsRequest(name=kv.name))
    assert any("its text has changed" in version.reason for version in versions.versions)


async def test_the_budget_blocks_and_nonsense_is_refused(world):
    await world.read("door", times=4)
    planned = await world.plan(budget_bytes=10)
    assert [one.blocked for one in planned.proposals] == ["the budget has 10 bytes left"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.plan(frequent_heat=-1.0)
    assert reason_of(caught.value).fields[0].field == "rules.frequent_heat"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.scheduler.UndoConversion(conversion_pb2.UndoConversionRequest(name=world.cubes["door"]))
    assert reason_of(caught.value).fields[0].field == "name"


async def test_uses_are_recorded_simulated_and_foreseen_for_their_own_organisation_alone(world):
    kvs = []
    for name in world.cubes:
        request = convert_pb2.BuildActivationRequest(
            parent=world.parent, cubes=[world.cubes[name]], model=MODEL, cube_id=f"kv-{name}"
        )
        kvs.append([event async for event in world.inference.BuildActivation(request)][-1].result.cube)
    turns = 0
    # What is brought in ahead comes while nobody waits, which on a busy machine takes some turns more.
    while turns < 8 or (turns < 200 and not (await world.usage()).prefetched_used):
        turns += 1
        for kv in kvs:
            await world.generate(kv.name)
            await asyncio.sleep(0.03)
    await world.generate(world.cubes["door"])
    usage = await world.usage()
    assert usage.recorded_uses == 3 * turns + 1
    assert usage.hits + usage.misses + usage.disk_hits == 3 * turns
    assert 0 < usage.held_bytes <= usage.budget_bytes == 320_000
    assert usage.prefetched >= usage.prefetched_used > 0
    trace = world.inference.ReadTierTrace(tier_pb2.ReadTierTraceRequest(parent="orgs/acme", max_uses=4))
    (page,) = [response async for response in trace]
    assert page.dropped == 3 * turns - 3
    assert [use.cube for use in page.uses] == [*(kv.name for kv in kvs), world.cubes["door"]]
    assert all(use.saved_s > 0 and use.size_bytes > 0 and "owner" not in use.agent for use in page.uses)
    assert "mended" not in str(page)

    asked = simulation_pb2.SimulateTierRequest(
        parent="orgs/acme", budgets_bytes=[usage.budget_bytes], strategies=["lru", "hybrid"]
    )
    found = await world.scheduler.SimulateTier(asked)
    assert (found.uses, found.memories) == (3 * turns + 1, 4)
    (tier,) = found.tiers
    assert [one.strategy for one in tier.strategies] == ["hybrid", "lru"]
    assert tier.achievable_s <= tier.limit_s + 1e-9
    # Three in turn where two fit: recency alone saves nothing.
    hybrid, lru = tier.strategies
    assert hybrid.saved_s > lru.saved_s
    inference, scheduler = world.rival
    for call in (
        inference.GetTierUsage(tier_pb2.GetTierUsageRequest(parent="orgs/acme")),
        scheduler.SimulateTier(simulation_pb2.SimulateTierRequest(parent="orgs/acme")),
        scheduler.UndoConversion(conversion_pb2.UndoConversionRequest(name=kvs[0].name)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert reason_of(caught.value).reason == "PERMISSION_DENIED"
    own = (await inference.GetTierUsage(tier_pb2.GetTierUsageRequest(parent="orgs/rival"))).usage
    assert (own.held_bytes, own.hits, own.misses, own.recorded_uses) == (0, 0, 0, 0)


async def test_placement_by_meaning_asks_for_a_topic(world):
    request = pb.PlanPlacementRequest(parent=world.parent, strategy="semantic", budget_bytes=220)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.scheduler.PlanPlacement(request)
    assert reason_of(caught.value).fields[0].field == "query"
    request.query = "When is the coffee mended?"
    plan = await world.scheduler.PlanPlacement(request)
    assert plan.placements[0].cube == world.cubes["coffee"]
    assert "similarity" in plan.placements[0].reason
    names = {one.name for one in (await world.scheduler.ListStrategies(pb.ListStrategiesRequest())).strategies}
    assert names >= {"lru", "lfu", "label", "heat", "semantic", "hybrid"}


@pytest.mark.slow
async def test_what_is_abstract_is_trained_and_what_fails_its_tests_expires(world, monkeypatch):
    skill = cube_pb2.Cube(
        descriptive=cube_pb2.Descriptive(semantic_type=cube_pb2.SEMANTIC_TYPE_SKILL),
        payload=cube_pb2.Payload(
            plaintext=cube_pb2.Plaintext(document=cube_pb2.Document(text="The valve of the boiler opens to the left."))
        ),
    )
    asked = vault_service_pb2.CreateCubeRequest(parent=world.parent, cube_id="skill", cube=skill)
    world.cubes["skill"] = (await world.vault.CreateCube(asked)).cube.name
    await world.read("skill", times=2)
    planned = await world.plan(no_training=False)
    (proposal,) = planned.proposals
    assert (list(proposal.cubes), proposal.target) == (
        [world.cubes["skill"]],
        conversion_pb2.CONVERSION_TARGET_PARAMETER,
    )
    assert proposal.reason.startswith("abstract (skill) and unchanged")
    monkeypatch.setattr(f"{__name__}.RULES", conversion_pb2.ConversionRules())
    RULES.frequent_heat, RULES.model = 9.0, MODEL
    RULES.stable_after.SetInParent()
    job = await world.convert()
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    # Random weights learn nothing that passes: either way one adapter was made, with its lineage.
    assert sorted((job.result["parameter"], job.result["not_admitted"])) == ["0", "1"]
    request = vault_service_pb2.ListCubesRequest(parent=world.parent, view=cubes_pb2.CUBE_VIEW_BASIC)
    request.filter.forms.append(cube_pb2.MEMORY_FORM_PARAMETER)
    expired, living = cube_pb2.CUBE_STATE_EXPIRED, cube_pb2.CUBE_STATE_GENERATED
    request.filter.states.extend([expired, living])
    (lora,) = (await world.vault.ListCubes(request)).cubes
    assert lora.governance.state == (expired if job.result["not_admitted"] == "1" else living)
    assert lora.behavioural.lineage.parents == [world.cubes["skill"]]
    assert lora.behavioural.lineage.derivation == "train-parameter"
    # The text is in use as before, and rests.
    assert (await world.plan(no_training=False)).proposals == []
