"""Memory formation and recollection over real gRPC, with the vault and the index behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.reader.adapters.vault_grpc import GrpcVault
from support.platform import running_platform

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
TURNS = (
    ("t1", "Ada", "Hi Ben! I went to the pottery workshop yesterday and made a blue bowl."),
    ("t2", "Ben", "Nice! What colour was the glaze?"),
    ("t3", "Ada", "Cobalt blue. Next Friday I'm going to fire the second one."),
    ("t4", "Ben", "My sister Clara adopted a greyhound called Biscuit two weeks ago."),
    ("t5", "Ada", "Lovely. I am allergic to peanuts, so no peanut biscuits for me."),
)


@pytest.fixture
async def reader(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        org = await platform.organisation("acme")
        yield Reader(platform, org)


class Reader:
    def __init__(self, platform, org):
        self.platform, self.org = platform, org
        self.channel = platform.channel(org.owner_key)
        self.stub, self.vaults = ReaderServiceStub(self.channel), VaultServiceStub(self.channel)

    async def vault(self, name="notes"):
        request = vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id=name, vault=vault_pb2.Vault())
        return (await self.vaults.CreateVault(request)).vault.name

    async def remember(self, parent, turns=TURNS, *, session="s1", request_id="", persona="", start=MONDAY):
        async def requests():
            header = remember_pb2.RememberHeader(parent=parent, session=session, request_id=request_id, persona=persona)
            yield remember_pb2.RememberRequest(header=header)
            for number, (turn_id, speaker, text) in enumerate(turns):
                turn = remember_pb2.Turn(id=turn_id, speaker=speaker, text=text)
                turn.time.FromDatetime(start + timedelta(minutes=number))
                yield remember_pb2.RememberRequest(turn=turn)

        return await self.stub.Remember(requests())

    async def recall(self, parent, query, **more):
        return await self.stub.Recall(recall_pb2.RecallRequest(parent=parent, query=query, **more))


async def test_what_was_remembered_is_recalled_at_once_with_its_source(reader):
    parent = await reader.vault()
    done = await reader.remember(parent)
    assert (done.turns, done.known_turns, len(done.cubes)) == (5, 0, 1)
    assert done.cubes[0].created
    answer = await reader.recall(parent, "What is Clara's dog called?")
    best = answer.items[0]
    assert (best.source.source, best.source.locator, best.source.speaker) == ("s1", "t4", "Ben")
    assert "Biscuit" in best.text
    assert "two weeks ago = 24 April 2023" in best.text
    assert best.event_time.ToDatetime(tzinfo=UTC) == MONDAY + timedelta(minutes=3)
    assert best.cube == done.cubes[0].cube
    assert best.version == 1
    assert "[1]" in answer.context
    assert "not instructions" in answer.context


async def test_a_name_in_the_question_prefers_what_that_person_said(reader):
    parent = await reader.vault()
    await reader.remember(parent)
    answer = await reader.recall(parent, "When did Ada make a bowl?")
    assert answer.trace.kind == recall_pb2.QUESTION_KIND_TIME
    assert list(answer.trace.names) == ["Ada"]
    assert answer.items[0].source.locator == "t1"
    assert "yesterday = 7 May 2023" in answer.items[0].text
    # The question is compared without the name, too; that lever off, only as it was asked.
    assert len(answer.trace.searches) > 1
    plain = recall_pb2.RecallOptions(focus=False, second_round=False)
    answer = await reader.recall(parent, "When did Ada make a bowl?", options=plain)
    assert list(answer.trace.searches) == ["When did Ada make a bowl?"]


async def test_the_same_session_again_leaves_nothing_new(reader):
    parent = await reader.vault()
    first = await reader.remember(parent, request_id="11111111-1111-4111-8111-111111111111")
    again = await reader.remember(parent, request_id="11111111-1111-4111-8111-111111111111")
    other = await reader.remember(parent, request_id="22222222-2222-4222-8222-222222222222")
    assert [one.cube for one in again.cubes] == [one.cube for one in first.cubes] == [one.cube for one in other.cubes]
    assert (again.known_turns, other.known_turns) == (5, 5)
    answer = await reader.recall(parent, "pottery bowl", limit=50)
    locators = [item.source.locator for item in answer.items]
    assert sorted(locators) == sorted(set(locators))


async def test_a_session_goes_on_where_it_stopped(reader):
    parent = await reader.vault()
    await reader.remember(parent, TURNS[:3])
    done = await reader.remember(parent, TURNS)
    assert (done.turns, done.known_turns, len(done.cubes)) == (5, 3, 2)
    answer = await reader.recall(parent, "greyhound", limit=50)
    assert len(answer.items) == 5


async def test_a_known_turn_with_another_text_is_refused(reader):
    parent = await reader.vault()
    await reader.remember(parent)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reader.remember(parent, [("t1", "Ada", "I never went anywhere.")])
    assert reason_of(caught.value).reason is Reason.INVALID_FIELD


async def test_the_budget_holds(reader):
    parent = await reader.vault()
    await reader.remember(parent)
    full = await reader.recall(parent, "bowl")
    small = await reader.recall(parent, "bowl", budget_tokens=128)
    assert 0 < len(small.items) < len(full.items) == 5
    assert small.context_tokens <= 128
    assert sum(item.tokens for item in small.items) < 128
    assert [item.citation for item in full.items] == [1, 2, 3, 4, 5]


async def test_what_is_expected_is_told_while_it_holds(reader):
    parent = await reader.vault()
    await reader.remember(parent)
    request = recall_pb2.RecallRequest(parent=parent, query="second bowl")
    request.now.FromDatetime(MONDAY + timedelta(days=2))
    held = await reader.stub.Recall(request)
    assert ["fire the second one" in one.foresight.text for one in held.foresight] == [True]
    request.now.FromDatetime(MONDAY + timedelta(days=30))
    assert not (await reader.stub.Recall(request)).foresight


async def test_cubes_without_expectations_are_not_read_for_them(reader, monkeypatch):
    parent, asked = await reader.vault(), []
    prospects = GrpcVault.prospects

    async def noted(vault, where, cubes, **more):
        asked.extend(cubes)
        return await prospects(vault, where, cubes, **more)

    monkeypatch.setattr(GrpcVault, "prospects", noted)
    await reader.remember(parent, TURNS[3:], session="without")
    found = await reader.recall(parent, "Biscuit")
    assert found.items
    assert (asked, list(found.foresight)) == ([], [])
    await reader.remember(parent, TURNS[:3], session="with")
    request = recall_pb2.RecallRequest(parent=parent, query="bowl")
    request.now.FromDatetime(MONDAY + timedelta(days=2))
    answer = await reader.stub.Recall(request)
    assert set(asked) == {one.cube for one in answer.foresight}
    assert len(asked) == 1


async def test_mounted_memory_is_recalled_beside_its_own(reader):
    own, pack = await reader.vault("notes"), await reader.vault("pack")
    await reader.remember(own)
    await reader.remember(pack, [("p1", "Guide", "Stoneware is fired at about 1250 degrees.")], session="guide")
    await reader.vaults.CreateMount(
        vault_service_pb2.CreateMountRequest(parent=own, mount_id="guide", mount=vault_pb2.Mount(vault=pack))
    )
    answer = await reader.recall(own, "At what temperature is stoneware fired?")
    assert answer.items[0].mount == f"{own}/mounts/guide"
    assert answer.items[0].source.locator == "p1"
    without = await reader.recall(own, "At what temperature is stoneware fired?", include_mounts=False)
    assert all(not item.mount for item in without.items)


async def test_filters_hold(reader):
    parent = await reader.vault()
    await reader.remember(parent)
    await reader.remember(parent, [("x", "Ada", "The bowl broke.")], session="s2", start=MONDAY + timedelta(days=40))
    only = await reader.recall(parent, "bowl", filter=recall_pb2.RecallFilter(sources=["s2"]))
    assert {item.source.source for item in only.items} == {"s2"}
    late = recall_pb2.RecallFilter()
    late.event_start_time.FromDatetime(MONDAY + timedelta(days=10))
    assert [item.source.locator for item in (await reader.recall(parent, "bowl", filter=late)).items] == ["x"]


async def test_personas_are_separate_streams(reader):
    parent = await reader.vault()
    await reader.remember(parent, [("a", "Ada", "At work I lead the kiln team.")], persona="work")
    await reader.remember(parent, [("a", "Ada", "At home I bake bread.")], persona="home")
    answer = await reader.recall(parent, "What does Ada do?", filter=recall_pb2.RecallFilter(persona="home"))
    assert [item.text.split(" (")[0] for item in answer.items] == ["Ada: At home I bake bread."]


async def test_documents_become_passages_with_their_headings(reader):
    parent = await reader.vault()
    text = (
        "# Kiln manual\n\nRead first.\n\n## Firing\n\nHeat slowly to 1250 degrees.\n\n## Cooling\n\nOpen after a day.\n"
    )

    async def requests():
        yield remember_pb2.RememberDocumentsRequest(header=remember_pb2.RememberDocumentsHeader(parent=parent))
        half = len(text) // 2
        piece = remember_pb2.SourceDocument(source="manual.md", text=text[:half])
        yield remember_pb2.RememberDocumentsRequest(document=piece)
        piece = remember_pb2.SourceDocument(text=text[half:], append=True)
        yield remember_pb2.RememberDocumentsRequest(document=piece)

    first = await reader.stub.RememberDocuments(requests())
    assert [one.title for one in first.cubes] == ["Kiln manual", "Kiln manual > Firing", "Kiln manual > Cooling"]
    again = await reader.stub.RememberDocuments(requests())
    assert [one.created for one in again.cubes] == [False] * 3
    answer = await reader.recall(parent, "How hot is the firing?")
    assert answer.items[0].source.source == "manual.md"
    assert "Heat slowly" in answer.items[0].text


@pytest.mark.parametrize(
    ("turns", "field"),
    [
        ([], "turn"),
        ([("a", "", "Hi")], "turn[0].speaker"),
        ([("a", "Ada", "Hi"), ("a", "Ada", "Again")], "turn.id"),
        ([("a", "Ada", "x" * 40_000)], "turn[0].text"),
        ([("a", "Ada", "\u200b\x00")], "turn"),
    ],
)
async def test_bad_sessions_are_refused_clearly(reader, turns, field):
    parent = await reader.vault()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reader.remember(parent, turns)
    found = reason_of(caught.value)
    assert found.reason is Reason.INVALID_FIELD
    assert found.fields[0].field == field


async def test_a_stranger_is_refused(reader):
    parent = await reader.vault()
    stranger = await reader.platform.organisation("other")
    stub = ReaderServiceStub(reader.platform.channel(stranger.owner_key))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Recall(recall_pb2.RecallRequest(parent=parent, query="bowl"))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
