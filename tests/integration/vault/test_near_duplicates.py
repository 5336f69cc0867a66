"""Near duplicates: linked a few times at most, not stored again where the vault's policy says so, merged with parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import cubes_pb2, vault_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube
from memporium_platform.errors import Reason
from support.vaults import cell, reason, search, vector

if TYPE_CHECKING:
    from support.vaults import VaultPlace

TEXT = "The committee met on Monday to discuss the annual budget of the river restoration project in detail"


async def _merging(place: VaultPlace) -> str:
    made = vault_pb2.Vault(near_duplicates=vault_pb2.NEAR_DUPLICATE_POLICY_MERGE)
    request = api.CreateVaultRequest(parent=place.org.name, vault_id="merging", vault=made)
    return str((await place.stub.CreateVault(request)).vault.name)


async def _cubes(place: VaultPlace, vault: str) -> int:
    return int((await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.usage.cubes)


async def test_what_says_nothing_new_is_not_stored_again(place: VaultPlace) -> None:
    vault = await _merging(place)
    first = await place.create(vault, cell("Ada moved to Oslo in May 2024."))
    for text in ("ada moved to OSLO in may 2024", "In May 2024, Ada moved to Oslo!", " Ada  moved to Oslo in May 2024"):
        again = await place.create(vault, cell(text))
        assert again.deduplicated
        assert again.cube.name == first.cube.name
    for text in (
        "Ada moved to Oslo in May 2025.",
        "Ada did not move to Oslo in May 2024.",
        "Ben moved to Oslo in May 2024",
    ):
        assert not (await place.create(vault, cell(text))).deduplicated
    assert await _cubes(place, vault) == 4


async def test_who_said_it_and_when_it_was_true_count(place: VaultPlace) -> None:
    vault = await _merging(place)
    for speaker, seconds in (("Ada", 1), ("Ben", 1), ("Ada", 2)):
        one = cell("I like tea")
        fact = one.payload.plaintext.mem_cell.facts[0]
        fact.source.speaker, fact.event_time.seconds = speaker, seconds
        assert not (await place.create(vault, one)).deduplicated
    private = cell("I like tea")
    private.governance.access_scope = cube_pb2.ACCESS_SCOPE_PRIVATE
    assert not (await place.create(vault, private)).deduplicated


async def test_a_batch_and_an_update_are_looked_at_too(place: VaultPlace) -> None:
    vault = await _merging(place)
    batch = await place.stub.BatchCreateCubes(
        api.BatchCreateCubesRequest(
            parent=vault,
            cubes=[NewCube(cube=cell(text)) for text in ("One thing", "one thing.", "another", "One thing")],
        )
    )
    assert [one.deduplicated for one in batch.cubes] == [False, True, False, True]
    assert len({one.cube.name for one in batch.cubes}) == 2
    changed = batch.cubes[2].cube
    changed.payload.CopyFrom(cell("A third").payload)
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=changed))
    assert (await place.create(vault, cell("a third!"))).cube.name == changed.name
    assert not (await place.create(vault, cell("Another"))).deduplicated


async def test_a_vault_that_links_stores_it_with_few_links(place: VaultPlace) -> None:
    vault = await place.vault()
    made = [await place.create(vault, cell(TEXT + "." * number), unit_vectors=[vector(1)]) for number in range(12)]
    assert not any(one.deduplicated for one in made)
    assert [len(one.near_duplicates) for one in made] == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4]
    relations = await place.stub.ListRelations(api.ListRelationsRequest(parent=vault, cube=made[-1].cube.name))
    assert [one.kind for one in relations.relations] == [cube_pb2.RELATION_KIND_NEAR_DUPLICATE] * 4


async def test_near_duplicates_merge_with_all_parents_in_the_chain(place: VaultPlace) -> None:
    vault = await place.vault()
    first = await place.create(vault, cell(f"{TEXT}. Two voted against."), unit_vectors=[vector(1)])
    second = await place.create(vault, cell(f"{TEXT}. Three voted against."), unit_vectors=[vector(1)])
    names = [first.cube.name, second.cube.name]
    request = api.MergeCubesRequest(parent=vault, names=names, reason="the same meeting")
    merged = (await place.stub.MergeCubes(request)).cube
    assert list(merged.behavioural.lineage.parents) == names
    whole = (await place.stub.GetCube(api.GetCubeRequest(name=merged.name, view=cubes_pb2.CUBE_VIEW_FULL))).cube
    texts = [fact.text for fact in whole.payload.plaintext.mem_cell.facts]
    assert texts == [f"{TEXT}. Two voted against.", f"{TEXT}. Three voted against."]
    chosen = cubes_pb2.CubeFilter(states=[cube_pb2.CUBE_STATE_ARCHIVED])
    archived = (await place.stub.ListCubes(api.ListCubesRequest(parent=vault, filter=chosen))).cubes
    assert {one.name for one in archived} == set(names)


async def test_claims_are_kept_and_found(place: VaultPlace) -> None:
    vault = await place.vault()
    one = cell("Ada lives in Oslo")
    fact = one.payload.plaintext.mem_cell.facts[0]
    fact.claims.add(subject="ada", attribute="home", value="Oslo")
    fact.trust = 0.25
    made = await place.create(vault, one)
    await place.create(vault, cell("Ben lives in Oslo"))
    for claim in ("ada", "Ada/home"):
        found = await search(place.stub, vault, "where", filter=cubes_pb2.CubeFilter(claims=[claim]))
        assert [hit.cube.name for hit in found.hits] == [made.cube.name]
        assert [(told.subject, told.value) for told in found.hits[0].unit.claims] == [("ada", "Oslo")]
        assert found.hits[0].unit.trust == 0.25
    assert not (await search(place.stub, vault, "where", filter=cubes_pb2.CubeFilter(claims=["ada/job"]))).hits


async def test_a_claim_on_nothing_and_a_trust_beyond_bounds_are_refused(place: VaultPlace) -> None:
    vault = await place.vault()
    for trust, subject, count in ((1.5, "ada", 1), (float("nan"), "ada", 1), (0.5, "", 1), (0.5, "ada", 17)):
        one = cell("Ada lives in Oslo")
        fact = one.payload.plaintext.mem_cell.facts[0]
        fact.trust = trust
        for _ in range(count):
            fact.claims.add(subject=subject, attribute="home", value="Oslo")
        assert (
            await reason(place.stub.CreateCube(api.CreateCubeRequest(parent=vault, cube=one))) is Reason.INVALID_FIELD
        )
    made = vault_pb2.Vault(trust=vault_pb2.TrustPolicy(roles={"tool": 2}))
    request = api.CreateVaultRequest(parent=place.org.name, vault_id="mistrust", vault=made)
    assert await reason(place.stub.CreateVault(request)) is Reason.INVALID_FIELD


async def test_trust_is_a_setting_of_the_vault(place: VaultPlace) -> None:
    vault = await place.vault()
    trust = vault_pb2.TrustPolicy(roles={"tool": 0.1}, sources={"https://a.example/*": 0.8})
    await place.stub.UpdateVault(api.UpdateVaultRequest(vault=vault_pb2.Vault(name=vault, trust=trust)))
    assert (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.trust == trust
