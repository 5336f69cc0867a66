"""Imports into the real vault that end in the middle, or that meet another import of the same cubes."""

from __future__ import annotations

import asyncio
import uuid
from hashlib import sha256

import pytest

from memporium.vault.v1 import vault_service_pb2 as vault_pb
from memporium.vault.v1.cubes_pb2 import PortableCube
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app import transfer_streams
from support.bundles import tensor_file
from support.integration_transfer import refusal
from support.patience import eventually
from support.platform import running_platform

VAULT = "orgs/acme/vaults/pack"
OWNER = Principal("orgs/acme/principals/owner", "acme", PrincipalKind.USER)
BLOB = tensor_file({"a": [0.25] * 1000})


@pytest.fixture
async def vaults(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("governance", "vault", "inference"), data_dir=tmp_path) as platform:
        await platform.organisation("acme")
        stub = platform.running.engines.kernel_for("transfer").channels.stub(VaultServiceStub)
        with acting_as(OWNER):
            await stub.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/acme", vault_id="pack"))
            yield stub


def texts(*numbers):
    """Return cubes c0, c1, ... of text as they come from a bundle."""
    made = []
    for number in numbers:
        portable = PortableCube()
        portable.cube.name = f"{VAULT}/cubes/c{number}"
        portable.cube.payload.plaintext.document.text = f"text number {number} of the pack"
        made.append(portable)
    return made


def tensors():
    portable = PortableCube()
    portable.cube.name = f"{VAULT}/cubes/kv"
    activation = portable.cube.payload.activation
    activation.blob.sha256, activation.blob.size_bytes = sha256(BLOB).hexdigest(), len(BLOB)
    activation.model_fingerprint = activation.tokenizer_fingerprint = activation.token_ids_sha256 = "ab" * 32
    activation.token_count, activation.layers, activation.heads, activation.head_size = 10, 2, 2, 4
    activation.dtype = "float32"
    return portable


async def upload(stub):
    async def parts():
        header = vault_pb.UploadBlobHeader(parent=VAULT)
        header.digest.CopyFrom(tensors().cube.payload.activation.blob)
        yield vault_pb.UploadBlobRequest(header=header)
        yield vault_pb.UploadBlobRequest(data=BLOB)

    await stub.UploadBlob(parts())


def take_in(stub, *batches, replace, missing=0):
    """Import batches; an event in between is waited for. `missing`: cubes that the end counts beside them."""

    async def messages():
        header = vault_pb.ImportCubesHeader(parent=VAULT, replace=replace, request_id=str(uuid.uuid4()))
        yield vault_pb.ImportCubesRequest(header=header)
        for batch in batches:
            if isinstance(batch, asyncio.Event):
                await batch.wait()
            else:
                yield vault_pb.ImportCubesRequest(batch=vault_pb.ImportCubesBatch(cubes=batch))
        count = sum(len(batch) for batch in batches if isinstance(batch, list)) + missing
        if missing >= 0:
            yield vault_pb.ImportCubesRequest(end=vault_pb.ImportCubesEnd(cubes=count))

    return stub.ImportCubes(messages())


async def names(stub):
    listed = await stub.ListCubes(vault_pb.ListCubesRequest(parent=VAULT, page_size=100))
    return sorted(cube.name.rpartition("/")[2] for cube in listed.cubes)


async def staged(monkeypatch):
    """Return an event for each time that a batch was staged."""
    seen: asyncio.Queue[None] = asyncio.Queue()
    working = transfer_streams.TransferStreams._stage

    async def watched(self, *arguments):
        result = await working(self, *arguments)
        seen.put_nowait(None)
        return result

    monkeypatch.setattr(transfer_streams.TransferStreams, "_stage", watched)
    return seen


@pytest.mark.parametrize("replace", [True, False])
async def test_an_import_takes_over_what_one_that_was_cut_has_left(vaults, monkeypatch, replace):
    seen = await staged(monkeypatch)
    await upload(vaults)
    dropped = []
    with monkeypatch.context() as broken:
        # A process that dies cleans nothing up.
        broken.setattr(transfer_streams, "drop_hidden", lambda *arguments: dropped.append(arguments))
        call = take_in(vaults, [*texts(0, 1), tensors()], asyncio.Event(), replace=replace)
        await seen.get()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await eventually(lambda: dropped)
    assert await names(vaults) == []
    answer = await take_in(vaults, [*texts(0, 1), tensors()], texts(2), replace=replace)
    assert (answer.imported, answer.deduplicated) == (4, 0)
    assert await names(vaults) == ["c0", "c1", "c2", "kv"]
    blob = tensors().cube.payload.activation.blob
    request = vault_pb.DownloadBlobRequest(parent=VAULT, digest=blob)
    assert b"".join([part.data async for part in vaults.DownloadBlob(request)]) == BLOB
    vault = (await vaults.GetVault(vault_pb.GetVaultRequest(name=VAULT))).vault
    assert vault.usage.cubes == 4


async def test_of_two_imports_of_the_same_cubes_one_is_told_to_come_again(vaults, monkeypatch):
    seen = await staged(monkeypatch)
    go = asyncio.Event()
    first = take_in(vaults, texts(0, 1), go, texts(2), replace=True)
    await seen.get()
    second = await take_in(vaults, texts(0, 1), texts(2), replace=True)
    assert second.imported == 3
    go.set()
    error = await refusal(first)
    assert isinstance(error, PlatformError)
    assert error.reason is Reason.CONFLICT
    assert await names(vaults) == ["c0", "c1", "c2"]
    again = await take_in(vaults, texts(0, 1), texts(2), replace=True)
    assert (again.imported, again.deduplicated) == (0, 3)


@pytest.mark.parametrize("missing", [1, -1])
async def test_an_import_without_its_end_is_none(vaults, missing):
    error = await refusal(take_in(vaults, texts(0, 1), replace=True, missing=missing))
    assert error.reason is Reason.INVALID_FIELD
    assert error.fields[0].field == "end"
    assert await names(vaults) == []
