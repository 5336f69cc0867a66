from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_BASIC, CubeFilter, NewCube, Relation
from memporium_platform.errors import Reason
from support.vaults import cell, document, reason, search, vector

if TYPE_CHECKING:
    from support.vaults import VaultPlace


async def test_what_was_written_is_found_at_once_and_read_back(place: VaultPlace) -> None:
    vault = await place.vault()
    made = await place.create(vault, cell("Ada plays the violin", "Bob repairs bicycles", tags=["music"]))
    found = await search(place.stub, vault, "who repairs bicycles", explain=True)
    assert found.hits[0].unit.text == "Bob repairs bicycles"
    assert found.hits[0].cube.name == made.cube.name
    assert {leg.leg for leg in found.hits[0].legs} == {"dense", "own"}
    assert found.summary.revision >= made.revision == 1
    read = await place.stub.GetCube(api.GetCubeRequest(name=made.cube.name))
    assert [fact.text for fact in read.cube.payload.plaintext.mem_cell.facts] == [
        "Ada plays the violin",
        "Bob repairs bicycles",
    ]
    bare = await place.stub.GetCube(api.GetCubeRequest(name=made.cube.name, view=CUBE_VIEW_BASIC))
    assert not bare.cube.HasField("payload")


async def test_a_request_id_makes_a_write_happen_once(place: VaultPlace) -> None:
    vault = await place.vault()
    key = str(uuid.uuid4())
    first = await place.create(vault, cell("one"), request_id=key)
    again = await place.create(vault, cell("one"), request_id=key)
    assert (again.cube.name, again.revision, again.deduplicated) == (first.cube.name, first.revision, False)
    other = place.create(vault, cell("two"), request_id=key)
    assert await reason(other) is Reason.REQUEST_ID_REUSED


