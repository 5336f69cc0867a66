"""A new release that changes little: what stays is neither analysed nor stored again, and the switch is one."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from memporium.vault.v1 import vault_service_pb2 as vault_pb
from memporium.vault.v1.cubes_pb2 import PortableCube
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import Reason
from memporium_services.vault.app import importing, transfer_streams
from support.integration_transfer import refusal
from support.platform import running_platform

VAULT = "orgs/acme/vaults/pack"
OWNER = Principal("orgs/acme/principals/owner", "acme", PrincipalKind.USER)
WORDS = "north south east west red green blue gold iron clay".split()  # noqa: SIM905 - words


@pytest.fixture
async def vaults(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("governance", "vault", "inference"), data_dir=tmp_path) as platform:
        await platform.organisation("acme")
        stub = platform.running.engines.kernel_for("transfer").channels.stub(VaultServiceStub)
        with acting_as(OWNER):
            await stub.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/acme", vault_id="pack"))
            yield stub


def release(count, **changed):
    """Return cubes c0, c1, ...; `changed` gives some another text, or leaves them out (None)."""
    made = []
    for number in range(count):
        text = changed.get(f"c{number}", f"the {WORDS[number]} tower has a bell")
        if text is not None:
            portable = PortableCube()
            portable.cube.name = f"{VAULT}/cubes/c{number}"
            portable.cube.payload.plaintext.document.text = text
            made.append(portable)
    return made


def take_in(stub, cubes, *, wait=None):
    async def messages():
        header = vault_pb.ImportCubesHeader(parent=VAULT, replace=True, request_id=str(uuid.uuid4()))
        yield vault_pb.ImportCubesRequest(header=header)
        yield vault_pb.ImportCubesRequest(batch=vault_pb.ImportCubesBatch(cubes=cubes))
        if wait is not None:
            await wait.wait()
        yield vault_pb.ImportCubesRequest(end=vault_pb.ImportCubesEnd(cubes=len(cubes)))

    return stub.ImportCubes(messages())


async def held(stub):
    """Return etag by id of all cubes that are seen."""
    listed = await stub.ListCubes(vault_pb.ListCubesRequest(parent=VAULT, page_size=100))
    return {cube.name.rpartition("/")[2]: cube.etag for cube in listed.cubes}


async def found(stub, query):
    request = vault_pb.SearchCubesRequest(parent=VAULT, query=query, limit=1)
    return [hit.cube.name.rpartition("/")[2] async for answer in stub.SearchCubes(request) for hit in answer.hits]


def drafted(monkeypatch):
    """Return the list to which each cube that is analysed and sealed is added."""
    seen: list[str] = []
    working = transfer_streams.draft_cubes

    async def watched(rt, vault, cipher, wanted, origin):
        seen.extend(one.cube_id for one in wanted)
        return await working(rt, vault, cipher, wanted, origin)

    monkeypatch.setattr(transfer_streams, "draft_cubes", watched)
    return seen


@pytest.mark.parametrize("kept_units", [importing.KEPT_UNITS, 3])
async def test_only_what_is_new_or_changed_is_made_and_what_is_gone_is_forgotten(vaults, monkeypatch, kept_units):
    monkeypatch.setattr(importing, "KEPT_UNITS", kept_units)
    await take_in(vaults, release(8))
    before = await held(vaults)
    seen = drafted(monkeypatch)
    changed = release(10, c3="the glass tower fell down", c5=None)
    answer = await take_in(vaults, changed)
    assert sorted(seen) == ["c3", "c8", "c9"]
    assert (answer.imported, answer.deduplicated, answer.removed) == (3, 6, 1)
    after = await held(vaults)
    assert sorted(after) == ["c0", "c1", "c2", "c3", "c4", "c6", "c7", "c8", "c9"]
    assert {name for name in before if after.get(name) == before[name]} == {"c0", "c1", "c2", "c4", "c6", "c7"}
    assert await found(vaults, "glass tower fell") == ["c3"]
    assert await found(vaults, "clay tower bell") == ["c9"]
    assert await found(vaults, "north tower bell") == ["c0"]
    assert "c5" not in await found(vaults, f"{WORDS[5]} tower bell")
    usage = (await vaults.GetVault(vault_pb.GetVaultRequest(name=VAULT))).vault.usage
    assert usage.cubes == 9


async def test_readers_see_the_old_release_whole_until_they_see_the_new_one(vaults):
    await take_in(vaults, release(6))
    before = await held(vaults)
    go = asyncio.Event()
    import_ = take_in(vaults, release(6, c0="the new tower", c1=None), wait=go)
    for _ in range(20):
        assert await held(vaults) == before
        await asyncio.sleep(0.02)
    go.set()
    await import_
    after = await held(vaults)
    assert sorted(after) == ["c0", "c2", "c3", "c4", "c5"]
    assert after["c0"] != before["c0"]


async def test_a_release_whose_unchanged_cube_is_forgotten_meanwhile_is_not_published_with_a_hole(vaults, monkeypatch):
    await take_in(vaults, release(4))
    go = asyncio.Event()
    seen: asyncio.Queue[None] = asyncio.Queue()
    working = transfer_streams.TransferStreams._stage

    async def watched(self, *arguments):
        result = await working(self, *arguments)
        seen.put_nowait(None)
        return result

    monkeypatch.setattr(transfer_streams.TransferStreams, "_stage", watched)
    import_ = take_in(vaults, release(5), wait=go)
    await seen.get()
    names = [f"{VAULT}/cubes/c1"]
    await vaults.ForgetCubes(vault_pb.ForgetCubesRequest(parent=VAULT, names=names, request_id=str(uuid.uuid4())))
    go.set()
    assert (await refusal(import_)).reason is Reason.CONFLICT
    assert sorted(await held(vaults)) == ["c0", "c2", "c3"]
    await take_in(vaults, release(5))
    assert sorted(await held(vaults)) == ["c0", "c1", "c2", "c3", "c4"]
