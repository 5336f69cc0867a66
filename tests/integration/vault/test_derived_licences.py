"""What is made of licensed memory: it carries the licences of all its parents, and each use of it asks all of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1.cube_pb2 import CUBE_STATE_EXPIRED, Cube
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.changes_pb2 import ApplyChangesRequest
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_FULL, CubeFilter, NewCube, UseAction
from memporium_platform.call import acting_as
from memporium_platform.errors import Reason
from support.licensed import A1, A2, agreements_of, made_of, owner_of, pack_of
from support.vaults import cell, reason, search

if TYPE_CHECKING:
    from support.vaults import VaultPlace

READ, INFER, KV, TEXT, LORA, EXPORT, REDISTRIBUTE = (
    UseAction.USE_ACTION_READ,
    UseAction.USE_ACTION_INFER_WITH,
    UseAction.USE_ACTION_MATERIALISE_KV,
    UseAction.USE_ACTION_DERIVE_TEXT,
    UseAction.USE_ACTION_DERIVE_LORA,
    UseAction.USE_ACTION_EXPORT_BUNDLE,
    UseAction.USE_ACTION_REDISTRIBUTE,
)


@pytest.fixture
async def parents(place: VaultPlace) -> list[str]:
    """Return a cube of each of two packs."""
    return [(await pack_of(place, "one", A1, "bridges"))[0], (await pack_of(place, "two", A2, "rivers"))[0]]


def _asked(place: VaultPlace, action: int) -> set[str]:
    return {one.agreement for one in place.memstore.reserved.values() if one.action == action}


@pytest.mark.parametrize(("form", "action"), [("text", TEXT), ("kv", KV), ("lora", LORA)])
async def test_a_derived_cube_carries_all_licences_and_each_agreement_is_asked(
    place: VaultPlace, parents: list[str], form: str, action: int
) -> None:
    own = await place.vault("own")
    made = (await place.create(own, await made_of(place, form, own, parents))).cube
    assert agreements_of(made) == {A1, A2}
    assert _asked(place, action) == {A1, A2}
    assert {one.units.derivations for one in place.memstore.committed.values()} == {1}
    for use in (READ, INFER):
        place.memstore.reserved.clear()
        with acting_as(owner_of(place)):
            await place.internal("inference").UseCubes(api.UseCubesRequest(parent=own, names=[made.name], action=use))
        assert _asked(place, use) == {A1, A2}
        assert {one.form for one in place.memstore.reserved.values()} == {{"text": 1, "kv": 2, "lora": 3}[form]}


@pytest.mark.parametrize(("form", "action"), [("text", TEXT), ("kv", KV), ("lora", LORA)])
async def test_what_one_parent_refuses_is_not_made(
    place: VaultPlace, parents: list[str], form: str, action: int
) -> None:
    own = await place.vault("own")
    cube = await made_of(place, form, own, parents)
    place.memstore.refused[A2, action] = Reason.LICENCE_NOT_PERMITTED
    assert await reason(place.create(own, cube)) is Reason.LICENCE_NOT_PERMITTED
    assert not (await place.stub.ListCubes(api.ListCubesRequest(parent=own))).cubes
    assert not place.memstore.committed


async def test_a_merge_derives_from_every_licence_in_it(place: VaultPlace, parents: list[str]) -> None:
    own = await place.vault("own")
    made = [(await place.create(own, await made_of(place, "text", own, [parent]))).cube for parent in parents]
    merge = api.MergeCubesRequest(parent=own, names=[one.name for one in made])
    place.memstore.reserved.clear()
    place.memstore.refused[A2, TEXT] = Reason.LICENCE_NOT_PERMITTED
    assert await reason(place.stub.MergeCubes(merge)) is Reason.LICENCE_NOT_PERMITTED
    del place.memstore.refused[A2, TEXT]
    merged = (await place.stub.MergeCubes(merge)).cube
    assert _asked(place, TEXT) == agreements_of(merged) == {A1, A2}


@pytest.mark.parametrize("form", ["text", "kv", "lora"])
@pytest.mark.parametrize("action", [EXPORT, REDISTRIBUTE])
async def test_what_was_made_of_memory_that_may_not_leave_does_not_leave(
    place: VaultPlace, parents: list[str], form: str, action: int
) -> None:
    own = await place.vault("own")
    await place.create(own, await made_of(place, form, own, parents))
    place.memstore.refused[A1, action] = Reason.LICENCE_NOT_PERMITTED
    request = api.ExportCubesRequest(parent=own, action=action, onward_terms_sha256="cd" * 32, onward_listing="l")
    with acting_as(owner_of(place)):
        assert await reason(place.internal("transfer").ExportCubes(request)) is Reason.LICENCE_NOT_PERMITTED
        del place.memstore.refused[A1, action]
        async for _ in place.internal("transfer").ExportCubes(request):
            pass
    told = [one for one in place.memstore.reserved.values() if one.action == action]
    assert {one.agreement for one in told} == {A1, A2}
    assert {(one.onward_terms_sha256, one.onward_listing) for one in told} == {("cd" * 32, "l")}
    assert {tuple(one.recipients) for one in told} == ({("orgs/acme",)} if action == EXPORT else {()})


async def test_licences_are_passed_on_from_child_to_child(place: VaultPlace, parents: list[str]) -> None:
    own = await place.vault("own")
    child = (await place.create(own, await made_of(place, "text", own, parents[:1]))).cube
    grandchild = cell("a digest of digests")
    grandchild.behavioural.lineage.parents.extend([child.name, parents[1]])
    made = (await place.create(own, grandchild)).cube
    assert agreements_of(made) == {A1, A2}
    free = (await place.create(own, cell("my own words"))).cube
    assert not agreements_of(free)
    merged = await place.stub.MergeCubes(api.MergeCubesRequest(parent=own, names=[made.name, free.name]))
    assert agreements_of(merged.cube) == {A1, A2}


async def test_rewritten_text_stays_licensed_and_is_a_derivation(place: VaultPlace, parents: list[str]) -> None:
    own = await place.vault("own")
    made = (await place.create(own, await made_of(place, "text", own, parents))).cube
    place.memstore.reserved.clear()
    rewritten = cell("in other words")
    rewritten.name = made.name
    change = api.UpdateCubeRequest(cube=rewritten, update_mask=FieldMask(paths=["payload"]))
    place.memstore.refused[A1, TEXT] = Reason.LICENCE_NOT_PERMITTED
    assert await reason(place.stub.UpdateCube(change)) is Reason.LICENCE_NOT_PERMITTED
    place.memstore.refused.clear()
    place.memstore.reserved.clear()
    assert agreements_of((await place.stub.UpdateCube(change)).cube) == {A1, A2}
    assert _asked(place, TEXT) == {A1, A2}
    place.memstore.reserved.clear()
    title = Cube(name=made.name)
    title.descriptive.title = "Water"
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=title, update_mask=FieldMask(paths=["descriptive.title"])))
    assert not place.memstore.reserved


async def test_new_parents_bring_their_licences(place: VaultPlace, parents: list[str]) -> None:
    own = await place.vault("own")
    scene = (await place.create(own, cell("a scene"))).cube
    scene.behavioural.lineage.parents.extend(parents)
    request = api.UpdateCubeRequest(cube=scene, update_mask=FieldMask(paths=["behavioural.lineage"]))
    with acting_as(owner_of(place)):
        changed = (await place.internal("reader").UpdateCube(request)).cube
    assert agreements_of(changed) == {A1, A2}
    assert _asked(place, TEXT) == {A1, A2}


async def test_changes_made_as_one_carry_licences_too(place: VaultPlace, parents: list[str]) -> None:
    own = await place.vault("own")
    cube = await made_of(place, "text", own, parents)
    request = ApplyChangesRequest(parent=own, changes=[{"create": NewCube(cube=cube)}])
    place.memstore.refused[A1, TEXT] = Reason.LICENCE_NOT_PERMITTED
    assert await reason(place.stub.ApplyChanges(request)) is Reason.LICENCE_NOT_PERMITTED
    place.memstore.refused.clear()
    await place.stub.ApplyChanges(request)
    [made] = (await place.stub.ListCubes(api.ListCubesRequest(parent=own))).cubes
    assert agreements_of(made) == {A1, A2}


async def test_a_repeated_request_makes_and_counts_once(place: VaultPlace, parents: list[str]) -> None:
    own = await place.vault("own")
    request = api.CreateCubeRequest(
        parent=own, cube=await made_of(place, "text", own, parents), request_id=str(uuid.uuid4())
    )
    for _ in range(2):
        await place.stub.CreateCube(request)
    assert len(place.memstore.committed) == 2
    assert len(place.memstore.released) == 2


async def test_a_search_tells_how_much_it_found_before_it_shows_it(place: VaultPlace, parents: list[str]) -> None:
    pack = parents[0].partition("/cubes/")[0]
    own = await place.vault("own")
    await place.stub.CreateMount(api.CreateMountRequest(parent=own, mount={"vault": pack}))
    place.memstore.counted = True
    found = await search(place.stub, own, "bridges")
    assert [hit.agreement for hit in found.hits] == [A1]
    [used] = [one.units for one in place.memstore.committed.values()]
    assert (used.memories, used.bytes, used.tokens) == (1, len("bridges"), 2)
    place.memstore.most_memories = 0
    found = await search(place.stub, own, "bridges")
    assert not found.hits
    assert [one.reason for one in found.refusals] == ["LICENCE_QUOTA_EXHAUSTED"]
    direct = place.stub.SearchCubes(api.SearchCubesRequest(parent=pack, query="bridges"))
    assert await reason(direct) is Reason.LICENCE_QUOTA_EXHAUSTED


async def test_the_forms_of_all_cubes_of_a_use_are_asked_at_once(place: VaultPlace, parents: list[str]) -> None:
    own = await place.vault("own")
    text, kv = [
        (await place.create(own, await made_of(place, form, own, parents[:1]))).cube.name for form in ("text", "kv")
    ]
    place.memstore.reserved.clear()
    with acting_as(owner_of(place)):
        use = api.UseCubesRequest(parent=own, names=[text, kv], action=INFER)
        await place.internal("inference").UseCubes(use)
    [asked] = place.memstore.reserved.values()
    assert (asked.form, list(asked.further_forms), asked.units.memories) == (1, [2], 2)
    assert asked.units.tokens > 5


@pytest.mark.parametrize("form", ["text", "kv", "lora"])
async def test_a_list_leaves_out_what_its_licence_refuses_and_says_so(
    place: VaultPlace, parents: list[str], form: str
) -> None:
    own = await place.vault("own")
    free = (await place.create(own, cell("my own words"))).cube.name
    both = (await place.create(own, await made_of(place, form, own, parents))).cube.name
    one = (await place.create(own, await made_of(place, "text", own, parents[:1]))).cube.name
    full = api.ListCubesRequest(parent=own, view=CUBE_VIEW_FULL)
    assert {cube.name for cube in (await place.stub.ListCubes(full)).cubes} == {free, both, one}
    place.memstore.committed.clear()
    place.memstore.refused[A2, READ] = Reason.LICENCE_REVOKED
    found = await place.stub.ListCubes(full)
    assert {cube.name for cube in found.cubes} == {free, one}
    assert [(refusal.agreement, refusal.reason, refusal.vault) for refusal in found.refusals] == [
        (A2, "LICENCE_REVOKED", own)
    ]
    # Only what was shown is counted.
    assert [(use.agreement, use.units.memories) for use in place.memstore.committed.values()] == [(A1, 1)]
    assert len((await place.stub.ListCubes(api.ListCubesRequest(parent=own))).cubes) == 3
    refused = place.stub.GetCube(api.GetCubeRequest(name=both))
    assert await reason(refused) is Reason.LICENCE_REVOKED


async def test_a_list_of_a_pack_is_refused_as_a_whole(place: VaultPlace, parents: list[str]) -> None:
    pack = parents[0].partition("/cubes/")[0]
    place.memstore.refused[A1, READ] = Reason.LICENCE_REVOKED
    listed = place.stub.ListCubes(api.ListCubesRequest(parent=pack, view=CUBE_VIEW_FULL))
    assert await reason(listed) is Reason.LICENCE_REVOKED


async def test_no_list_gives_out_what_has_expired_whatever_its_licence_permits(
    place: VaultPlace, parents: list[str]
) -> None:
    own = await place.vault("own")
    made = await place.create(own, await made_of(place, "text", own, parents))
    await place.stub.ExpireCube(api.ExpireCubeRequest(name=made.cube.name))
    expired = CubeFilter(states=[CUBE_STATE_EXPIRED])
    for wanted in ({"filter": expired}, {"read_revision": made.revision}):
        listed = place.stub.ListCubes(api.ListCubesRequest(parent=own, view=CUBE_VIEW_FULL, **wanted))
        assert await reason(listed) is Reason.ILLEGAL_TRANSITION