async def test_the_same_content_is_one_cube(place: VaultPlace) -> None:
    vault = await place.vault()
    first = await place.create(vault, cell("the same"))
    again = await place.create(vault, cell("the same"))
    assert again.deduplicated
    assert again.cube.name == first.cube.name
    batch = await place.stub.BatchCreateCubes(
        api.BatchCreateCubesRequest(
            parent=vault, cubes=[NewCube(cube=cell(text)) for text in ("the same", "new", "new", "newer")]
        )
    )
    assert [one.deduplicated for one in batch.cubes] == [True, False, True, False]
    assert (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.usage.cubes == 3


async def test_near_duplicates_are_linked(place: VaultPlace) -> None:
    vault = await place.vault()
    text = "the committee met on monday to discuss the annual budget of the river restoration project in detail"
    first = await place.create(vault, cell(text + " again"), unit_vectors=[vector(1)])
    second = await place.create(vault, cell(text + " again."), unit_vectors=[vector(1)])
    assert not second.deduplicated
    assert list(second.near_duplicates) == [first.cube.name]
    relations = await place.stub.ListRelations(api.ListRelationsRequest(parent=vault, cube=first.cube.name))
    assert [one.kind for one in relations.relations] == [cube_pb2.RELATION_KIND_NEAR_DUPLICATE]


async def test_what_one_persona_remembers_is_not_there_for_another(place: VaultPlace) -> None:
    parent = await place.vault()
    made = [await place.create(parent, cell("the code is 4711", persona=one)) for one in ("", "home", "work", "home")]
    assert [one.deduplicated for one in made] == [False, False, False, True]
    found = await search(place.stub, parent, "code", filter=CubeFilter(personas=["work"]))
    assert [hit.cube.name for hit in found.hits] == [made[2].cube.name]


async def test_a_batch_is_all_or_none(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("taken"), cube_id="taken")
    request = api.BatchCreateCubesRequest(
        parent=vault, cubes=[NewCube(cube=cell("fresh")), NewCube(cube=cell("other"), cube_id="taken")]
    )
    assert await reason(place.stub.BatchCreateCubes(request)) is Reason.ALREADY_EXISTS
    assert (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.usage.cubes == 1
    assert not (await search(place.stub, vault, "fresh", mode=2)).hits


async def test_update_makes_a_version_and_the_index_follows(place: VaultPlace) -> None:
    vault = await place.vault()
    made = await place.create(vault, cell("zebra crossing", tags=["old"]), cube_id="c")
    changed = cell("giraffe enclosure", tags=["new"])
    changed.name, changed.etag = made.cube.name, made.cube.etag
    mask = FieldMask(paths=["payload", "descriptive.tags"])
    update = api.UpdateCubeRequest(cube=changed, update_mask=mask, reason="moved")
    done = await place.stub.UpdateCube(update)
    assert done.cube.behavioural.version == 2
    assert list(done.cube.descriptive.tags) == ["new"]
    assert await reason(place.stub.UpdateCube(update)) is Reason.ETAG_MISMATCH
    assert [hit.unit.text for hit in (await search(place.stub, vault, "giraffe", mode=2)).hits] == ["giraffe enclosure"]
    assert not (await search(place.stub, vault, "zebra", mode=2)).hits
    old = await place.stub.GetCube(api.GetCubeRequest(name=made.cube.name, version=1))
    assert old.cube.payload.plaintext.mem_cell.facts[0].text == "zebra crossing"
    then = await place.stub.GetCube(
        api.GetCubeRequest(name=made.cube.name, read_time=made.cube.descriptive.update_time)
    )
    assert then.cube.behavioural.version == 1
    versions = (await place.stub.ListCubeVersions(api.ListCubeVersionsRequest(name=made.cube.name))).versions
    assert [(one.version, one.parent, one.change, one.reason) for one in versions] == [
        (2, 1, "update", "moved"),
        (1, 0, "create", ""),
    ]
    diff = await place.stub.DiffCubeVersions(api.DiffCubeVersionsRequest(name=made.cube.name))
    assert {one.path for one in diff.changes} == {"descriptive.tags", "payload.plaintext.mem_cell.facts"}


async def test_rollback_is_a_new_version(place: VaultPlace) -> None:
    vault = await place.vault()
    made = await place.create(vault, cell("first words"))
    changed = cell("second words")
    changed.name = made.cube.name
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask=FieldMask(paths=["payload"])))
    back = await place.stub.RollbackCube(api.RollbackCubeRequest(name=made.cube.name, version=1, reason="wrong"))
    assert back.cube.behavioural.version == 3
    assert back.cube.content_digest == made.cube.content_digest
    assert [hit.unit.text for hit in (await search(place.stub, vault, "first", mode=2)).hits] == ["first words"]


@pytest.mark.parametrize(
    ("path", "value"), [("governance.state", "x"), ("uid", "x"), ("governance.licences", "x"), ("behavioural", "x")]
)
async def test_what_belongs_to_the_platform_cannot_be_set(place: VaultPlace, path: str, value: str) -> None:
    vault = await place.vault()
    made = await place.create(vault, cell("words"))
    request = api.UpdateCubeRequest(cube=cube_pb2.Cube(name=made.cube.name), update_mask=FieldMask(paths=[path]))
    assert await reason(place.stub.UpdateCube(request)) is Reason.INVALID_FIELD


async def test_lists_are_paged_filtered_and_ordered(place: VaultPlace) -> None:
    vault = await place.vault()
    for number in range(7):
        tags = ["even"] if number % 2 == 0 else ["odd"]
        await place.create(vault, cell(f"number {number}", tags=tags), cube_id=f"n{number}")
    names, token = [], ""
    while True:
        page = await place.stub.ListCubes(
            api.ListCubesRequest(parent=vault, page_size=2, page_token=token, order="CUBE_ORDER_CREATE_TIME")
        )
        names += [cube.name.rpartition("/")[2] for cube in page.cubes]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"n{number}" for number in reversed(range(7))]
    even = await place.stub.ListCubes(api.ListCubesRequest(parent=vault, filter=CubeFilter(tags_all=["even"])))
    assert len(even.cubes) == 4
    page = await place.stub.ListCubes(api.ListCubesRequest(parent=vault, page_size=2))
    other = api.ListCubesRequest(parent=vault, page_token=page.next_page_token, filter=CubeFilter(tags_any=["odd"]))
    assert await reason(place.stub.ListCubes(other)) is Reason.INVALID_PAGE_TOKEN
    tags = await place.stub.ListTags(api.ListTagsRequest(parent=vault))
    assert [(one.tag, one.cubes) for one in tags.tags] == [("even", 4), ("odd", 3)]


