"""Several changes of a vault in one call: all or none, once, each with its own right."""

from __future__ import annotations

import asyncio
import uuid

import grpc
import pytest

from memporium.cube.v1 import cube_pb2
from memporium.cube.v1.cube_pb2 import CUBE_STATE_ARCHIVED, RELATION_KIND_RELATED, Cube, Descriptive
from memporium.vault.v1 import changes_pb2 as pb
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Relation
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.vaults import cell, reason, search


def create(cube_id, *facts, **told):
    return pb.Change(create=NewCube(cube_id=cube_id, cube=cell(*facts, **told)))


def archive(name):
    return pb.Change(archive=pb.CubeArchival(name=name))


def tag(name, *add, remove=()):
    return pb.Change(tag=pb.CubeTagging(name=name, add=add, remove=remove))


def title(name, text, etag=""):
    return pb.Change(update=pb.CubeUpdate(cube=Cube(name=name, etag=etag, descriptive=Descriptive(title=text))))


def forget(*names):
    return pb.Change(forget=pb.CubeForgetting(names=names))


def merge(cube_id, *names):
    return pb.Change(merge=pb.CubeMerging(names=names, cube_id=cube_id))


async def apply(place, parent, *changes, request_id=""):
    request = pb.ApplyChangesRequest(parent=parent, changes=changes, reason="test", request_id=request_id)
    return await place.stub.ApplyChanges(request)


async def shown(place, parent):
    """Return state, tags and title of all cubes by id, archived ones too."""
    page = await place.stub.ListCubes(api.ListCubesRequest(parent=parent, page_size=1000))
    return {
        cube.name.rsplit("/", 1)[1]: (
            cube_pb2.CubeState.Name(cube.governance.state)[11:],
            sorted(cube.descriptive.tags),
            cube.descriptive.title,
        )
        for cube in page.cubes
    }


@pytest.fixture
async def filled(place):
    """A vault with five cubes."""
    parent = await place.vault()
    facts = ("the boat is green", "the shed leaks", "rice is in the jar", "Ana plays the oboe", "the key hangs left")
    await apply(place, parent, *(create(f"c{n}", fact) for n, fact in enumerate(facts)))
    place.parent = parent
    place.name = lambda cube_id: f"{parent}/cubes/{cube_id}"
    return place


def everything(place):
    """One change of each kind."""
    relation = Relation(source=place.name("new"), kind=RELATION_KIND_RELATED, target=place.name("c0"))
    return [
        archive(place.name("c0")),
        create("new", "the harbour closes at nine"),
        pb.Change(relate=relation),
        title(place.name("c1"), "Shed"),
        tag(place.name("c1"), "house"),
        merge("both", place.name("c2"), place.name("c3")),
        forget(place.name("c4")),
    ]


async def test_each_kind_of_change_is_made_and_found_at_once(filled):
    answer = await apply(filled, filled.parent, *everything(filled))
    states = await shown(filled, filled.parent)
    assert states["c0"][0] == states["c2"][0] == states["c3"][0] == "ARCHIVED"
    assert states["c1"] == ("GENERATED", ["house"], "Shed")
    assert states["both"][0] == "MERGED"
    assert "c4" not in states
    kinds = [bool(one.cube or one.relation or one.receipts) for one in answer.results]
    assert kinds == [True] * 7
    assert answer.results[6].receipts[0].cubes == 1
    for query, wanted in (("harbour closes", "new"), ("oboe", "both"), ("boat green", None), ("key hangs", None)):
        found = [hit.cube.name.rsplit("/", 1)[1] for hit in (await search(filled.stub, filled.parent, query)).hits]
        gone = {"boat green": "c0", "key hangs": "c4"}.get(query)
        assert wanted in found if wanted else gone not in found
    relations = await filled.stub.ListRelations(api.ListRelationsRequest(parent=filled.parent, cube=filled.name("new")))
    assert [one.target for one in relations.relations] == [filled.name("c0")]
    versions = await filled.stub.ListCubeVersions(api.ListCubeVersionsRequest(name=filled.name("c1")))
    assert [one.version for one in versions.versions] == [2, 1]


@pytest.mark.parametrize("place_of_fault", range(8))
async def test_where_one_change_fails_none_is_made(filled, place_of_fault):
    before = await shown(filled, filled.parent)
    changes = everything(filled)
    changes.insert(place_of_fault, archive(filled.name("none")))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(filled, filled.parent, *changes)
    assert reason_of(caught.value).reason is Reason.NOT_FOUND
    assert await shown(filled, filled.parent) == before
    assert len((await search(filled.stub, filled.parent, "oboe")).hits) == len(before)


