"""What an import brings names its parents as the vault keeps them, so that forgetting finds what was made of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from memporium.cube.v1.cube_pb2 import ORIGIN_CONVERSION, Cube
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_FULL, PortableCube
from memporium_platform.call import acting_as
from memporium_platform.errors import Reason
from memporium_services.vault.app import transfer_streams
from support.licensed import made_of as of_form
from support.licensed import owner_of
from support.vaults import cell, reason, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from support.vaults import VaultPlace


def named(vault: str, cube_id: str, text: str, *parents: str) -> Cube:
    """Return a cube as a bundle brings it, made of others of the bundle."""
    cube = cell(text, origin=ORIGIN_CONVERSION) if parents else cell(text)
    cube.name = f"{vault}/cubes/{cube_id}"
    cube.behavioural.lineage.parents.extend(f"{vault}/cubes/{parent}" for parent in parents)
    return cube


async def take_in(
    place: VaultPlace, vault: str, *batches: Sequence[Cube], replace: bool = False, request_id: str = ""
) -> api.ImportCubesResponse:
    async def messages() -> AsyncIterator[api.ImportCubesRequest]:
        header = api.ImportCubesHeader(parent=vault, replace=replace, request_id=request_id)
        yield api.ImportCubesRequest(header=header)
        for batch in batches:
            cubes = [PortableCube(cube=cube) for cube in batch]
            yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=cubes))
        yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=sum(map(len, batches))))

    with acting_as(owner_of(place)):
        done: api.ImportCubesResponse = await place.internal("transfer").ImportCubes(messages())
        return done


async def held(place: VaultPlace, vault: str) -> dict[str, Cube]:
    """Return the cubes of a vault by what they say."""
    listed = (await place.stub.ListCubes(api.ListCubesRequest(parent=vault, view=CUBE_VIEW_FULL))).cubes
    return {cube.payload.plaintext.mem_cell.facts[0].text: cube for cube in listed}


async def forget(place: VaultPlace, vault: str, name: str) -> None:
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[name]))


@pytest.mark.parametrize("child_first", [False, True])
async def test_children_of_a_duplicate_go_with_the_cube_that_holds_it(place: VaultPlace, child_first: bool) -> None:
    vault = await place.vault()
    here = (await place.create(vault, cell("it rains"))).cube.name
    batches = [[named(vault, "p", "it rains")], [named(vault, "c", "wet", "p"), named(vault, "g", "floods", "c")]]
    done = await take_in(place, vault, *(batches[::-1] if child_first else batches))
    assert (done.imported, done.deduplicated) == (2, 1)
    found = await held(place, vault)
    assert found["wet"].behavioural.lineage.parents == [here]
    assert found["floods"].behavioural.lineage.parents == [f"{vault}/cubes/c"]
    await forget(place, vault, here)
    assert await held(place, vault) == {}


@pytest.mark.parametrize("child_first", [False, True])
async def test_children_of_a_cube_whose_id_is_taken_are_those_of_its_new_one(
    place: VaultPlace, child_first: bool
) -> None:
    vault = await place.vault()
    other = (await place.create(vault, cell("it snows"), cube_id="p")).cube.name
    batch = [named(vault, "p", "it rains"), named(vault, "c", "wet", "p")]
    done = await take_in(place, vault, batch[::-1] if child_first else batch)
    assert done.imported == 2
    found = await held(place, vault)
    assert found["wet"].behavioural.lineage.parents == [found["it rains"].name]
    before = {text: cube.name for text, cube in found.items()}
    again = await take_in(place, vault, [named(vault, "p", "it rains"), named(vault, "c", "wet", "p")])
    assert (again.imported, again.deduplicated) == (0, 2)
    assert {text: cube.name for text, cube in (await held(place, vault)).items()} == before
    # What was there under the name has nothing to do with it.
    await forget(place, vault, other)
    assert set(await held(place, vault)) == {"it rains", "wet"}
    await forget(place, vault, found["it rains"].name)
    assert await held(place, vault) == {}


@pytest.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VaultPlace]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with vault_place(tmp_path / "data", database_url=url) as found:
        yield found


async def test_two_packs_that_share_a_cube_share_its_forgetting(both: VaultPlace) -> None:
    place = both
    vault = await place.vault()
    await take_in(place, vault, [named(vault, "p1", "it rains"), named(vault, "c", "wet", "p1")])
    await take_in(place, vault, [named(vault, "p2", "it rains"), named(vault, "c", "puddles", "p2")])
    found = await held(place, vault)
    assert found["puddles"].behavioural.lineage.parents == [f"{vault}/cubes/p1"]
    await forget(place, vault, f"{vault}/cubes/p1")
    assert await held(place, vault) == {}


async def test_a_new_release_that_gives_a_cube_another_id_names_the_one_that_stays(place: VaultPlace) -> None:
    vault = await place.vault()
    await take_in(place, vault, [named(vault, "p1", "it rains")], replace=True)
    done = await take_in(place, vault, [named(vault, "c", "wet", "p2"), named(vault, "p2", "it rains")], replace=True)
    assert (done.imported, done.deduplicated, done.removed) == (1, 1, 0)
    assert (await held(place, vault))["wet"].behavioural.lineage.parents == [f"{vault}/cubes/p1"]


async def test_tensors_made_of_a_duplicate_go_with_it(place: VaultPlace) -> None:
    vault = await place.vault()
    here = (await place.create(vault, cell("it rains"))).cube.name
    kv = await of_form(place, "kv", vault, [f"{vault}/cubes/p"])
    kv.name = f"{vault}/cubes/kv"
    digest = hashlib.sha256(kv.payload.SerializeToString(deterministic=True)).hexdigest()
    await take_in(place, vault, [kv, named(vault, "p", "it rains")])
    listed = {one.name: one for one in (await place.stub.ListCubes(api.ListCubesRequest(parent=vault))).cubes}
    kept = listed[f"{vault}/cubes/kv"]
    assert list(kept.behavioural.lineage.parents) == [here]
    assert kept.content_digest.endswith(digest)
    await forget(place, vault, here)
    assert not (await place.stub.ListCubes(api.ListCubesRequest(parent=vault))).cubes


async def test_a_parent_forgotten_during_the_import_is_not_survived(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = await place.vault()
    here = (await place.create(vault, cell("it rains"))).cube.name
    publishing = transfer_streams.TransferStreams._publish

    async def then_published(self: transfer_streams.TransferStreams, *arguments: Any, **more: Any) -> Any:
        with acting_as(owner_of(place)):
            await place.internal("reader").ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[here]))
        return await publishing(self, *arguments, **more)

    bundle = [named(vault, "p", "it rains"), named(vault, "c", "wet", "p")]
    with monkeypatch.context() as racing:
        racing.setattr(transfer_streams.TransferStreams, "_publish", then_published)
        assert await reason(take_in(place, vault, bundle)) is Reason.CONFLICT
    assert await held(place, vault) == {}
    assert (await take_in(place, vault, bundle)).imported == 2
    await forget(place, vault, f"{vault}/cubes/p")
    assert await held(place, vault) == {}
