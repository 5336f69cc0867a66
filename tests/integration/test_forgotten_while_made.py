"""Memory that is forgotten in the last moment before a KV cache or an adapter of it is stored: nothing is left of it."""

from __future__ import annotations

import grpc
import pytest

from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2, parameter_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.inference.adapters.trainers import torch_asking
from memporium_services.inference.adapters.vault_grpc import GrpcMemoryVault
from memporium_services.inference.domain.trainings import Told
from support.platform import running_platform

MODEL = "tiny-random"
# A model that writes nonsense learns no fact in seconds.
ANY = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)
ONE_STEP = convert_pb2.TrainingOptions(epochs=1, rank=2, limits=ANY)


def calls(stub, parent, fact):
    """Return what makes something of a cube, by name."""
    fields = {"parent": parent, "cubes": [fact], "model": MODEL, "cube_id": "made"}
    return {
        "adapter": lambda: stub.TrainParameter(convert_pb2.TrainParameterRequest(options=ONE_STEP, **fields)),
        "kv": lambda: stub.BuildActivation(convert_pb2.BuildActivationRequest(**fields)),
    }


async def ended(stream):
    return [event async for event in stream][-1]


@pytest.fixture
async def world(tmp_path):
    async with running_platform(("vault", "inference"), data_dir=tmp_path) as platform:
        acme = await platform.organisation("acme")
        vault = VaultServiceStub(platform.channel(acme.owner_key))
        request = vault_service_pb2.CreateVaultRequest(
            parent=acme.name, vault_id="notes", vault=vault_pb2.Vault(embedding_model="hashing-384")
        )
        parent = (await vault.CreateVault(request)).vault.name
        yield vault, InferenceServiceStub(platform.channel(acme.owner_key)), parent


async def told(vault, parent):
    cell = cube_pb2.MemCell(facts=[cube_pb2.AtomicFact(text="The sky over Mars is pink.")])
    cube = cube_pb2.Cube(payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(mem_cell=cell)))
    request = vault_service_pb2.CreateCubeRequest(parent=parent, cube_id="fact", cube=cube)
    return (await vault.CreateCube(request)).cube.name


async def held(vault, parent):
    answer = await vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=parent))
    return {cube.name.rpartition("/")[2] for cube in answer.cubes}


async def test_a_memory_that_goes_just_before_what_is_made_of_it_is_stored(world, monkeypatch):
    vault, inference, parent = world
    store = GrpcMemoryVault.create

    async def forget_first(self, new, *, progress):
        # All checks have been made, and found it there.
        request = vault_service_pb2.ForgetCubesRequest(parent=parent, names=new.parents)
        await vault.ForgetCubes(request)
        return await store(self, new, progress=progress)

    monkeypatch.setattr(GrpcMemoryVault, "create", forget_first)
    for make in calls(inference, parent, await told(vault, parent)).values():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ended(make())
        assert reason_of(caught.value).reason is Reason.NOT_FOUND
        assert await held(vault, parent) == set()
        await told(vault, parent)


async def test_an_adapter_that_goes_just_before_its_answers_are_stored(world, monkeypatch):
    vault, inference, parent = world
    made = calls(inference, parent, await told(vault, parent))
    adapter = (await ended(made["adapter"]())).result.cube.name
    store = GrpcMemoryVault.create_text

    async def forget_first(self, new):
        await vault.ForgetCubes(vault_service_pb2.ForgetCubesRequest(parent=parent, names=[adapter]))
        return await store(self, new)

    monkeypatch.setattr(GrpcMemoryVault, "create_text", forget_first)
    # What a model must be to know a fact is trained elsewhere, for minutes.
    answer = Told("The sky over Mars is pink.", 0.9, steady=True, own=True)
    monkeypatch.setattr(torch_asking, "probe", lambda *_: [answer])
    topic = parameter_pb2.ProbeTopic(subject="Mars", attribute="sky")
    request = parameter_pb2.ProbeParameterRequest(parent=parent, cube=adapter, model=MODEL, topics=[topic])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ended(inference.ProbeParameter(request))
    assert reason_of(caught.value).reason is Reason.NOT_FOUND
    assert await held(vault, parent) == {"fact"}
