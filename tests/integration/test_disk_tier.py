"""KV memory from the disk tier of a running platform: the same answers, and no byte left of what is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import convert_pb2, generate_pb2, tier_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import blob_check_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.crypto.shares import Shares
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform
from support.stored import stored

MODEL = "tiny-random"


@dataclass
class World:
    org: str
    inference: InferenceServiceStub
    vault: VaultServiceStub
    parent: str
    data: Path
    internal: VaultServiceStub
    shares: Shares

    async def kv(self, text: str) -> cube_pb2.Cube:
        cell = cube_pb2.MemCell(episode=text, facts=[cube_pb2.AtomicFact(text=text)])
        cube = cube_pb2.Cube(payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(mem_cell=cell)))
        made = await self.vault.CreateCube(vault_service_pb2.CreateCubeRequest(parent=self.parent, cube=cube))
        request = convert_pb2.BuildActivationRequest(parent=self.parent, cubes=[made.cube.name], model=MODEL)
        return [event async for event in self.inference.BuildActivation(request)][-1].result.cube

    async def generate(self, cube: str) -> list[int]:
        request = generate_pb2.GenerateRequest(
            model=MODEL, prompt="And so", mounts=[generate_pb2.MemoryMount(cube=cube)], max_tokens=4
        )
        return [token async for event in self.inference.Generate(request) for token in event.delta.token_ids]

    def files(self) -> list[Path]:
        return [path for path in (self.data / "tensors").glob("run-*/*") if path.is_file()]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(120):
            while len(self.files()) != count:
                await asyncio.sleep(0.02)

    async def usage(self) -> tier_pb2.TierUsage:
        return (await self.inference.GetTierUsage(tier_pb2.GetTierUsageRequest(parent=self.org))).usage


@pytest.fixture
async def world(tmp_path, monkeypatch):
    # No room in memory: each use reads the disk.
    monkeypatch.setenv("MEMPORIUM_INFERENCE_BLOB_CACHE_BYTES", "0")
    monkeypatch.setenv("MEMPORIUM_INFERENCE_FORGOTTEN_CHECK_S", "0.05")
    async with running_platform(("vault", "inference"), data_dir=tmp_path) as platform:
        acme = await platform.organisation("acme")
        vault = VaultServiceStub(platform.channel(acme.owner_key))
        request = vault_service_pb2.CreateVaultRequest(
            parent=acme.name, vault_id="notes", vault=vault_pb2.Vault(embedding_model="hashing-384")
        )
        parent = (await vault.CreateVault(request)).vault.name
        yield World(
            acme.name,
            InferenceServiceStub(platform.channel(acme.owner_key)),
            vault,
            parent,
            tmp_path,
            platform.kernel.channels.bind("inference").stub(VaultServiceStub),
            Shares(platform.kernel.objects, platform.kernel.keys),
        )
    assert list((tmp_path / "tensors").iterdir()) == []


async def test_kv_from_the_disk_gives_the_same_tokens_until_it_is_forgotten(world):
    sky, ground = await world.kv("The sky over Mars is pink."), await world.kv("The ground of Mars is red.")
    fetched = [await world.generate(cube.name) for cube in (sky, ground)]
    await world.until(2)
    assert [await world.generate(cube.name) for cube in (sky, ground)] == fetched
    usage = await world.usage()
    assert (usage.hits, usage.misses, usage.disk_hits) == (0, 2, 2)
    assert usage.disk_held_bytes == sum(cube.payload.activation.blob.size_bytes for cube in (sky, ground))
    assert usage.disk_budget_bytes == 4 << 30
    for path in world.files():
        # A safetensors file begins with a header that names its tensors.
        assert b"layers.0" not in path.read_bytes()

    forgotten = {path: path.read_bytes() for path in world.files()}
    await world.vault.ForgetCubes(vault_service_pb2.ForgetCubesRequest(parent=world.parent, names=[sky.name]))
    await world.until(1)
    (kept,) = world.files()
    (sealed,) = (data for path, data in forgotten.items() if path != kept)
    assert not any(sealed[:64] in data for _, data in stored(world.data))
    with pytest.raises(grpc.aio.AioRpcError):
        await world.generate(sky.name)

    await world.vault.ExpireCube(vault_service_pb2.ExpireCubeRequest(name=ground.name))
    await world.until(0)
    assert (await world.usage()).disk_held_bytes == 0
    await world.vault.RestoreCube(vault_service_pb2.RestoreCubeRequest(name=ground.name))
    assert await world.generate(ground.name) == fetched[1]
    await world.until(1)
    await world.vault.DeleteVault(vault_service_pb2.DeleteVaultRequest(name=world.parent, erase=True))
    await world.until(0)


async def test_services_ask_which_blobs_are_in_force_and_nobody_else(world):
    cube = await world.kv("Mars has two small moons.")
    digest = cube.payload.activation.blob.sha256
    stream = world.internal.CheckBlobs()
    answers = []
    for vault, digests in ((world.parent, [digest, "0" * 64]), (f"{world.org}/vaults/none", [digest])):
        await stream.write(blob_check_pb2.CheckBlobsRequest(vault=vault, sha256=digests))
        answers.append(list((await stream.read()).gone_sha256))
    await stream.done_writing()
    assert answers == [["0" * 64], [digest]]
    await world.shares.make("acme", "one", [cube.name], now=0)
    stream, known = world.internal.CheckBlobs(), []
    for vault, training in ((world.parent, "one"), (world.parent, "other"), (world.parent, ""), ("", "one")):
        request = blob_check_pb2.CheckBlobsRequest(vault=vault or f"{world.org}/vaults/none", training=training)
        await stream.write(request)
        known.append((await stream.read()).training_known)
    await stream.done_writing()
    assert known == [True, False, False, False]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.vault.CheckBlobs(iter([blob_check_pb2.CheckBlobsRequest(vault=world.parent)])).read()
    assert reason_of(caught.value).reason is Reason.PERMISSION_DENIED
