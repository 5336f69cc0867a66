"""Recollection as of an earlier revision or time of the vault brings what it would have brought then."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1.cube_pb2 import Cube
from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
QUESTION = "Where does Ada live, and what does she bake?"


class Memory:
    def __init__(self, platform, org):
        channel = platform.channel(org.owner_key)
        self.reader, self.vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
        self.vault = f"{org.name}/vaults/notes"

    async def remember(self, session, text, days=0):
        async def requests():
            yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=self.vault, session=session))
            turn = remember_pb2.Turn(id="1", speaker="Ada", text=text)
            turn.time.FromDatetime(MONDAY + timedelta(days=days))
            yield remember_pb2.RememberRequest(turn=turn)

        done = await self.reader.Remember(requests())
        return done.cubes[0].cube, done.revision

    async def recall(self, query=QUESTION, **asked):
        request = recall_pb2.RecallRequest(parent=self.vault, query=query, **asked)
        request.now.FromDatetime(MONDAY + timedelta(days=2))
        return await self.reader.Recall(request)


@asynccontextmanager
async def _memory(folder, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("vault", "inference", "reader"), data_dir=folder) as platform:
        memory = Memory(platform, await platform.organisation("acme"))
        await memory.vaults.CreateVault(api.CreateVaultRequest(parent="orgs/acme", vault_id="notes"))
        yield memory


@pytest.fixture
async def memory(tmp_path, monkeypatch):
    async with _memory(tmp_path, monkeypatch) as made:
        yield made


def _told(answer):
    return [
        (
            item.cube,
            item.version,
            item.text,
            round(item.score, 5),
            [(one.claim.value, len(one.superseded_by)) for one in item.claims],
        )
        for item in answer.items
    ]


async def test_what_is_recalled_as_of_then_is_what_was_recalled_then(memory):
    home, _ = await memory.remember("s1", "I live in Oslo. I bake bread on Sundays.")
    plans, _ = await memory.remember("s2", "Next Friday I'm going to bake a cake for Ben.", days=1)
    gone, revision = await memory.remember("s3", "I bake pretzels, but tell nobody.", days=1)
    before = await memory.recall()
    kept = [one for one in _told(before) if one[0] != gone]
    assert len(kept) == 2
    assert [one.cube for one in before.foresight] == [plans]

    await memory.remember("s4", "I moved to Bergen. I bake nothing any more.", days=9)
    cube = (await memory.vaults.GetCube(api.GetCubeRequest(name=home, view=2))).cube
    changed = Cube(name=home, payload=cube.payload)
    for fact in changed.payload.plaintext.mem_cell.facts:
        fact.text = fact.text.replace("bread", "brick")
    changed.descriptive.tags.append("rewritten")
    mask = FieldMask(paths=["payload", "descriptive.tags"])
    await memory.vaults.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask=mask))
    await memory.vaults.ArchiveCube(api.ArchiveCubeRequest(name=plans))
    now = await memory.recall()
    assert "Bergen" in now.items[0].text
    assert plans not in {item.cube for item in now.items}

    then = await memory.recall(read_revision=revision)
    assert _told(then) == _told(before)
    assert then.context == before.context
    assert then.foresight == before.foresight
    stamp = cube.descriptive.update_time
    early = await memory.recall(read_time=stamp)
    assert {item.cube for item in early.items} == {home}
    assert {item.text for item in early.items} < {one[2] for one in kept}

    await memory.vaults.ForgetCubes(api.ForgetCubesRequest(parent=memory.vault, names=[gone]))
    after = await memory.recall(read_revision=revision)
    assert {one[:3] for one in map(tuple, _told(after))} == {one[:3] for one in kept}
    assert "pretzels" not in str(after)


async def test_the_past_has_no_mounts_and_no_future(memory):
    await memory.remember("s1", "I live in Oslo.")
    for wrong in (
        {"read_revision": 1, "include_mounts": True},
        {"read_revision": 99},
        {"read_revision": 1, "read_time": {"seconds": 1}},
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await memory.recall(**wrong)
        assert reason_of(refused.value).reason is Reason.INVALID_FIELD
    assert not (await memory.recall(read_time={"seconds": 1})).items
