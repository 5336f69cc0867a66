"""Scenes and profiles as items of a recollection: where asked for, within the budget, down to their turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from memporium.reader.v1 import recall_pb2, remember_pb2, scenes_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
SESSIONS = (
    ("s1", ("I love pottery. I made a blue bowl in the workshop.", "My favourite colour is green.")),
    ("s2", ("The blue bowl of the pottery workshop broke in the kiln.", "The pottery teacher gave me new clay.")),
    ("s3", ("I made another bowl in the pottery workshop.", "It came out of the kiln whole, and I sold it.")),
)
KIND = recall_pb2.RecallItemKind
BOTH = recall_pb2.RecallOptions(scenes=True, profiles=True)


@pytest.fixture
async def stubs(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        org = await platform.organisation("acme")
        channel = platform.channel(org.owner_key)
        reader, vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
        await vaults.CreateVault(api.CreateVaultRequest(parent="orgs/acme", vault_id="notes"))
        for day, (session, texts) in enumerate(SESSIONS):
            await reader.Remember(_turns(session, texts, MONDAY + timedelta(days=day)))
        await reader.Consolidate(scenes_pb2.ConsolidateRequest(parent="orgs/acme/vaults/notes", threshold=0.1))
        yield reader, vaults


async def _turns(session, texts, start):
    yield remember_pb2.RememberRequest(
        header=remember_pb2.RememberHeader(parent="orgs/acme/vaults/notes", session=session)
    )
    for number, text in enumerate(texts):
        turn = remember_pb2.Turn(id=f"{session}:{number}", speaker="Ada", text=text)
        turn.time.FromDatetime(start + timedelta(minutes=number))
        yield remember_pb2.RememberRequest(turn=turn)


async def _recall(reader, query, **asked):
    return await reader.Recall(recall_pb2.RecallRequest(parent="orgs/acme/vaults/notes", query=query, **asked))


async def test_they_come_where_they_are_asked_for_and_name_their_turns(stubs):
    reader, vaults = stubs
    query = "What colour does Ada like, and what of her bowl and the kiln?"
    plain = await _recall(reader, query, limit=2)
    assert {item.kind for item in plain.items} == {KIND.RECALL_ITEM_KIND_UNSPECIFIED}
    answer = await _recall(reader, query, limit=2, options=BOTH)
    kinds = [item.kind for item in answer.items]
    assert kinds == sorted(kinds, key=bool)
    assert {KIND.RECALL_ITEM_KIND_SCENE, KIND.RECALL_ITEM_KIND_PROFILE} <= set(kinds)
    assert [item.text for item in answer.items if not item.kind] == [item.text for item in plain.items]
    assert [item.citation for item in answer.items] == list(range(1, len(kinds) + 1))
    turns = {f"{session}:{number}" for session, texts in SESSIONS for number in range(len(texts))}
    for item in answer.items:
        assert f"[{item.citation}]" in answer.context
        assert item.text.splitlines()[0] in answer.context
        if item.kind:
            assert item.evidence
            assert {told.source.locator for told in item.evidence} <= turns
    [scene] = [item for item in answer.items if item.kind == KIND.RECALL_ITEM_KIND_SCENE]
    shown = (await reader.GetScene(scenes_pb2.GetSceneRequest(name=scene.cube))).scene
    assert len(shown.members) == 3
    told = {item.text for item in plain.items}
    assert not told.intersection(evidence.text for evidence in scene.evidence)
    colour = next(item for item in answer.items if item.kind == KIND.RECALL_ITEM_KIND_PROFILE)
    assert "green" in colour.text
    assert [evidence.source.locator for evidence in colour.evidence] == ["s1:1"]
    only = await _recall(reader, query, limit=2, options=recall_pb2.RecallOptions(profiles=True))
    assert KIND.RECALL_ITEM_KIND_SCENE not in {item.kind for item in only.items}

    await vaults.ForgetCubes(api.ForgetCubesRequest(parent="orgs/acme/vaults/notes", names=[colour.evidence[0].cube]))
    after = await _recall(reader, query, limit=2, options=BOTH)
    assert "green" not in str(after)


async def test_they_keep_to_the_budget_and_to_what_was_known(stubs):
    reader, _ = stubs
    query = "What of Ada's bowl and the kiln?"
    for budget in (64, 90, 120, 300):
        answer = await _recall(reader, query, budget_tokens=budget, options=BOTH)
        assert answer.context_tokens <= budget
        assert bool(answer.items) == bool((await _recall(reader, query, budget_tokens=budget)).items)
        assert sum(item.tokens for item in answer.items) <= budget
    early = recall_pb2.RecallRequest(parent="orgs/acme/vaults/notes", query=query, limit=1, options=BOTH)
    early.known_time.FromDatetime(MONDAY + timedelta(hours=1))
    assert {told.source.source for item in (await reader.Recall(early)).items for told in item.evidence} <= {"s1"}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _recall(reader, query, read_revision=1, options=BOTH)
    assert reason_of(refused.value).reason is Reason.INVALID_FIELD
