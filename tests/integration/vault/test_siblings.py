"""A cube of a call that names another of the same call: by the name that the vault keeps that one under."""

from __future__ import annotations

import uuid

import pytest

from memporium.cube.v1.cube_pb2 import ORIGIN_INFERENCE_EXTRACTION, RELATION_KIND_RELATED
from memporium.vault.v1 import changes_pb2 as pb
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Relation
from memporium_platform.errors import Reason
from memporium_services.vault.app import creating
from support.vaults import cell, reason

BOAT, SHED, MADE = "the boat is green", "the shed leaks", "the green boat is in the leaking shed"


def new(place, parent, cube_id, fact, *, of=(), **told):
    """Return a new cube that says it was made of others, by their ids."""
    cube = cell(fact, **(told | ({"origin": ORIGIN_INFERENCE_EXTRACTION} if of else {})))
    cube.behavioural.lineage.parents.extend(f"{parent}/cubes/{one}" for one in of)
    return NewCube(cube_id=cube_id, cube=cube)


def create(*args, **told):
    return pb.Change(create=new(*args, **told))


async def apply(place, parent, *changes, request_id=""):
    return await place.stub.ApplyChanges(pb.ApplyChangesRequest(parent=parent, changes=changes, request_id=request_id))


async def batch(place, parent, *cubes, request_id=""):
    return await place.stub.BatchCreateCubes(
        api.BatchCreateCubesRequest(parent=parent, cubes=cubes, request_id=request_id)
    )


async def ids(place, parent):
    page = await place.stub.ListCubes(api.ListCubesRequest(parent=parent, page_size=100))
    return {cube.name.rpartition("/")[2] for cube in page.cubes}


async def made_of(place, parent, cube_id):
    answer = await place.stub.GetCube(api.GetCubeRequest(name=f"{parent}/cubes/{cube_id}"))
    return [name.rpartition("/")[2] for name in answer.cube.behavioural.lineage.parents]


async def forget(place, parent, cube_id):
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=parent, names=[f"{parent}/cubes/{cube_id}"]))


async def written(place, parent, how, *news, request_id=""):
    """Make cubes by one method or the other; return the ids that they have."""
    if how == "batch":
        answer = await batch(place, parent, *news, request_id=request_id)
        return [one.cube.name.rpartition("/")[2] for one in answer.cubes]
    answer = await apply(place, parent, *(pb.Change(create=one) for one in news), request_id=request_id)
    return [one.cube.rpartition("/")[2] for one in answer.results]


@pytest.mark.parametrize("how", ["batch", "apply"])
async def test_a_sibling_that_is_there_already_is_named_as_it_is_kept(place, how):
    parent = await place.vault()
    await batch(place, parent, new(place, parent, "held", BOAT))
    made = new(place, parent, "made", MADE, of=["first"])
    await batch(place, parent, new(place, parent, "other", SHED))
    unnamed = new(place, parent, "", SHED)
    request_id = str(uuid.uuid4())
    for _ in range(2):
        kept = await written(
            place, parent, how, made, new(place, parent, "first", BOAT), unnamed, request_id=request_id
        )
        assert kept == ["made", "held", "other"]
        assert await made_of(place, parent, "made") == ["held"]
    await forget(place, parent, "held")
    assert await ids(place, parent) == {"other"}


@pytest.mark.parametrize("how", ["batch", "apply"])
async def test_of_two_equal_siblings_the_first_is_named(place, how):
    parent = await place.vault()
    first, second = new(place, parent, "first", BOAT), new(place, parent, "second", BOAT)
    made = new(place, parent, "made", MADE, of=["first", "second"])
    assert await written(place, parent, how, first, second, made) == ["first", "first", "made"]
    assert await made_of(place, parent, "made") == ["first"]
    await forget(place, parent, "first")
    assert await ids(place, parent) == set()


async def test_new_parents_and_merged_ones_are_named_as_they_are_kept(place):
    """Services say what they rewrite and merge is made of."""
    parent = await place.vault()
    await batch(
        place, parent, new(place, parent, "held", BOAT), new(place, parent, "a", SHED), new(place, parent, "b", "rice")
    )
    given = new(place, parent, "", MADE, of=["first"]).cube
    merge = pb.CubeMerging(names=[f"{parent}/cubes/a", f"{parent}/cubes/b"], cube_id="one", cube=given)
    await apply(place, parent, pb.Change(merge=merge), create(place, parent, "first", BOAT))
    assert "first" not in await made_of(place, parent, "one")


async def test_a_relation_of_two_equal_cubes_says_nothing(place):
    parent = await place.vault()
    ends = {"source": f"{parent}/cubes/first", "target": f"{parent}/cubes/second"}
    related = pb.Change(relate=Relation(kind=RELATION_KIND_RELATED, **ends))
    made = await apply(
        place, parent, create(place, parent, "first", BOAT), create(place, parent, "second", BOAT), related
    )
    assert [one.relation for one in made.results] == ["", "", ""]
    found = await place.stub.ListRelations(api.ListRelationsRequest(parent=parent))
    assert not found.relations


async def test_what_the_same_call_forgets_stands_for_nothing(place):
    """Else the fact that was to be written anew would be gone for good."""
    parent = await place.vault()
    await batch(place, parent, new(place, parent, "held", BOAT))
    gone = pb.Change(forget=pb.CubeForgetting(names=[f"{parent}/cubes/held"]))
    call = apply(place, parent, create(place, parent, "fresh", BOAT), gone)
    assert await reason(call) == Reason.INVALID_FIELD
    assert await ids(place, parent) == {"held"}
    await apply(place, parent, create(place, parent, "fresh", SHED), gone)
    assert await ids(place, parent) == {"fresh"}


async def test_a_sibling_is_looked_up_again_where_its_stand_in_goes_meanwhile(place, monkeypatch):
    """The names are those of the transaction that writes, not those of the try before it."""
    parent = await place.vault()
    await batch(place, parent, new(place, parent, "held", BOAT))
    plain, tries = creating.renamed, []

    def noted(vault, news, stands):
        tries.append(dict(stands))
        return plain(vault, news, stands)

    monkeypatch.setattr(creating, "renamed", noted)
    await batch(place, parent, new(place, parent, "first", BOAT), new(place, parent, "made", MADE, of=["first"]))
    assert tries == [{}, {f"{parent}/cubes/first": f"{parent}/cubes/held"}]