async def test_a_repeat_answers_the_same_and_does_nothing_again(filled):
    request_id = str(uuid.uuid4())
    first = await apply(filled, filled.parent, *everything(filled), request_id=request_id)
    states = await shown(filled, filled.parent)
    again = await apply(filled, filled.parent, *everything(filled), request_id=request_id)
    assert again == first
    assert await shown(filled, filled.parent) == states
    refused = apply(filled, filled.parent, *everything(filled)[:2], request_id=request_id)
    assert await reason(refused) is Reason.REQUEST_ID_REUSED


async def test_readers_never_see_a_part(filled):
    """While 20 sets each archive one cube and make one, the number of live cubes is the same at every moment."""
    counts, done = set(), asyncio.Event()

    async def look():
        while not done.is_set():
            states = await shown(filled, filled.parent)
            counts.add(sum(state != "ARCHIVED" for state, _, _ in states.values()))

    looking = [asyncio.create_task(look()) for _ in range(3)]
    last = "c0"
    for number in range(20):
        await apply(
            filled, filled.parent, create(f"n{number}", f"note number {number} of many"), archive(filled.name(last))
        )
        last = f"n{number}"
    done.set()
    await asyncio.gather(*looking)
    assert counts == {5}


async def test_labels_that_others_add_meanwhile_stay(filled):
    await asyncio.gather(*(apply(filled, filled.parent, tag(filled.name("c0"), f"t{n}")) for n in range(6)))
    assert (await shown(filled, filled.parent))["c0"][1] == [f"t{n}" for n in range(6)]


async def test_an_etag_guards_content(filled):
    stale = (await filled.stub.GetCube(api.GetCubeRequest(name=filled.name("c0")))).cube.etag
    await apply(filled, filled.parent, title(filled.name("c0"), "First"))
    refused = apply(
        filled, filled.parent, create("x", "a thing that is new"), title(filled.name("c0"), "Second", stale)
    )
    assert await reason(refused) is Reason.ETAG_MISMATCH
    assert "x" not in await shown(filled, filled.parent)


async def test_a_new_cube_that_is_known_already_stands_for_itself_in_relations(filled):
    relation = Relation(source=filled.name("twin"), kind=RELATION_KIND_RELATED, target=filled.name("c1"))
    answer = await apply(filled, filled.parent, create("twin", "the boat is green"), pb.Change(relate=relation))
    assert (answer.results[0].cube, answer.results[0].deduplicated) == (filled.name("c0"), True)
    page = await filled.stub.ListRelations(api.ListRelationsRequest(parent=filled.parent, cube=filled.name("c1")))
    assert [one.source for one in page.relations] == [filled.name("c0")]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda _: [pb.Change()], "changes[0]"),
        (lambda p: [create("a", "one fact here"), merge("m", p.name("c0"))], "names"),
        (lambda p: [tag(p.name("c0"), "x"), merge("m", p.name("c0"), p.name("c1"))], "changes[1].merge.names"),
        (lambda p: [merge("m", p.name("c0"), p.name("c1")), merge("n", p.name("c1"), p.name("c2"))],
         "changes[1].merge.names"),
        (lambda _: [forget("orgs/acme/vaults/other/cubes/c0")], "changes[0].forget.names[0]"),
        (lambda _: [create("UPPER", "one fact here")], "changes[0].create.cube_id"),
    ],
)  # fmt: skip
async def test_malformed_sets_are_refused_with_the_field(filled, make, field):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(filled, filled.parent, *make(filled))
    error = reason_of(caught.value)
    assert error.reason is Reason.INVALID_FIELD
    assert error.fields[0].field == field


async def test_forgetting_reaches_branches_in_the_same_transaction(filled):
    request = api.CreateVaultRequest(parent="orgs/acme", vault_id="branch", branch_of=filled.parent)
    branch = (await filled.stub.CreateVault(request)).vault.name
    answer = await apply(filled, filled.parent, forget(filled.name("c4")))
    assert [one.vault for one in answer.results[0].receipts] == [filled.parent, branch]
    assert "c4" not in await shown(filled, branch)


async def test_an_archived_cube_stays_and_a_frozen_one_refuses(filled):
    await apply(filled, filled.parent, archive(filled.name("c0")))
    before = await shown(filled, filled.parent)
    await apply(filled, filled.parent, archive(filled.name("c0")))
    assert await shown(filled, filled.parent) == before
    assert before["c0"][0] == cube_pb2.CubeState.Name(CUBE_STATE_ARCHIVED)[11:]
    await filled.stub.FreezeCube(api.FreezeCubeRequest(name=filled.name("c1")))
    assert await reason(apply(filled, filled.parent, archive(filled.name("c1")))) is Reason.CUBE_FROZEN
    found = await filled.stub.GetCube(api.GetCubeRequest(name=filled.name("c0")))
    assert found.cube.payload.plaintext.mem_cell.facts[0].text == "the boat is green"
