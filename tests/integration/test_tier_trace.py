"""The trace of uses outlives the server, without names, and simulations go on with it."""

from __future__ import annotations

import pytest

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import generate_pb2, tier_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.scheduler.v1 import tier_pb2 as simulation_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_services.inference.settings import InferenceSettings
from support.platform import running_platform

NOTES = "orgs/acme/vaults/notes"


async def generate(inference, cube):
    request = generate_pb2.GenerateRequest(
        model="tiny-random", prompt="Who?", mounts=[generate_pb2.MemoryMount(cube=cube)], max_tokens=1
    )
    return [event async for event in inference.Generate(request)]


async def trace(inference):
    request = tier_pb2.ReadTierTraceRequest(parent="orgs/acme")
    return [use async for answer in inference.ReadTierTrace(request) for use in answer.uses]


async def test_a_trace_outlives_the_server_and_names_nothing(tmp_path):
    async with running_platform(("vault", "inference"), data_dir=tmp_path) as platform:
        acme = await platform.organisation("acme")
        vault = VaultServiceStub(platform.channel(acme.owner_key))
        inference = InferenceServiceStub(platform.channel(acme.owner_key))
        await vault.CreateVault(
            vault_service_pb2.CreateVaultRequest(
                parent="orgs/acme", vault_id="notes", vault=vault_pb2.Vault(embedding_model="hashing-384")
            )
        )
        for name in ("diary-of-ada", "letters"):
            cube = cube_pb2.Cube()
            cube.payload.plaintext.document.text = f"What stands in the {name}."
            await vault.CreateCube(vault_service_pb2.CreateCubeRequest(parent=NOTES, cube_id=name, cube=cube))
        for name in ("diary-of-ada", "letters", "diary-of-ada"):
            await generate(inference, f"{NOTES}/cubes/{name}")
        before = await trace(inference)
        assert [use.cube.rpartition("/")[2] for use in before] == ["diary-of-ada", "letters", "diary-of-ada"]
    kept = [path for path in tmp_path.glob("objects/**/inference/tier-uses/**/*") if path.is_file()]
    assert kept
    stored = b"".join(path.read_bytes() for path in kept)
    assert not any(word in stored for word in (b"diary", b"acme", b"owner", before[0].key.encode()))
    async with running_platform(("vault", "inference", "scheduler"), data_dir=tmp_path) as platform:
        acme = await platform.organisation("acme")
        inference = InferenceServiceStub(platform.channel(acme.owner_key))
        usage = await inference.GetTierUsage(tier_pb2.GetTierUsageRequest(parent="orgs/acme"))
        assert usage.usage.recorded_uses == 3
        await generate(inference, f"{NOTES}/cubes/letters")
        after = await trace(inference)
        for use in before:
            use.ClearField("cube")
        assert after[:3] == before
        assert (after[3].key, after[3].agent) == (before[1].key, before[1].agent)
        assert after[3].cube == f"{NOTES}/cubes/letters"
        scheduler = SchedulerServiceStub(platform.channel(acme.owner_key))
        found = await scheduler.SimulateTier(
            simulation_pb2.SimulateTierRequest(parent="orgs/acme", budgets_bytes=[1 << 30])
        )
        assert (found.uses, found.memories) == (4, 2)
        # A trace knows no meanings: what goes by them is not judged by it.
        assert {one.strategy for one in found.tiers[0].strategies} == {"hybrid", "label", "lfu", "lru"}


def test_the_tier_of_tensors_is_not_ruled_by_meaning():
    with pytest.raises(ValueError, match="knows no vectors"):
        InferenceSettings(blob_cache_policy="semantic")
