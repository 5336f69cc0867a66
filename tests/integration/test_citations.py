"""Every answer that used licensed memory says so, in each of its forms, merged ones too: agreement, release, attribution, passages."""

from __future__ import annotations

import json

import pytest

from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2, generate_pb2, parameter_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.market import licence
from support.model_server import model_server
from support.platform import running_platform
from support.sold_pack import LISTING, TEXT, drained, published, pulled

SERVICES = ("governance", "vault", "memstore", "transfer", "inference")
ANY = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)
TERMS = {
    "attribution": "After the bridge master of the strait",
    "forms": ("PLAINTEXT", "ACTIVATION", "PARAMETER"),
}


async def citations(inference, *cubes, model="tiny-random"):
    request = generate_pb2.GenerateRequest(
        model=model,
        prompt="what of the bridge",
        mounts=[generate_pb2.MemoryMount(cube=cube) for cube in cubes],
        max_tokens=40,
    )
    return list((await drained(inference.Generate(request)))[-1].finished.citations)


@pytest.mark.timeout(600)
async def test_text_kv_and_lora_made_of_licensed_memory_are_cited(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with model_server(lambda _body: f"I think so. {TEXT}") as server:
        remote = server.remote("remote")
        monkeypatch.setenv("MEMPORIUM_INFERENCE_REMOTE_MODELS", json.dumps(remote))
        async with running_platform(SERVICES, data_dir=tmp_path) as platform:
            seller, buyer = await platform.organisation("seller"), await platform.organisation("buyer")
            terms = licence("READ", "RETRIEVE", "INFER_WITH", "MATERIALISE_KV", "DERIVE_LORA", **TERMS)
            offer = await published(platform, seller.owner_key, terms)
            agreement, cube = await pulled(platform, buyer.owner_key, offer)
            inference = InferenceServiceStub(platform.channel(buyer.owner_key))
            vaults = VaultServiceStub(platform.channel(buyer.owner_key))
            await vaults.CreateVault(vault_service_pb2.CreateVaultRequest(parent="orgs/buyer", vault_id="own"))
            mount = vault_service_pb2.CreateMountRequest(
                parent="orgs/buyer/vaults/own", mount=vault_pb2.Mount(vault="orgs/buyer/vaults/pack")
            )
            await vaults.CreateMount(mount)
            made = {"model": "tiny-random", "parent": "orgs/buyer/vaults/own", "cubes": [cube]}
            built = await drained(inference.BuildActivation(convert_pb2.BuildActivationRequest(**made)))
            options = convert_pb2.TrainingOptions(epochs=1, limits=ANY)
            request = convert_pb2.TrainParameterRequest(options=options, **made)
            trained = await drained(inference.TrainParameter(request))
            own = cube_pb2.Cube()
            own.payload.plaintext.document.text = "Nothing that anybody sold."
            request = vault_service_pb2.CreateCubeRequest(parent="orgs/buyer/vaults/own", cube=own)
            mine = (await vaults.CreateCube(request)).cube.name

            # Merged with an adapter of one's own it is licensed memory still.
            request = convert_pb2.TrainParameterRequest(options=options, **(made | {"cubes": [mine]}))
            adapters = [
                trained[-1].result.cube.name,
                (await drained(inference.TrainParameter(request)))[-1].result.cube.name,
            ]
            request = parameter_pb2.MergeParametersRequest(limits=ANY, **(made | {"cubes": adapters}))
            merged = await drained(inference.MergeParameters(request))

            forms = (cube, built[-1].result.cube.name, adapters[0], merged[-1].result.cube.name)
            for used in forms:
                licensed, free = await citations(inference, used, mine)
                assert licensed.cube == used
                assert licensed.agreement == agreement
                assert licensed.release.startswith(LISTING)
                assert licensed.attribution == TERMS["attribution"]
                assert (free.cube, free.agreement, free.release, free.attribution) == (mine, "", "", "")

            licensed, free = await citations(inference, cube, mine, model="remote")
            (passage,) = licensed.passages
            assert f"I think so. {TEXT}"[passage.begin : passage.end] == TEXT
            # The copy is marked for its recipient: a word of it may be another.
            assert passage.share > 0.8
            assert not free.passages
