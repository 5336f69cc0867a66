"""Statements that contradict each other: what holds, what is in conflict, and what recollection says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import claims_pb2, recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import cubes_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

START = datetime(2024, 1, 8, 12, tzinfo=UTC)


class Memory:
    """One vault, and a clock of sessions: each is a day after the one before."""

    def __init__(self, platform, org):
        channel = platform.channel(org.owner_key)
        self.stub, self.vaults, self.parent = ReaderServiceStub(channel), VaultServiceStub(channel), ""
        self.sessions = 0

    async def open(self, name="notes", **settings):
        vault = vault_pb2.Vault(**settings)
        request = vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id=name, vault=vault)
        self.parent = (await self.vaults.CreateVault(request)).vault.name
        return self

    async def say(self, text, *, role="user", speaker="Ada", trust=None, session=""):
        """Remember a session of one turn; return the name of its cube."""
        self.sessions += 1

        async def requests():
            header = remember_pb2.RememberHeader(
                parent=self.parent, session=session or f"s{self.sessions}", trust=trust or {}
            )
            yield remember_pb2.RememberRequest(header=header)
            turn = remember_pb2.Turn(id="t", speaker=speaker, role=role, text=text)
            turn.time.FromDatetime(START + timedelta(days=self.sessions))
            yield remember_pb2.RememberRequest(turn=turn)

        return (await self.stub.Remember(requests())).cubes[-1].cube

    async def read(self, text, source, *, trust=None):
        async def requests():
            header = remember_pb2.RememberDocumentsHeader(parent=self.parent)
            if trust is not None:
                header.trust = trust
            yield remember_pb2.RememberDocumentsRequest(header=header)
            document = remember_pb2.SourceDocument(source=source, text=text)
            self.sessions += 1
            document.time.FromDatetime(START + timedelta(days=self.sessions))
            yield remember_pb2.RememberDocumentsRequest(document=document)

        return (await self.stub.RememberDocuments(requests())).cubes[-1].cube

    async def recall(self, query="Where does Ada live?", **more):
        return await self.stub.Recall(recall_pb2.RecallRequest(parent=self.parent, query=query, **more))

    async def claims(self, **asked):
        request = claims_pb2.ListClaimsRequest(parent=self.parent, **asked)
        return (await self.stub.ListClaims(request)).claims


@pytest.fixture
async def memory(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        yield Memory(platform, await platform.organisation("acme"))


async def test_a_newer_statement_of_the_same_trust_supersedes(memory):
    await memory.open()
    old = await memory.say("I live in Oslo.")
    new = await memory.say("By the way, I moved to Bergen.")
    answer = await memory.recall()
    assert [item.cube for item in answer.items] == [new, old]
    assert not answer.items[0].superseded_by
    [winner] = answer.items[1].superseded_by
    assert (winner.cube, winner.citation, winner.value, winner.trust) == (new, 1, "Bergen", 0.9)
    assert [one.value for one in answer.items[0].claims[0].supersedes] == ["Oslo"]
    assert "holds no longer (ada, home): superseded by [1]" in answer.context


async def test_a_less_trusted_source_only_makes_a_conflict(memory):
    await memory.open()
    true = await memory.say("I live in Oslo.")
    poison = await memory.say("Ada lives in Paris.", role="tool", speaker="search")
    answer = await memory.recall("Does Ada live in Paris?")
    assert [item.cube for item in answer.items] == [true, poison]
    assert [[one.citation for one in item.in_conflict_with] for item in answer.items] == [[2], [1]]
    assert [item.claims[0].most_trusted for item in answer.items] == [True, False]
    assert [item.trust for item in answer.items] == [0.9, 0.5]
    assert not any(item.superseded_by for item in answer.items)
    assert "in conflict (ada, home) with [2], whose source is trusted less" in answer.context
    assert "in conflict (ada, home) with [1], whose source is trusted more" in answer.context


async def test_what_holds_is_brought_in_where_the_search_missed_it(memory):
    await memory.open()
    true = await memory.say("I moved to Oslo.")
    for number in range(60):
        await memory.say(f"The weather at house number {number} of Ada is a matter of where does it live, says a book.")
    poison = await memory.say("Ada lives in Paris.", role="tool", speaker="search")
    answer = await memory.recall("Where does Ada live in Paris?", limit=2)
    assert {item.cube for item in answer.items} == {true, poison}
    assert answer.items[0].cube == true


async def test_the_claim_that_is_asked_for_comes_first_however_it_was_said(memory):
    await memory.open()
    for number in range(40):
        await memory.say(f"What is it that Ada does for a living at number {number}, one asks, and what is the job?")
    job = await memory.say("I'm a baker.")
    answer = await memory.recall("What does Ada do for a living?", limit=3)
    assert answer.items[0].cube == job


async def test_additions_and_others_are_no_contradiction(memory):
    await memory.open()
    for text in (
        "I play chess.",
        "I play tennis.",
        "I live in Oslo.",
        "Ben lives in Rome.",
        "My sister lives in Bonn.",
    ):
        await memory.say(text)
    await memory.say("I live in Oslo, Norway.")
    answer = await memory.recall("What of Ada, chess, tennis, Ben and her sister?", limit=20)
    assert len(answer.items) == 6
    assert not any(item.superseded_by or item.in_conflict_with for item in answer.items)
    await memory.say("I no longer play tennis.")
    answer = await memory.recall("Which sports does Ada play, tennis?", limit=20)
    assert [item.text.split("(")[0] for item in answer.items if item.superseded_by] == ["Ada: I play tennis. "]


async def test_as_of_a_time_the_old_value_holds(memory):
    await memory.open()
    old = await memory.say("I live in Oslo.")
    new = await memory.say("I moved to Bergen.")
    between = START + timedelta(days=1, hours=12)
    for asked in ({"known_time": between}, {"true_time": between}):
        answer = await memory.recall(**asked)
        assert [item.cube for item in answer.items] == [old]
        assert not answer.items[0].superseded_by
    assert (await memory.recall()).items[0].cube == new


async def test_what_is_told_late_was_true_early(memory):
    await memory.open()
    now = await memory.say("I live in Bergen.")
    late = await memory.say("I moved to Oslo in May 2019.")
    answer = await memory.recall()
    assert [item.cube for item in answer.items] == [now, late]
    assert [one.value for one in answer.items[1].superseded_by] == ["Bergen"]
    then = await memory.recall(true_time=datetime(2020, 1, 1, tzinfo=UTC))
    assert [item.cube for item in then.items] == [late]
    assert not then.items[0].superseded_by


async def test_trust_is_set_by_vault_by_session_and_by_source(memory):
    await memory.open(trust=vault_pb2.TrustPolicy(roles={"tool": 0.95}, sources={"https://wiki.example/*": 1.0}))
    await memory.say("I live in Oslo.")
    tool = await memory.say("Ada lives in Bergen.", role="tool", speaker="register")
    assert (await memory.recall()).items[0].cube == tool
    session = await memory.say("I live in Rome.", trust={"user": 0.97})
    await memory.say("I live in Bonn.", trust={"*": 0.1})
    assert (await memory.recall()).items[0].cube == session
    page = await memory.read("Ada lives in Lima.", "https://wiki.example/ada")
    await memory.read("Ada lives in Cairo.", "https://other.example/ada")
    await memory.read("Ada lives in Quito.", "memo.md", trust=0.2)
    answer = await memory.recall(limit=20)
    assert answer.items[0].cube == page
    assert {round(item.trust, 2) for item in answer.items} == {1.0, 0.97, 0.95, 0.9, 0.4, 0.2, 0.1}


async def test_the_lever_can_be_switched_off(memory):
    await memory.open()
    await memory.say("I live in Oslo.")
    await memory.say("I moved to Bergen.")
    answer = await memory.recall(options=recall_pb2.RecallOptions(contradiction=False))
    assert not any(item.claims or item.superseded_by for item in answer.items)
    assert "superseded" not in answer.context


async def test_claims_are_listed_by_subject_and_by_cube(memory):
    await memory.open()
    old = await memory.say("I live in Oslo. My phone number is 555-0101.")
    new = await memory.say("I moved to Bergen.")
    listed = await memory.claims(subject="Ada")
    assert [(one.status.claim.attribute, one.status.claim.value) for one in listed] == [
        ("home", "Bergen"),
        ("home", "Oslo"),
        ("phone", "555-0101"),
    ]
    assert [one.cube for one in listed[0].status.supersedes] == [old]
    assert [one.cube for one in listed[1].status.superseded_by] == [new]
    assert [one.cube for one in await memory.claims(subject="ada", attribute="telephone")] == [old]
    assert [one.status.claim.value for one in await memory.claims(cube=old)] == ["Oslo", "555-0101"]
    before = await memory.claims(subject="Ada", attribute="home", known_time=START + timedelta(days=1, hours=1))
    assert [(one.status.claim.value, len(one.status.superseded_by)) for one in before] == [("Oslo", 0)]
    assert not await memory.claims(subject="Nobody")


async def test_what_is_forgotten_supersedes_nothing(memory):
    await memory.open()
    old = await memory.say("I live in Oslo.")
    new = await memory.say("I moved to Bergen.")
    await memory.vaults.ForgetCubes(vault_service_pb2.ForgetCubesRequest(parent=memory.parent, names=[new]))
    answer = await memory.recall()
    assert [item.cube for item in answer.items] == [old]
    assert not answer.items[0].superseded_by


async def test_a_mounted_vault_of_ones_own_counts_like_the_vault(memory):
    await memory.open("shelf")
    newer = START + timedelta(days=400)
    other = await memory.say("I moved to Bergen.", session="later")
    shelf = memory.parent
    await memory.open("desk")
    mount = vault_service_pb2.CreateMountRequest(parent=memory.parent, mount=vault_pb2.Mount(vault=shelf))
    await memory.vaults.CreateMount(mount)
    memory.sessions = -1
    own = await memory.say("I live in Oslo.", session="earlier")
    answer = await memory.recall(now=newer)
    assert [item.cube for item in answer.items] == [other, own]
    assert [one.cube for one in answer.items[1].superseded_by] == [other]
    alone = await memory.recall(include_mounts=False)
    assert [item.cube for item in alone.items] == [own]
    assert not alone.items[0].superseded_by


async def test_a_trust_beyond_bounds_and_a_question_without_subject_are_refused(memory):
    await memory.open()
    for call in (
        memory.say("I live in Oslo.", trust={"user": 1.5}),
        memory.read("Ada lives in Oslo.", "memo.md", trust=-0.5),
        memory.claims(),
        memory.claims(subject="ada", cube=f"{memory.parent}/cubes/a"),
        memory.claims(cube="orgs/acme/vaults/other/cubes/a"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert reason_of(caught.value).reason is Reason.INVALID_FIELD


async def test_a_flood_of_claims_does_not_crowd_out_what_the_user_said(memory):
    await memory.open()
    own = await memory.say("I live in Oslo.")
    news = []
    for number in range(300):
        cube = cube_pb2.Cube()
        fact = cube.payload.plaintext.mem_cell.facts.add(text=f"Ada lives in Paris {number}, where else?", role="tool")
        fact.claims.add(subject="ada", attribute="home", value=f"Paris {number}")
        fact.event_time.FromDatetime(START + timedelta(days=30, minutes=number))
        news.append(cubes_pb2.NewCube(cube=cube))
    request = vault_service_pb2.BatchCreateCubesRequest(parent=memory.parent, cubes=news)
    await memory.vaults.BatchCreateCubes(request)
    answer = await memory.recall("Does Ada live in Paris 7, where else?", limit=3)
    assert answer.items[0].cube == own
    assert answer.items[0].claims[0].most_trusted


async def test_given_claims_count_without_rules(memory):
    await memory.open()
    names = []
    for value, seconds in (("7", 100), ("9", 200)):
        fact = cube_pb2.AtomicFact(text=f"gadget reading {value}", claims=[])
        fact.claims.add(subject="Gadget", attribute="Reading", value=value)
        fact.event_time.seconds = seconds
        cube = cube_pb2.Cube(descriptive=cube_pb2.Descriptive(origin=cube_pb2.ORIGIN_USER_INPUT))
        cube.payload.plaintext.mem_cell.facts.append(fact)
        request = vault_service_pb2.CreateCubeRequest(parent=memory.parent, cube=cube)
        names.append((await memory.vaults.CreateCube(request)).cube.name)
    answer = await memory.recall("gadget reading")
    assert [item.cube for item in answer.items] == names[::-1]
    assert answer.items[1].superseded_by[0].value == "9"


async def test_poison_that_is_read_does_not_go_before_a_truth_that_is_not(memory):
    await memory.open()
    await memory.say("Oslo, oh Oslo, is where my heart and the bed of Ada and all that Ada lives for are.")
    for _ in range(5):
        await memory.say("Ada lives in Rome.", role="tool", speaker="search")
    answer = await memory.recall()
    assert answer.items[0].text.startswith("Ada: Oslo")
