from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Vector
from memporium_platform.errors import Reason
from support.vaults import DIMENSIONS, cell, reason, search

if TYPE_CHECKING:
    from support.vaults import VaultPlace


def _axis(number: int) -> Vector:
    values = np.zeros(DIMENSIONS, np.float32)
    values[number] = 1.0
    return Vector(values=values.tolist())


async def _texts(place: VaultPlace, vault: str, query: str, **asked: object) -> list[str]:
    return [hit.unit.text for hit in (await search(place.stub, vault, query, **asked)).hits]


async def test_every_filter_narrows_before_ranking(place: VaultPlace) -> None:
    vault = await place.vault()
    wanted = cell(
        "the common words here", tags=["a", "b"], entities=["Ada"], source="book", persona="work", language="en"
    )
    wanted.descriptive.semantic_type = cube_pb2.SEMANTIC_TYPE_FACT
    wanted.descriptive.origin = cube_pb2.ORIGIN_USER_INPUT
    wanted.descriptive.event_time.FromSeconds(1_000)
    wanted.governance.priority = 7
    wanted.governance.sensitivity_labels.append("pii")
    wanted.payload.plaintext.mem_cell.facts[0].role = "user"
    name = (await place.create(vault, wanted, cube_id="wanted")).cube.name
    for number in range(30):
        await place.create(vault, cell(f"the common words here {number}", tags=["other"]))
    owner = f"{place.org.name}/principals/owner"
    filters = [
        {"tags_all": ["a", "b"]},
        {"tags_any": ["b", "zz"]},
        {"tags_none": ["other"]},
        {"entities": ["Ada"]},
        {"sources": ["book"]},
        {"personas": ["work"]},
        {"languages": ["en"]},
        {"semantic_types": [cube_pb2.SEMANTIC_TYPE_FACT]},
        {"origins": [cube_pb2.ORIGIN_USER_INPUT]},
        {"roles": ["user"]},
        {"labels_any": ["pii"]},
        {"min_priority": 5},
        {"event_time_min": {"seconds": 999}, "event_time_max": {"seconds": 1001}},
        {"names": [name]},
        {"owners": [owner], "tags_any": ["a"]},
        {"states": [cube_pb2.CUBE_STATE_GENERATED, cube_pb2.CUBE_STATE_ACTIVATED], "tags_any": ["a"]},
        {"forms": [cube_pb2.MEMORY_FORM_PLAINTEXT], "tiers": [cube_pb2.STORAGE_TIER_HOT], "tags_any": ["a"]},
        {"access_scopes": [cube_pb2.ACCESS_SCOPE_SHARED], "tags_any": ["a"]},
    ]
    for chosen in filters:
        for mode in (1, 2, 3, 4):
            hits = (await search(place.stub, vault, "common words", filter=chosen, mode=mode)).hits
            assert [hit.cube.name for hit in hits] == [name], (chosen, mode)
    for nothing in (
        {"tags_all": ["a", "other"]},
        {"create_time_max": {"seconds": 1}},
        {"agreements": ["orgs/x/agreements/y"]},
    ):
        assert not (await search(place.stub, vault, "common words", filter=nothing)).hits
    assert len((await search(place.stub, vault, "common words", filter={"labels_none": ["pii"]}, limit=100)).hits) == 30


async def test_modes_use_their_legs(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("alpha tiger", context="jungle surroundings"), unit_vectors=[_axis(0)])
    await place.create(vault, cell("beta lion", context="savanna surroundings"), unit_vectors=[_axis(1)])
    assert await _texts(place, vault, "tiger", mode=2) == ["alpha tiger"]
    assert await _texts(place, vault, "savanna", mode=2) == ["beta lion"]
    assert (await _texts(place, vault, "", mode=3, query_vector=_axis(1)))[0] == "beta lion"
    found = await search(place.stub, vault, "tiger", mode=4, query_vector=_axis(1), explain=True)
    legs = {leg.leg: leg for leg in found.hits[0].legs}
    assert set(legs) == {"dense", "own", "context"}
    assert found.summary.weights.dense == pytest.approx(0.4)
    assert found.summary.embed_us == 0
    both = {hit.unit.text: {leg.leg: leg.score for leg in hit.legs} for hit in found.hits}
    assert both["alpha tiger"]["dense"] == pytest.approx(0.0, abs=1e-3)
    assert both["beta lion"]["dense"] == pytest.approx(1.0, abs=1e-3)
    only_text = await search(place.stub, vault, "tiger", query_vector=_axis(1), weights={"own": 1.0}, explain=True)
    assert only_text.hits[0].unit.text == "alpha tiger"


