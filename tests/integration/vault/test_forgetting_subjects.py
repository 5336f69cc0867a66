"""Forgetting everything about one person, and what was made from what is forgotten."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1.cube_pb2 import Activation, AtomicFact, Cube, MemCell, Payload, Plaintext, SourceSpan
from memporium.vault.v1 import cubes_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter, Relation, Subject
from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import Reason
from memporium_services.vault.app import forgetting
from support.patience import eventually
from support.vaults import cell, document, reason, search

if TYPE_CHECKING:
    from support.vaults import VaultPlace

WHY = cubes_pb2.ForgetWhy


def _said_by(speaker: str, text: str) -> Cube:
    fact = AtomicFact(text=text, source=SourceSpan(speaker=speaker))
    return Cube(payload=Payload(plaintext=Plaintext(mem_cell=MemCell(facts=[fact]))))


async def _forget(place: VaultPlace, vault: str, **asked: object) -> api.ForgetCubesResponse:
    return await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, **asked))


async def _names(place: VaultPlace, vault: str) -> set[str]:
    listed = await place.stub.ListCubes(api.ListCubesRequest(parent=vault, filter={"states": [1, 2, 3, 4, 5]}))
    return {cube.name for cube in listed.cubes}


async def test_everything_about_a_person_goes_and_a_dry_run_says_what_and_why(place: VaultPlace) -> None:
    vault = await place.vault()
    entity = (await place.create(vault, cell("likes tea", entities=["ADA  Lovelace"]))).cube.name
    persona = (await place.create(vault, cell("plans a journey", persona="ada lovelace"))).cube.name
    said = (await place.create(vault, _said_by("Ada Lovelace", "the engine weaves patterns"))).cube.name
    mention = (await place.create(vault, document("Letters", "I wrote to Ada\nLovelace's mother"))).cube.name
    once = (await place.create(vault, cell("formerly of hers", entities=["Ada Lovelace"]))).cube.name
    cleaned = Cube(name=once)
    await place.stub.UpdateCube(
        api.UpdateCubeRequest(cube=cleaned, update_mask=FieldMask(paths=["descriptive.entities"]))
    )
    expired = (await place.create(vault, _said_by("ada lovelace", "gone by"))).cube.name
    await place.stub.ExpireCube(api.ExpireCubeRequest(name=expired))
    archived = (await place.create(vault, _said_by("Ada Lovelace", "kept cold"))).cube.name
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=archived))
    other = (await place.create(vault, cell("Adam Lovelaceson lives elsewhere", entities=["Ada"]))).cube.name

    subject = Subject(names=["ada lovelace"])
    dry = await _forget(place, vault, subject=subject, dry_run=True)
    whys = {one.name: one.why for one in dry.candidates}
    assert whys == {
        entity: WHY.FORGET_WHY_ENTITY,
        persona: WHY.FORGET_WHY_ENTITY,
        said: WHY.FORGET_WHY_SPEAKER,
        once: WHY.FORGET_WHY_ENTITY,
        expired: WHY.FORGET_WHY_SPEAKER,
        archived: WHY.FORGET_WHY_SPEAKER,
    }
    assert not dry.HasField("receipt")
    assert len(await _names(place, vault)) == 8

    subject.mentions = True
    dry = await _forget(place, vault, subject=subject, dry_run=True)
    assert {one.name: one.why for one in dry.candidates} == whys | {mention: WHY.FORGET_WHY_MENTION}
    done = await _forget(place, vault, subject=subject)
    assert done.receipt.cubes == 7
    assert not done.candidates
    assert await _names(place, vault) == {other}
    assert not (await _forget(place, vault, subject=subject, dry_run=True)).candidates
    assert {hit.cube.name for hit in (await search(place.stub, vault, "engine tea lovelace")).hits} <= {other}


async def test_a_subject_may_be_a_principal_and_a_filter_narrows_it(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("hers", tags=["work"]))
    await place.create(vault, cell("hers too", tags=["home"]))
    ann = await place.as_principal("ann")
    kept = await ann.CreateCube(api.CreateCubeRequest(parent=vault, cube=cell("of another", tags=["work"])))
    owner = Subject(names=[place.org.owner])
    dry = await _forget(place, vault, subject=owner, filter=CubeFilter(tags_any=["work"]), dry_run=True)
    assert [one.why for one in dry.candidates] == [WHY.FORGET_WHY_OWNER]
    assert (await _forget(place, vault, subject=owner)).receipt.cubes == 2
    assert await _names(place, vault) == {kept.cube.name}


async def test_a_source_takes_expired_cubes_along(place: VaultPlace) -> None:
    vault = await place.vault()
    first = (await place.create(vault, cell("one", source="mail:7"))).cube.name
    await place.create(vault, cell("two", source="mail:7"))
    await place.stub.ExpireCube(api.ExpireCubeRequest(name=first))
    assert (await _forget(place, vault, filter=CubeFilter(sources=["mail:7"]))).receipt.cubes == 2


async def test_what_was_made_from_a_forgotten_cube_goes_too(place: VaultPlace) -> None:
    vault = await place.vault()
    names = [(await place.create(vault, cell(text))).cube.name for text in ("the cat is grey", "the dog barks")]
    merged = (await place.stub.MergeCubes(api.MergeCubesRequest(parent=vault, names=names))).cube.name
    data = b"kv"
    digest = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}

    async def upload() -> object:
        yield api.UploadBlobRequest(header={"parent": vault, "digest": digest})
        yield api.UploadBlobRequest(data=data)

    await place.stub.UploadBlob(upload())
    tensor = Activation(model_fingerprint="m", source_cubes=[merged], blob=digest)
    activation = (await place.create(vault, Cube(payload=Payload(activation=tensor)))).cube.name
    scene = (await place.create(vault, cell("about animals", semantic_type=7))).cube.name
    book = (await place.create(vault, cell("a whole book"))).cube.name
    for target in (scene, book):
        relation = Relation(source=names[0], kind=5, target=target)
        await place.stub.CreateRelation(api.CreateRelationRequest(parent=vault, relation=relation))

    dry = await _forget(place, vault, names=names[:1], dry_run=True)
    assert {one.name: (one.why, one.parent) for one in dry.candidates} == {
        names[0]: (WHY.FORGET_WHY_ASKED, ""),
        merged: (WHY.FORGET_WHY_DERIVED, names[0]),
        activation: (WHY.FORGET_WHY_DERIVED, merged),
        scene: (WHY.FORGET_WHY_DERIVED, names[0]),
    }
    kept = (await _forget(place, vault, names=names[1:], derived=cubes_pb2.DERIVED_POLICY_KEEP)).receipt
    assert (kept.cubes, kept.derived, list(kept.kept_derived)) == (1, 0, sorted([merged, activation]))
    assert json.loads(kept.payload)["kept_derived"] == sorted([merged, activation])
    gone = (await _forget(place, vault, names=names[:1])).receipt
    assert (gone.cubes, gone.derived, gone.blobs) == (4, 3, 1)
    assert await _names(place, vault) == {book}


async def test_a_derived_cube_under_legal_hold_stops_the_whole_call(place: VaultPlace) -> None:
    vault = await place.vault()
    names = [(await place.create(vault, cell(text))).cube.name for text in ("the cat is grey", "the dog barks")]
    merged = (await place.stub.MergeCubes(api.MergeCubesRequest(parent=vault, names=names))).cube
    merged.governance.legal_hold = True
    merged.etag = ""
    mask = FieldMask(paths=["governance.legal_hold"])
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=merged, update_mask=mask))
    dry = await _forget(place, vault, names=names, dry_run=True)
    assert {one.name: one.refusal for one in dry.candidates} == {names[0]: "", names[1]: "", merged.name: "LEGAL_HOLD"}
    assert await reason(_forget(place, vault, names=names)) is Reason.LEGAL_HOLD
    assert await _names(place, vault) == {*names, merged.name}


async def test_near_duplicates_that_stay_are_named(place: VaultPlace) -> None:
    vault = await place.vault()
    first, second = [(await place.create(vault, cell(text))).cube.name for text in ("one", "two")]
    relation = Relation(source=second, kind=4, target=first)
    await place.stub.CreateRelation(api.CreateRelationRequest(parent=vault, relation=relation))
    request = {"names": [first], "request_id": "9f9619ff-8b86-4d01-b42d-00cf4fc964ff"}
    done = await _forget(place, vault, **request)
    assert list(done.near_duplicates) == [second]
    assert await _forget(place, vault, **request) == done


async def test_more_than_one_call_takes_is_said(place: VaultPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "MAX_FORGET_CUBES", 2)
    vault = await place.vault()
    for number in range(3):
        await place.create(vault, cell(f"note {number}", tags=["old"]))
    counts = []
    more = True
    while more:
        done = await _forget(place, vault, filter=CubeFilter(tags_any=["old"]))
        counts.append(done.receipt.cubes)
        more = done.more
    assert counts == [2, 1]


async def test_the_receipt_says_what_bundles_had_taken(place: VaultPlace) -> None:
    vault = await place.vault()
    taken, other = [(await place.create(vault, cell(text))).cube.name for text in ("taken out", "stayed in")]
    heat = (await place.stub.GetCube(api.GetCubeRequest(name=taken, view=1))).cube.behavioural.heat
    stub = place.internal("transfer")
    with acting_as(service_principal("transfer")):
        for listing in ("", "orgs/acme/listings/guide", "orgs/acme/listings/atlas"):
            request = api.ExportCubesRequest(parent=vault, names=[taken], onward_listing=listing)
            async for _ in stub.ExportCubes(request):
                pass
    assert heat == 0

    async def counted() -> dict[str, int]:
        used = (await place.stub.GetCube(api.GetCubeRequest(name=taken, view=1))).cube.behavioural
        return dict(used.use_counts) if used.use_counts.get("export") == 3 else {}

    # For whom is told by receipts alone.
    assert (await eventually(counted)).keys() <= {"export", "read"}
    done = await _forget(place, vault, names=[taken, other])
    assert (done.receipt.cubes, done.receipt.exported) == (2, 1)
    listings = ["orgs/acme/listings/atlas", "orgs/acme/listings/guide"]
    assert list(done.receipt.exported_listings) == json.loads(done.receipt.payload)["exported_listings"] == listings


async def test_a_subject_needs_names_and_goes_without_cube_names(place: VaultPlace) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("x"))).cube.name
    for wrong in (
        {"subject": Subject()},
        {"subject": Subject(names=["  "])},
        {"subject": Subject(names=["a"] * 101)},
        {"subject": Subject(names=["a"]), "names": [name]},
    ):
        assert await reason(_forget(place, vault, **wrong)) is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("José Núñez", "Jose\u0301 Nu\u0301n\u0303ez"),
        ("O'Brien", "O\u2019Brien"),
        ("Jean-Luc", "Jean\u2011Luc"),
        ("Ann", "\uff21\uff4e\uff4e"),
        ("Ada Lovelace", "Ada\u00a0Love\u00adlace\u200b"),
        ("STRASSER", "Straßer"),
        ("Ada Lovelace", "ada LOVELACE's"),
        ("Ann", "Ann\u2019s"),
    ],
)
async def test_a_name_is_found_however_its_characters_are_put(place: VaultPlace, asked: str, written: str) -> None:
    vault = await place.vault()
    mention = (await place.create(vault, cell(f"we met _{written}_ again"))).cube.name
    entity = (await place.create(vault, cell("likes tea", entities=[written]))).cube.name
    said = (await place.create(vault, _said_by(written.removesuffix("'s").removesuffix("\u2019s"), "hello"))).cube.name
    await place.create(vault, cell("we met Annabel Obrien again", entities=["Annabel"]))
    for subject in (Subject(names=[asked], mentions=True), Subject(names=[written], mentions=True)):
        dry = await _forget(place, vault, subject=subject, dry_run=True)
        found = {one.name for one in dry.candidates}
        assert found >= ({mention, entity, said} if subject.names[0] == asked else {mention})
        assert len(found) <= 3
    assert (await _forget(place, vault, subject=Subject(names=[asked]))).receipt.cubes == 2


async def test_why_a_version_was_made_counts_as_mention(place: VaultPlace) -> None:
    vault = await place.vault()
    named = (await place.create(vault, cell("likes tea"), reason="Ada told us")).cube.name
    changed = (await place.create(vault, cell("likes figs"))).cube.name
    for reason_, title in (("as Ada wished", "Figs"), ("tidied", "Fruit")):
        cube = Cube(name=changed)
        cube.descriptive.title = title
        await place.stub.UpdateCube(api.UpdateCubeRequest(cube=cube, reason=reason_))
    await place.create(vault, cell("likes rice"), reason="told by Adam")
    dry = await _forget(place, vault, subject=Subject(names=["Ada"], mentions=True), dry_run=True)
    assert {one.name: one.why for one in dry.candidates} == dict.fromkeys((named, changed), WHY.FORGET_WHY_MENTION)
    assert not (await _forget(place, vault, subject=Subject(names=["Ada"]), dry_run=True)).candidates