async def test_relations(place: VaultPlace) -> None:
    vault = await place.vault()
    a, b = [(await place.create(vault, cell(text))).cube.name for text in ("a thing", "another thing")]
    relation = Relation(source=a, target=b, kind=cube_pb2.RELATION_KIND_SUPERSEDES, note="newer")
    made = await place.stub.CreateRelation(api.CreateRelationRequest(parent=vault, relation=relation))
    listed = await place.stub.ListRelations(api.ListRelationsRequest(parent=vault, cube=b))
    assert [(one.source, one.note) for one in listed.relations] == [(a, "newer")]
    await place.stub.DeleteRelation(api.DeleteRelationRequest(name=made.relation.name))
    assert not (await place.stub.ListRelations(api.ListRelationsRequest(parent=vault))).relations


async def test_merge_keeps_its_parents(place: VaultPlace) -> None:
    vault = await place.vault()
    names = [(await place.create(vault, cell(text, "shared fact"))).cube.name for text in ("red apple", "green pear")]
    merged = await place.stub.MergeCubes(api.MergeCubesRequest(parent=vault, names=names, reason="alike"))
    assert merged.cube.governance.state == cube_pb2.CUBE_STATE_MERGED
    assert list(merged.cube.behavioural.lineage.parents) == names
    read = await place.stub.GetCube(api.GetCubeRequest(name=merged.cube.name))
    facts = [fact.text for fact in read.cube.payload.plaintext.mem_cell.facts]
    assert facts == ["red apple", "shared fact", "green pear"]
    hits = (await search(place.stub, vault, "apple", mode=2)).hits
    assert [hit.cube.name for hit in hits] == [merged.cube.name]
    parent = await place.stub.GetCube(api.GetCubeRequest(name=names[0], view=CUBE_VIEW_BASIC))
    assert parent.cube.governance.state == cube_pb2.CUBE_STATE_ARCHIVED


async def test_documents_are_found_by_passage(place: VaultPlace) -> None:
    vault = await place.vault()
    text = "\n\n".join(f"Paragraph {n}. " + f"filler{n} " * 60 for n in range(6)) + "\n\nThe needle is in the haystack."
    await place.create(vault, document("Farming", text))
    hits = (await search(place.stub, vault, "needle haystack", mode=2, group_by_cube=True)).hits
    assert len(hits) == 1
    assert "needle" in hits[0].unit.text
    assert hits[0].unit.ordinal > 0


async def test_quota(place: VaultPlace) -> None:
    vault = await place.vault(quota={"max_cubes": 1})
    await place.create(vault, cell("one"))
    assert await reason(place.create(vault, cell("two"))) is Reason.QUOTA_EXCEEDED


async def test_read_only_vaults_refuse_changes(place: VaultPlace) -> None:
    vault = await place.vault()
    made = await place.create(vault, cell("one"))
    await place.stub.UpdateVault(
        api.UpdateVaultRequest(vault={"name": vault, "read_only": True}, update_mask=FieldMask(paths=["read_only"]))
    )
    assert await reason(place.create(vault, cell("two"))) is Reason.VAULT_READ_ONLY
    forget = api.ForgetCubesRequest(parent=vault, names=[made.cube.name])
    assert await reason(place.stub.ForgetCubes(forget)) is Reason.VAULT_READ_ONLY
