"""Scenes, profiles and foresight over real gRPC: made of episodes, explained by them, gone with them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import profile_pb2, recall_pb2, remember_pb2, scenes_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import cubes_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
SERVICES = ("vault", "inference", "reader")
# The test's embedding is of words alone, so the cosines are lower than those of meaning.
THRESHOLD = 0.2
POTTERY = ("Ada", "I love pottery. Today the pottery class glazed a blue pottery bowl in the kiln.")
POTTERY_AGAIN = ("Ada", "Another pottery class: the blue glaze on my pottery bowl cracked in the kiln.")
POTTERY_LATER = ("Ada", "My pottery bowl came out of the kiln at the pottery class; the glaze is blue now.")
HIKING = ("Ben", "We hiked the mountain trail with heavy rucksacks. I live in Lisbon.")


@pytest.fixture
async def memory(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(SERVICES, data_dir=tmp_path) as platform:
        yield Memory(platform.channel((await platform.organisation("acme")).owner_key))


class Memory:
    parent = "orgs/acme/vaults/notes"

    def __init__(self, channel):
        self.reader, self.vault = ReaderServiceStub(channel), VaultServiceStub(channel)

    async def open(self):
        request = vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id="notes", vault=vault_pb2.Vault())
        await self.vault.CreateVault(request)
        return self

    async def remember(self, session, *turns, day=0, persona="", role=""):
        async def requests():
            header = remember_pb2.RememberHeader(parent=self.parent, session=session, persona=persona)
            yield remember_pb2.RememberRequest(header=header)
            for number, (speaker, text) in enumerate(turns):
                turn = remember_pb2.Turn(id=f"{session}-t{number}", speaker=speaker, text=text, role=role)
                turn.time.FromDatetime(MONDAY + timedelta(days=day, minutes=number))
                yield remember_pb2.RememberRequest(turn=turn)

        return (await self.reader.Remember(requests())).cubes[0].cube

    async def consolidate(self, **more):
        request = scenes_pb2.ConsolidateRequest(parent=self.parent, threshold=THRESHOLD, **more)
        return await self.reader.Consolidate(request)

    async def scenes(self, **more):
        return list((await self.reader.ListScenes(scenes_pb2.ListScenesRequest(parent=self.parent, **more))).scenes)

    async def scene(self, name):
        return (await self.reader.GetScene(scenes_pb2.GetSceneRequest(name=name))).scene

    async def profile(self, subject, persona=""):
        request = profile_pb2.GetProfileRequest(parent=self.parent, subject=subject, persona=persona)
        return (await self.reader.GetProfile(request)).profile

    async def foresights(self, day, **more):
        request = profile_pb2.ListForesightsRequest(parent=self.parent, **more)
        request.now.FromDatetime(MONDAY + timedelta(days=day))
        return list((await self.reader.ListForesights(request)).foresights)

    async def forget(self, *cubes):
        request = vault_service_pb2.ForgetCubesRequest(parent=self.parent, names=cubes)
        return await self.vault.ForgetCubes(request)

    async def cubes(self, *kinds):
        request = vault_service_pb2.ListCubesRequest(
            parent=self.parent, filter=cubes_pb2.CubeFilter(semantic_types=kinds), view=cubes_pb2.CUBE_VIEW_FULL
        )
        return list((await self.vault.ListCubes(request)).cubes)


DERIVED = (cube_pb2.SEMANTIC_TYPE_SCENE, cube_pb2.SEMANTIC_TYPE_PROFILE)


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason_of(caught.value).reason


async def test_episodes_of_one_theme_and_time_are_one_scene(memory):
    await memory.open()
    first = await memory.remember("s1", POTTERY)
    hike = await memory.remember("s2", HIKING, day=1)
    second = await memory.remember("s3", POTTERY_AGAIN, day=2)
    done = await memory.consolidate()
    assert (done.scenes_created, done.scenes_updated, done.scenes, done.new_episodes) == (2, 0, 2, 3)
    scenes = {tuple(member.cube for member in scene.members) for scene in await memory.scenes()}
    assert scenes == {(first, second), (hike,)}


async def test_a_second_consolidation_changes_nothing(memory):
    await memory.open()
    await memory.remember("s1", POTTERY)
    await memory.consolidate()
    before = [(cube.name, cube.etag) for cube in await memory.cubes(*DERIVED)]
    done = await memory.consolidate()
    assert (done.scenes_created, done.scenes_updated, done.scenes, done.new_episodes) == (0, 0, 1, 0)
    assert not done.profiles_changed
    assert [(cube.name, cube.etag) for cube in await memory.cubes(*DERIVED)] == before


async def test_of_two_at_once_one_wins_and_the_other_may_be_repeated(memory):
    await memory.open()
    await memory.remember("s1", POTTERY)
    both = await asyncio.gather(memory.consolidate(), memory.consolidate(), return_exceptions=True)
    refused = [one for one in both if isinstance(one, Exception)]
    assert all(reason_of(one).reason is Reason.ETAG_MISMATCH for one in refused)
    assert len(refused) < 2
    assert (await memory.consolidate()).scenes == 1
    assert len(await memory.cubes(*DERIVED)) == 2


async def test_a_new_episode_joins_a_scene_in_reach_and_no_other(memory):
    await memory.open()
    first = await memory.remember("s1", POTTERY)
    await memory.consolidate()
    near, far = await memory.remember("s2", POTTERY_AGAIN, day=6), await memory.remember("s3", POTTERY_LATER, day=40)
    done = await memory.consolidate()
    assert (done.scenes_created, done.scenes_updated, done.new_episodes) == (1, 1, 2)
    scenes = {tuple(member.cube for member in scene.members) for scene in await memory.scenes()}
    assert scenes == {(first, near), (far,)}
    [grown] = [cube for cube in await memory.cubes(cube_pb2.SEMANTIC_TYPE_SCENE) if cube.behavioural.version == 2]
    assert list(grown.behavioural.lineage.parents) == [first, near]


async def test_a_scene_is_explained_by_its_source_turns(memory):
    await memory.open()
    cube = await memory.remember("s1", POTTERY, ("Ben", "Nice."))
    await memory.consolidate()
    [listed] = await memory.scenes()
    assert not listed.summary
    scene = await memory.scene(listed.name)
    assert "Ada" in scene.entities
    assert scene.title == scene.members[0].title
    assert scene.start_time.ToDatetime(tzinfo=UTC) == MONDAY
    best = scene.summary[0]
    assert (best.cube, best.unit, best.source.source, best.source.locator) == (cube, 0, "s1", "s1-t0")
    assert "pottery" in best.text


async def test_derived_cubes_hold_no_text_and_are_not_found_by_search(memory):
    await memory.open()
    await memory.remember("s1", POTTERY)
    await memory.consolidate()
    derived = await memory.cubes(*DERIVED)
    assert len(derived) == 2
    for cube in derived:
        raw = cube.SerializeToString()
        assert not any(word in raw for word in (b"pottery", b"kiln", b"Ada", b"s1-t0"))
    answer = await memory.reader.Recall(recall_pb2.RecallRequest(parent=memory.parent, query="pottery in the kiln"))
    assert {item.source.locator for item in answer.items} == {"s1-t0"}


async def test_what_is_forgotten_leaves_scene_and_profile_at_once_and_they_are_made_anew(memory):
    await memory.open()
    first, second = await memory.remember("s1", POTTERY), await memory.remember("s2", POTTERY_AGAIN, day=1)
    await memory.consolidate()
    await memory.forget(first)
    for scene in await memory.scenes():
        assert first not in {member.cube for member in scene.members}
    assert await memory.consolidate()
    [scene] = await memory.scenes()
    assert [member.cube for member in scene.members] == [second]
    [cube] = await memory.cubes(cube_pb2.SEMANTIC_TYPE_SCENE)
    assert list(cube.behavioural.lineage.parents) == [second]
    profile = await memory.profile("Ada")
    assert not profile.facts
    assert not await memory.cubes(cube_pb2.SEMANTIC_TYPE_SKILL)


async def test_a_profile_lost_with_one_episode_is_made_anew_from_all_others(memory):
    await memory.open()
    await memory.remember("s1", HIKING, POTTERY)
    lone = await memory.remember("s2", ("Ben", "Rain all weekend, sadly, and nothing else to tell."), day=30)
    await memory.consolidate()
    await memory.forget(lone)
    await memory.consolidate()
    assert [(fact.attribute, fact.value) for fact in (await memory.profile("ben")).facts]


async def test_a_profile_tells_what_holds_and_what_was_superseded_with_the_turns(memory):
    await memory.open()
    await memory.remember("s1", ("Ada", "My favourite colour is green."), ("Ben", "I live in Lisbon."))
    await memory.remember("s2", ("Ada", "My favourite colour is purple. I don't like coriander."), day=30)
    await memory.consolidate()
    profile = await memory.profile("ada")
    assert profile.subject == "Ada"
    told = {fact.value: fact for fact in profile.facts}
    assert told["purple"].standing == profile_pb2.PROFILE_STANDING_CURRENT
    assert told["green"].standing == profile_pb2.PROFILE_STANDING_SUPERSEDED
    assert told["coriander"].attribute == "dislikes"
    assert told["purple"].evidence[0].source.locator == "s2-t0"
    assert "Lisbon" not in told


async def test_a_topic_of_several_episodes_is_a_trait(memory):
    await memory.open()
    for number in range(3):
        await memory.remember(f"s{number}", ("Ada", "The violin rehearsal ran over again."), day=number)
    await memory.consolidate()
    traits = {trait.topic: trait for trait in (await memory.profile("Ada")).traits}
    assert traits["violin"].episodes == 3
    assert [one.source.source for one in traits["violin"].evidence] == ["s2", "s1", "s0"]


async def test_an_assistant_has_no_profile(memory):
    await memory.open()
    await memory.remember("s1", ("Helper", "I live in Lisbon."), role="assistant")
    await memory.consolidate()
    assert await refusal(memory.profile("Helper")) is Reason.NOT_FOUND


async def test_personas_are_streams_of_their_own(memory):
    await memory.open()
    await memory.remember("s1", POTTERY, persona="home")
    await memory.remember("s2", POTTERY_AGAIN, persona="work")
    done = await memory.consolidate(persona="home")
    assert (done.scenes_created, done.new_episodes) == (1, 1)
    assert (await memory.consolidate()).scenes_created == 1
    assert {scene.persona for scene in await memory.scenes()} == {"home", "work"}
    [scene] = await memory.scenes(persona="work")
    assert len(scene.members) == 1
    assert [fact.value for fact in (await memory.profile("Ada", "home")).facts] == ["pottery"]
    assert await refusal(memory.profile("Ada")) is Reason.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError, match="no profile of Ada in what belongs to no role stream"):
        await memory.profile("Ada")


async def test_foresight_is_filtered_by_the_time_of_asking(memory):
    await memory.open()
    cube = await memory.remember("s1", ("Ada", "I'm going to fire the second bowl next Friday."))
    [holding] = await memory.foresights(1)
    assert (holding.cube, holding.status) == (cube, profile_pb2.FORESIGHT_STATUS_VALID)
    assert holding.foresight.source.locator == "s1-t0"
    assert not await memory.foresights(60)
    assert not await memory.foresights(-1)
    states = [(await memory.foresights(day, include_all=True))[0].status for day in (-1, 1, 60)]
    assert states == [
        profile_pb2.FORESIGHT_STATUS_PENDING,
        profile_pb2.FORESIGHT_STATUS_VALID,
        profile_pb2.FORESIGHT_STATUS_EXPIRED,
    ]


async def test_pages_hold_all_scenes_and_all_foresight_once(memory):
    await memory.open()
    for number in range(3):
        await memory.remember(f"s{number}", ("Ada", f"I will plant tree{number} soon."), day=40 * number)
    await memory.consolidate()
    for method, kind, field in (
        (memory.reader.ListScenes, scenes_pb2.ListScenesRequest, "scenes"),
        (memory.reader.ListForesights, profile_pb2.ListForesightsRequest, "foresights"),
    ):
        found, token = [], ""
        while True:
            page = await method(kind(parent=memory.parent, page_size=2, page_token=token))
            found += getattr(page, field)
            token = page.next_page_token
            if not token:
                break
        assert len(found) == 3
        assert len({one.SerializeToString() for one in found}) == 3


@pytest.mark.parametrize("field", [{"threshold": 1.5}, {"gap_s": -1}])
async def test_limits_out_of_range_are_refused(memory, field):
    await memory.open()
    request = scenes_pb2.ConsolidateRequest(parent=memory.parent, threshold=field.get("threshold", 0.5))
    if "gap_s" in field:
        request.gap.FromSeconds(field["gap_s"])
    assert await refusal(memory.reader.Consolidate(request)) is Reason.INVALID_FIELD


async def test_a_cube_that_is_no_scene_is_none(memory):
    await memory.open()
    cube = await memory.remember("s1", POTTERY)
    assert await refusal(memory.scene(cube)) is Reason.NOT_FOUND


async def test_lineage_is_not_a_callers_to_change(memory):
    await memory.open()
    cube = await memory.remember("s1", POTTERY)
    request = vault_service_pb2.UpdateCubeRequest(cube=cube_pb2.Cube(name=cube))
    request.cube.behavioural.lineage.parents.append("orgs/acme/vaults/notes/cubes/other")
    request.update_mask.paths.append("behavioural.lineage")
    assert await refusal(memory.vault.UpdateCube(request)) is Reason.INVALID_FIELD


async def test_a_vault_keeps_limits_of_its_own_that_a_call_may_overrule(memory):
    await memory.open()
    await memory.remember("s1", POTTERY)
    await memory.remember("s2", POTTERY_AGAIN, day=1)
    vault = vault_pb2.Vault(name=memory.parent, scenes=vault_pb2.SceneLimits(threshold=1.0))
    vault.scenes.gap.FromTimedelta(timedelta(days=2))
    mask = FieldMask(paths=["scenes"])
    await memory.vault.UpdateVault(vault_service_pb2.UpdateVaultRequest(vault=vault, update_mask=mask))
    asked = scenes_pb2.ConsolidateRequest(parent=memory.parent)
    assert (await memory.reader.Consolidate(asked)).scenes == 2
    vault.scenes.threshold = THRESHOLD
    await memory.vault.UpdateVault(vault_service_pb2.UpdateVaultRequest(vault=vault, update_mask=mask))
    await memory.remember("s3", POTTERY_LATER, day=2)
    assert (await memory.reader.Consolidate(asked)).scenes_updated == 1
    await memory.remember("s4", POTTERY_LATER, day=8)
    assert (await memory.reader.Consolidate(asked)).scenes_created == 1
    await memory.remember("s5", POTTERY_LATER, day=20)
    asked.gap.FromTimedelta(timedelta(days=30))
    assert (await memory.reader.Consolidate(asked)).scenes_created == 0


async def test_limits_of_scenes_have_bounds(memory):
    await memory.open()
    for wrong in (vault_pb2.SceneLimits(threshold=1.5), vault_pb2.SceneLimits(threshold=-0.1), _gap(0), _gap(40_000)):
        vault = vault_pb2.Vault(name=memory.parent, scenes=wrong)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await memory.vault.UpdateVault(
                vault_service_pb2.UpdateVaultRequest(vault=vault, update_mask=FieldMask(paths=["scenes"]))
            )
        assert reason_of(caught.value).reason is Reason.INVALID_FIELD


def _gap(days):
    limits = vault_pb2.SceneLimits()
    limits.gap.FromTimedelta(timedelta(days=days))
    return limits


async def test_a_page_of_foresights_looks_through_as_many_episodes_as_it_says(memory):
    await memory.open()
    for number in range(40):
        await memory.remember(f"s{number}", ("Ada", f"Next Friday I'm going to paint boat number {number}."))
    request = profile_pb2.ListForesightsRequest(parent=memory.parent, page_size=40, include_all=True)
    request.now.FromDatetime(MONDAY)
    page = await memory.reader.ListForesights(request)
    assert (len(page.foresights), page.next_page_token) == (40, "")
    request.page_size = 25
    first = await memory.reader.ListForesights(request)
    request.page_token = first.next_page_token
    second = await memory.reader.ListForesights(request)
    assert (len(first.foresights), len(second.foresights), second.next_page_token) == (25, 15, "")
    assert {one.cube for one in page.foresights} == {one.cube for one in (*first.foresights, *second.foresights)}