async def test_units_are_grouped_by_cube(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("red fish", "blue fish", "green fish"))
    await place.create(vault, cell("old fish"))
    assert len((await search(place.stub, vault, "fish", mode=2)).hits) == 4
    grouped = (await search(place.stub, vault, "fish", mode=2, group_by_cube=True)).hits
    assert len(grouped) == 2
    assert sum(len(hit.more_units) for hit in grouped) == 2


async def test_private_cubes_are_their_owners_alone(place: VaultPlace) -> None:
    vault = await place.vault()
    secret = cell("my secret diary entry", tags=["diary"])
    secret.governance.access_scope = cube_pb2.ACCESS_SCOPE_PRIVATE
    name = (await place.create(vault, secret)).cube.name
    await place.create(vault, cell("a public diary entry", tags=["diary"]))
    other = await place.as_principal("eve")
    assert len((await search(place.stub, vault, "diary entry", mode=2)).hits) == 2
    for mode in (1, 2, 3, 4):
        hits = (await search(other, vault, "secret diary entry", mode=mode)).hits
        assert name not in [hit.cube.name for hit in hits]
        assert len(hits) == 1
    assert len((await other.ListCubes(api.ListCubesRequest(parent=vault))).cubes) == 1
    tags = (await other.ListTags(api.ListTagsRequest(parent=vault))).tags
    assert [(one.tag, one.cubes) for one in tags] == [("diary", 1)]
    for call in (
        other.GetCube(api.GetCubeRequest(name=name)),
        other.BatchGetCubes(api.BatchGetCubesRequest(parent=vault, names=[name])),
        other.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[name])),
        other.ArchiveCube(api.ArchiveCubeRequest(name=name)),
        other.ListCubeVersions(api.ListCubeVersionsRequest(name=name)),
    ):
        assert await reason(call) is Reason.PERMISSION_DENIED
    same = cell("my secret diary entry", tags=["diary"])
    made = await other.CreateCube(api.CreateCubeRequest(parent=vault, cube=same))
    assert not made.deduplicated


@pytest.mark.parametrize(
    "asked",
    [
        {"query": ""},
        {"query": "x" * 9000},
        {"query": "x", "limit": -1},
        {"query": "x", "weights": {"dense": -1.0}},
        {"query": "x", "query_vector": Vector(values=[float("nan")] * DIMENSIONS)},
    ],
)
async def test_wrong_searches_are_refused(place: VaultPlace, asked: dict[str, object]) -> None:
    vault = await place.vault()
    assert await reason(place.stub.SearchCubes(api.SearchCubesRequest(parent=vault, **asked))) is Reason.INVALID_FIELD


@pytest.mark.parametrize("count", [0, 2])
async def test_vectors_must_fit_the_units(place: VaultPlace, count: int) -> None:
    vault = await place.vault()
    await place.create(vault, cell("first"))
    wrong = [_axis(0)] * 2 if count == 2 else [Vector(values=[1.0, 2.0])]
    assert await reason(place.create(vault, cell("one unit"), unit_vectors=wrong)) is Reason.INVALID_FIELD


async def test_tenants_get_their_own_best_however_many_there_are(place: VaultPlace) -> None:
    vaults = [await place.vault(f"t{number}") for number in range(8)]
    for number, vault in enumerate(vaults):
        cubes = [NewCube(cube=cell(f"shared topic item {n} of {number}")) for n in range(12)]
        await place.stub.BatchCreateCubes(api.BatchCreateCubesRequest(parent=vault, cubes=cubes))
    for vault in vaults:
        hits = (await search(place.stub, vault, "shared topic", limit=10)).hits
        assert len(hits) == 10
        assert all(hit.cube.name.startswith(vault + "/") for hit in hits)


async def test_the_index_is_rebuilt_when_it_is_lost(place: VaultPlace) -> None:
    vault = await place.vault()
    for number in range(5):
        await place.create(vault, cell(f"durable note {number}", context="around it"))
    before = await search(place.stub, vault, "durable note 3", explain=True)
    uid = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.uid
    place.platform.kernel.indexes.destroy(uid)
    after = await search(place.stub, vault, "durable note 3", explain=True)
    assert [(hit.cube.name, hit.score) for hit in after.hits] == [(hit.cube.name, hit.score) for hit in before.hits]
