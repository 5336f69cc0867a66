"""Dump, erase and load over the real vault."""

from __future__ import annotations

import uuid
from hashlib import sha256

import pytest

from memporium.cube.v1.cube_pb2 import Cube
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import vault_service_pb2 as vault_pb
from memporium.vault.v1.cubes_pb2 import CubeView, Relation
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_services.transfer.adapters import grpc_vaults
from support.bundles import tensor_file
from support.integration_transfer import STEPS, collect
from support.platform import running_platform

VAULT = "orgs/acme/vaults/notes"


@pytest.fixture
async def stubs(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    services = ("governance", "vault", "inference", "transfer")
    async with running_platform(services, data_dir=tmp_path) as platform:
        org = await platform.organisation("acme")
        channel = platform.channel(org.owner_key)
        yield VaultServiceStub(channel), TransferServiceStub(channel)


async def fill(vaults):
    await vaults.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/acme", vault_id="notes"))
    for index, text in enumerate(["the sky is blue", "water is wet", "fire is hot"]):
        cube = Cube()
        cube.payload.plaintext.document.text = text
        cube.descriptive.tags.append(f"tag{index}")
        await vaults.CreateCube(vault_pb.CreateCubeRequest(parent=VAULT, cube_id=f"c{index}", cube=cube))
    blob = tensor_file({"a": [0.25] * 1000})

    async def upload():
        header = vault_pb.UploadBlobHeader(parent=VAULT)
        header.digest.sha256, header.digest.size_bytes = sha256(blob).hexdigest(), len(blob)
        yield vault_pb.UploadBlobRequest(header=header)
        yield vault_pb.UploadBlobRequest(data=blob)

    digest = (await vaults.UploadBlob(upload())).digest
    cube = Cube()
    activation = cube.payload.activation
    activation.blob.CopyFrom(digest)
    activation.model_fingerprint = activation.tokenizer_fingerprint = activation.token_ids_sha256 = "ab" * 32
    activation.token_count, activation.layers, activation.heads, activation.head_size = 10, 2, 2, 4
    activation.dtype = "float32"
    activation.source_cubes.append(f"{VAULT}/cubes/c0")
    await vaults.CreateCube(vault_pb.CreateCubeRequest(parent=VAULT, cube_id="kv", cube=cube))
    relation = Relation(source=f"{VAULT}/cubes/c0", kind=7, target=f"{VAULT}/cubes/c1", note="both true")
    await vaults.CreateRelation(vault_pb.CreateRelationRequest(parent=VAULT, relation=relation))
    await vaults.ArchiveCube(vault_pb.ArchiveCubeRequest(name=f"{VAULT}/cubes/c2"))
    await vaults.FreezeCube(vault_pb.FreezeCubeRequest(name=f"{VAULT}/cubes/c1"))
    return digest, blob


async def everything(vaults):
    request = vault_pb.ListCubesRequest(parent=VAULT, page_size=100, view=CubeView.CUBE_VIEW_FULL)
    cubes = (await vaults.ListCubes(request)).cubes
    shown = {}
    for cube in cubes:
        for field in ("etag", "revision", "uid"):
            cube.ClearField(field)
        cube.descriptive.ClearField("update_time")
        cube.ClearField("behavioural")
        shown[cube.name] = cube
    return shown


async def found(vaults, query):
    request = vault_pb.SearchCubesRequest(parent=VAULT, query=query, limit=1)
    return [hit.cube.name async for response in vaults.SearchCubes(request) for hit in response.hits]


async def test_dump_erase_load_equals(stubs):
    vaults, transfer = stubs
    digest, blob = await fill(vaults)
    before = await everything(vaults)
    _, bundle = await collect(transfer.DumpVault(pb.DumpVaultRequest(vault=VAULT, request_id=str(uuid.uuid4()))))
    assert bundle.cube_count == 4
    await vaults.UnfreezeCube(vault_pb.UnfreezeCubeRequest(name=f"{VAULT}/cubes/c1"))
    await vaults.DeleteVault(vault_pb.DeleteVaultRequest(name=VAULT, erase=True, request_id=str(uuid.uuid4())))
    load = pb.LoadBundleRequest(parent="orgs/acme", bundle=bundle.name, vault_id="notes", request_id=str(uuid.uuid4()))
    steps, result = await collect(transfer.LoadBundle(load))
    assert steps == STEPS
    assert (result.cube_count, result.blob_count) == (4, 1)
    after = await everything(vaults)
    assert set(after) == set(before)
    for name, cube in before.items():
        assert after[name] == cube
    assert (await found(vaults, "sky blue"))[0] == f"{VAULT}/cubes/c0"
    data = [part.data async for part in vaults.DownloadBlob(vault_pb.DownloadBlobRequest(parent=VAULT, digest=digest))]
    assert b"".join(data) == blob
    relations = (await vaults.ListRelations(vault_pb.ListRelationsRequest(parent=VAULT))).relations
    assert [(one.source, one.target, one.note) for one in relations if one.kind == 7] == [
        (f"{VAULT}/cubes/c0", f"{VAULT}/cubes/c1", "both true")
    ]


async def test_what_a_load_finds_there_is_related_and_forgotten_under_its_own_name(stubs, monkeypatch):
    vaults, transfer = stubs
    await fill(vaults)
    _, bundle = await collect(transfer.DumpVault(pb.DumpVaultRequest(vault=VAULT, request_id=str(uuid.uuid4()))))
    copy = "orgs/acme/vaults/copy"
    importing = grpc_vaults.GrpcVaults.import_cubes

    async def then_import(self, target, batches):
        # Somebody writes into the vault between its making and its filling: the same text, and another under an id.
        for cube_id, text in (("mine", "the sky is blue"), ("c1", "ice is cold")):
            cube = Cube()
            cube.payload.plaintext.document.text = text
            await vaults.CreateCube(vault_pb.CreateCubeRequest(parent=copy, cube_id=cube_id, cube=cube))
        return await importing(self, target, batches)

    monkeypatch.setattr(grpc_vaults.GrpcVaults, "import_cubes", then_import)
    load = pb.LoadBundleRequest(parent="orgs/acme", bundle=bundle.name, vault_id="copy", request_id=str(uuid.uuid4()))
    await collect(transfer.LoadBundle(load))
    request = vault_pb.ListCubesRequest(parent=copy, page_size=100, view=CubeView.CUBE_VIEW_FULL)
    held = {cube.payload.plaintext.document.text: cube for cube in (await vaults.ListCubes(request)).cubes}
    assert set(held) == {"the sky is blue", "ice is cold", "water is wet", "fire is hot", ""}
    related = (await vaults.ListRelations(vault_pb.ListRelationsRequest(parent=copy))).relations
    mine = f"{copy}/cubes/mine"
    assert (mine, held["water is wet"].name) in [(one.source, one.target) for one in related if one.kind == 7]
    gone = await vaults.ForgetCubes(vault_pb.ForgetCubesRequest(parent=copy, names=[mine]))
    assert (gone.receipt.cubes, gone.receipt.derived) == (2, 1)


async def test_what_was_loaded_into_another_vault_goes_with_what_was_dumped(stubs):
    vaults, transfer = stubs
    await fill(vaults)
    _, bundle = await collect(transfer.DumpVault(pb.DumpVaultRequest(vault=VAULT, request_id=str(uuid.uuid4()))))
    for vault_id, of in (("copy", bundle), ("copy-of-copy", None)):
        if of is None:
            request = pb.DumpVaultRequest(vault="orgs/acme/vaults/copy", request_id=str(uuid.uuid4()))
            _, of = await collect(transfer.DumpVault(request))  # noqa: PLW2901 - of what was loaded just before
        load = pb.LoadBundleRequest(parent="orgs/acme", bundle=of.name, vault_id=vault_id, request_id=vault_id)
        await collect(transfer.LoadBundle(load))
    gone = await vaults.ForgetCubes(vault_pb.ForgetCubesRequest(parent=VAULT, names=[f"{VAULT}/cubes/c0"]))
    # The cache was made of it, and goes in each.
    assert [(one.vault, one.cubes) for one in gone.receipt.elsewhere] == [
        ("orgs/acme/vaults/copy", 2),
        ("orgs/acme/vaults/copy-of-copy", 2),
    ]
    for vault_id in ("notes", "copy", "copy-of-copy"):
        request = vault_pb.ListCubesRequest(parent=f"orgs/acme/vaults/{vault_id}", filter={"states": [1, 2, 3, 4]})
        left = (await vaults.ListCubes(request)).cubes
        assert {cube.name.rpartition("/")[2] for cube in left} == {"c1", "c2"}
    # It leads from the original to its copies, not back.
    copy = "orgs/acme/vaults/copy"
    gone = await vaults.ForgetCubes(vault_pb.ForgetCubesRequest(parent=copy, names=[f"{copy}/cubes/c2"]))
    assert [one.vault for one in gone.receipt.elsewhere] == ["orgs/acme/vaults/copy-of-copy"]
    assert (await vaults.GetCube(vault_pb.GetCubeRequest(name=f"{VAULT}/cubes/c2"))).cube.name
