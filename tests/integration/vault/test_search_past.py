"""Search as of a revision or a time finds what a search of then would have found, with the scores of then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1.cube_pb2 import Cube
from memporium.vault.v1 import search_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter
from memporium_platform.errors import Reason
from memporium_services.vault.adapters.sql_store import SqlStore
from support.licensed import A1, pack_of
from support.vaults import cell, document, reason, search, vault_place

if TYPE_CHECKING:
    from pathlib import Path

    from support.vaults import VaultPlace

MODES = {"tags": 1, "text": 2, "meaning": 3, "hybrid": 4}


def _told(found: api.SearchCubesResponse) -> list[tuple[float, str, str]]:
    """Return the results, those of the same score by name."""
    told = [(round(-hit.score, 5), hit.cube.name.rpartition("/")[2], hit.unit.text) for hit in found.hits]
    assert [one[0] for one in told] == sorted(one[0] for one in told)
    return sorted(told)


async def _rewrite(place: VaultPlace, name: str, *texts: str, **told: Any) -> int:
    changed = cell(*texts, context="what was said about it", **told)
    changed.name = name
    mask = FieldMask(paths=["payload", *(f"descriptive.{field}" for field in told)])
    return (await place.stub.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask=mask))).revision


async def _history(place: VaultPlace) -> tuple[str, int]:
    """Make a vault in which much changed since a revision; return both."""
    vault = await place.vault()
    texts = {
        "tea": "the tea is served at noon",
        "bread": "the bread is baked at dawn",
        "cat": "the grey cat sleeps at noon",
        "dog": "the dog barks at the cat",
        "boat": "the boat leaves at dawn",
        "gone": "the noon train is forgotten",
    }
    for cube_id, text in texts.items():
        made = await place.create(vault, cell(text, context="what was said about it", tags=["old"]), cube_id=cube_id)
    then = made.revision
    await _rewrite(place, f"{vault}/cubes/tea", "coffee at eight", "tea never", tags=["new"])
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=f"{vault}/cubes/bread"))
    await place.stub.ExpireCube(api.ExpireCubeRequest(name=f"{vault}/cubes/cat"))
    told = Cube(name=f"{vault}/cubes/dog")
    told.descriptive.tags.append("new")
    mask = FieldMask(paths=["descriptive.tags"])
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=told, update_mask=mask))
    await place.create(vault, cell("noon noon noon at the noon tea"), cube_id="late")
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[f"{vault}/cubes/gone"]))
    return vault, then


async def _compare(place: VaultPlace, mode: str) -> None:
    """Hold a search of the past against one of a branch as of then."""
    vault, then = await _history(place)
    branch = api.CreateVaultRequest(parent=place.org.name, vault_id="then", branch_of=vault, branch_revision=then)
    twin = (await place.stub.CreateVault(branch)).vault.name
    for query in ("tea at noon", "the cat", "dawn", "coffee"):
        past = await search(place.stub, vault, query, mode=MODES[mode], read_revision=then, limit=50)
        real = await search(place.stub, twin, query, mode=MODES[mode], limit=50)
        assert _told(past) == _told(real)
        assert past.summary.weights == real.summary.weights
    assert past.summary.past_units == 4
    assert past.summary.revision == then


@pytest.mark.parametrize("mode", ["text", "meaning", "hybrid"])
async def test_the_past_is_ranked_as_it_was(place: VaultPlace, mode: str) -> None:
    await _compare(place, mode)


@pytest.mark.servers
async def test_the_past_is_ranked_as_it_was_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    async with vault_place(tmp_path, database_url=postgres_url) as place:
        await _compare(place, "hybrid")


async def test_the_scores_are_those_of_a_vault_that_was_never_changed(place: VaultPlace) -> None:
    vault, _ = await _history(place)
    before = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.revision
    queries = [(query, mode) for query in ("tea at noon", "dog", "never eight") for mode in (2, 3, 4)]
    asked = {"limit": 20, "explain": True}
    real = [await search(place.stub, vault, query, mode=mode, **asked) for query, mode in queries]
    await _rewrite(place, f"{vault}/cubes/tea", "nothing of the kind")
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=f"{vault}/cubes/dog"))
    await place.create(vault, cell("a dog that never drinks tea"))
    for (query, mode), wanted in zip(queries, real, strict=True):
        past = await search(place.stub, vault, query, mode=mode, read_revision=before, **asked)
        assert _told(past) == _told(wanted)
        by_text = {hit.unit.text: hit for hit in past.hits}
        for other in wanted.hits:
            hit = by_text[other.unit.text]
            assert [leg.leg for leg in hit.legs] == [leg.leg for leg in other.legs]
            assert [leg.score for leg in hit.legs] == pytest.approx([leg.score for leg in other.legs], rel=1e-4)
            assert (hit.cube.behavioural.version, hit.cube.uid) == (other.cube.behavioural.version, other.cube.uid)
        assert past.summary.weights == wanted.summary.weights


async def test_filters_ask_what_was_told_then(place: VaultPlace) -> None:
    vault, then = await _history(place)
    for tag, wanted in (("old", {"tea", "bread", "cat", "dog", "boat"}), ("new", set[str]())):
        for mode, query in ((1, ""), (3, "anything")):
            asked = {"filter": CubeFilter(tags_all=[tag]), "mode": mode, "read_revision": then, "limit": 50}
            found = await search(place.stub, vault, query, view=2, **asked)
            assert {hit.cube.name.rpartition("/")[2] for hit in found.hits} == wanted
            texts = {hit.cube.payload.plaintext.mem_cell.facts[0].text for hit in found.hits}
            assert ("the tea is served at noon" in texts) is bool(wanted)
    found = await search(place.stub, vault, "dog", mode=1, filter=CubeFilter(tags_all=["old"]), read_revision=then)
    assert found.hits[0].cube.name.endswith("/boat")


async def test_as_of_a_time_and_the_same_for_several_questions(place: VaultPlace) -> None:
    vault = await place.vault()
    made = await place.create(vault, document("Hours", "Lunch is at noon."), cube_id="a")
    moment = made.cube.descriptive.create_time
    await asyncio.sleep(0.01)
    await place.create(vault, cell("Lunch was good."), cube_id="b")
    changed = document("Hours", "Lunch is at one.")
    changed.name = made.cube.name
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask=FieldMask(paths=["payload"])))
    request = search_pb2.SearchUnitsRequest(parent=vault, read_time=moment)
    request.queries.add(query="lunch")
    request.queries.add(query="lunch at one", mode=3, scores_only=True)
    whole = search_pb2.SearchUnitsResponse()
    async for message in place.stub.SearchUnits(request):
        whole.MergeFrom(message)
    assert [(cube.name, cube.version) for cube in whole.cubes] == [(made.cube.name, 1)]
    assert [[hit.unit.text for hit in ranking.hits] for ranking in whole.rankings] == [["Lunch is at noon."], [""]]
    assert (whole.summary.past_units, whole.summary.revision) == (1, 0)
    again = await search(place.stub, vault, "lunch", read_time=moment)
    assert [hit.unit.text for hit in again.hits] == ["Lunch is at noon."]
    request.ClearField("read_time")
    assert {hit.unit.text for hit in (await search(place.stub, vault, "lunch")).hits} == {
        "Lunch is at one.",
        "Lunch was good.",
    }


async def test_nobody_finds_in_the_past_what_is_hidden_now_or_was_then(place: VaultPlace) -> None:
    vault = await place.vault()
    hidden = cell("the treasure lies under the oak")
    hidden.governance.access_scope = 1
    made = await place.create(vault, hidden, cube_id="secret")
    shown = Cube(name=made.cube.name)
    shown.governance.access_scope = 2
    mask = FieldMask(paths=["governance.access_scope"])
    opened = await place.stub.UpdateCube(api.UpdateCubeRequest(cube=shown, update_mask=mask))
    ann = await place.as_principal("ann")
    asked = {"query": "treasure", "read_revision": made.revision}
    assert len((await search(ann, vault, "treasure")).hits) == 1
    assert not (await search(ann, vault, **asked)).hits
    assert not (await search(ann, vault, mode=1, **asked)).hits
    assert len((await search(place.stub, vault, **asked)).hits) == 1
    shown.governance.access_scope = 1
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=shown, update_mask=mask))
    asked["read_revision"] = opened.revision
    assert not (await search(ann, vault, **asked)).hits


async def test_what_is_asked_of_the_past_must_be_of_the_past(place: VaultPlace) -> None:
    vault, then = await _history(place)
    for wrong in (
        {"read_revision": 999},
        {"read_revision": -1},
        {"read_revision": then, "include_mounts": True},
        {"read_revision": then, "read_time": {"seconds": 1}},
    ):
        request = api.SearchCubesRequest(parent=vault, query="tea", **wrong)
        assert await reason(place.stub.SearchCubes(request)) is Reason.INVALID_FIELD
        several = search_pb2.SearchUnitsRequest(parent=vault, queries=[{"query": "tea"}], **wrong)
        assert await reason(place.stub.SearchUnits(several)) is Reason.INVALID_FIELD
    long_ago = api.SearchCubesRequest(parent=vault, query="tea", read_time={"seconds": 1})
    assert [message.hits async for message in place.stub.SearchCubes(long_ago)] == [[]]


async def test_more_changes_than_are_made_anew_ask_for_a_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMPORIUM_VAULT_MAX_PAST_CUBES", "3")
    async with vault_place(tmp_path) as place:
        vault, then = await _history(place)
        request = api.SearchCubesRequest(parent=vault, query="tea", read_revision=then)
        assert await reason(place.stub.SearchCubes(request)) is Reason.FAILED_PRECONDITION


async def test_mounts_are_not_of_the_past_and_packs_are_asked_as_of_now(place: VaultPlace) -> None:
    [theirs] = await pack_of(place, "pack", A1, "the licensed tea")
    pack = theirs.rpartition("/cubes/")[0]
    vault = await place.vault()
    made = await place.create(vault, cell("the tea is hot"))
    await place.stub.CreateMount(api.CreateMountRequest(parent=vault, mount={"vault": pack}))
    assert len((await search(place.stub, vault, "tea")).hits) == 2
    found = await search(place.stub, vault, "tea", read_revision=made.revision)
    assert [hit.cube.name for hit in found.hits] == [made.cube.name]
    direct = api.SearchCubesRequest(parent=pack, query="tea", read_revision=1)
    committed = len(place.memstore.committed)
    assert [hit.agreement async for message in place.stub.SearchCubes(direct) for hit in message.hits] == [A1]
    assert len(place.memstore.committed) == committed + 1
    place.memstore.refused[A1, 0] = Reason.LICENCE_REVOKED
    assert await reason(place.stub.SearchCubes(direct)) is Reason.LICENCE_REVOKED


async def test_a_branch_holds_what_was_archived_but_does_not_find_it(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("the tea is hot"), cube_id="tea")
    await place.create(vault, cell("the tea is cold"), cube_id="cold")
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=f"{vault}/cubes/cold"))
    request = api.CreateVaultRequest(parent=place.org.name, vault_id="b", branch_of=vault)
    branch = (await place.stub.CreateVault(request)).vault.name
    assert [hit.unit.text for hit in (await search(place.stub, branch, "tea")).hits] == ["the tea is hot"]
    await place.stub.ActivateCube(api.ActivateCubeRequest(name=f"{branch}/cubes/cold"))
    assert len((await search(place.stub, branch, "tea")).hits) == 2


async def test_filters_by_roles_times_and_claims_hold_for_single_statements_of_then(place: VaultPlace) -> None:
    vault = await place.vault()
    talk = cell("Ada lives in Oslo", "Ben bakes bread")
    ada, ben = talk.payload.plaintext.mem_cell.facts
    ada.role, ben.role = "user", "assistant"
    ada.claims.add(subject="Ada", attribute="home", value="Oslo")
    ada.event_time.FromSeconds(1_000)
    ben.event_time.FromSeconds(2_000)
    made = await place.create(vault, talk, cube_id="talk")
    await _rewrite(place, made.cube.name, "nothing of them")
    for filter_, wanted in (
        ({"roles": ["user"]}, ["Ada lives in Oslo"]),
        ({"roles": ["assistant"]}, ["Ben bakes bread"]),
        ({"roles": ["tool"]}, []),
        ({"event_time_min": {"seconds": 1_500}}, ["Ben bakes bread"]),
        ({"event_time_max": {"seconds": 1_500}}, ["Ada lives in Oslo"]),
        ({"claims": ["ada/home"]}, ["Ada lives in Oslo", "Ben bakes bread"]),
        ({"claims": ["ben/home"]}, []),
        ({"states": [4]}, []),
    ):
        asked = {"mode": 3, "filter": CubeFilter(**filter_)}
        found = await search(place.stub, vault, "bread in Oslo", read_revision=made.revision, **asked)
        assert sorted(hit.unit.text for hit in found.hits) == wanted
        listed = api.ListCubesRequest(parent=vault, read_revision=made.revision, filter=CubeFilter(**filter_))
        assert bool((await place.stub.ListCubes(listed)).cubes) is bool(wanted)
        assert not (await search(place.stub, vault, "bread in Oslo", **asked)).hits or not filter_.keys() - {"states"}


async def test_the_log_of_changes_may_have_been_cut_since(place: VaultPlace) -> None:
    vault, then = await _history(place)
    asked = {"read_revision": then, "limit": 50}
    before = await search(place.stub, vault, "tea at noon", **asked)
    database = await place.platform.kernel.database("vault")
    uid = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.uid
    await database.write(lambda conn: SqlStore(conn).compact_changes(uid, through=then + 3))
    after = await search(place.stub, vault, "tea at noon", **asked)
    assert _told(after) == _told(before)
    assert after.summary.past_units == before.summary.past_units == 4
