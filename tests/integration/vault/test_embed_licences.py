"""Licensed text that another model would embed than its pack was made with: the licence is asked, for each way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memporium.cube.v1.cube_pb2 import LicenceReference
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import PortableCube
from memporium.vault.v1.vault_pb2 import VaultKind
from memporium_platform.call import acting_as
from memporium_platform.errors import Reason
from support.licensed import A1, A2, owner_of
from support.vaults import MODEL, cell, reason, vector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.vaults import VaultPlace

EMBED = 7
PACK = LicenceReference(agreement=A1, terms_sha256="00" * 32)
OTHER = "another-model"


def _cubes(*texts: str, agreements: tuple[str, ...] = ()) -> list[PortableCube]:
    cubes = [cell(text) for text in texts]
    for cube in cubes:
        cube.governance.licences.extend(LicenceReference(agreement=each) for each in agreements)
    return [PortableCube(cube=cube, unit_vectors=[vector(place)]) for place, cube in enumerate(cubes)]


async def _messages(header: api.ImportCubesHeader, cubes: list[PortableCube]) -> AsyncIterator[api.ImportCubesRequest]:
    yield api.ImportCubesRequest(header=header)
    for cube in cubes:
        yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=[cube]))
    yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=len(cubes)))


async def take_in(place: VaultPlace, parent: str, cubes: list[PortableCube], **header: object):
    with acting_as(owner_of(place)):
        return await place.internal("transfer").ImportCubes(
            _messages(api.ImportCubesHeader(parent=parent, **header), cubes)
        )


@pytest.fixture
async def pack(place: VaultPlace) -> str:
    """An empty pack vault."""
    with acting_as(owner_of(place)):
        vault = {"kind": VaultKind.VAULT_KIND_INDUSTRY_SHARED, "read_only": True, "licence": PACK}
        request = api.CreateVaultRequest(parent=place.org.name, vault_id="pack", vault=vault)
        return (await place.internal("transfer").CreateVault(request)).vault.name


async def there(place: VaultPlace, vault: str) -> set[str]:
    """Return the digests of what a vault holds."""
    found = await place.stub.ListCubes(api.ListCubesRequest(parent=vault))
    return {one.content_digest for one in found.cubes}


def asked(place: VaultPlace) -> list[tuple[str, int]]:
    """Return for which agreements, and how many memories, it was asked to embed; all are counted."""
    found = {key: one for key, one in place.memstore.reserved.items() if one.action == EMBED}
    assert set(found) <= set(place.memstore.committed)
    assert all(place.memstore.committed[key].units == one.units for key, one in found.items())
    return sorted((one.agreement, one.units.memories) for one in found.values())


async def test_a_release_made_with_another_model_is_embedded_only_where_the_licence_says_so(
    place: VaultPlace, pack: str
) -> None:
    done = await take_in(place, pack, _cubes("of bridges", "of dams"), licence=PACK, embedding_model=MODEL)
    assert (done.imported, done.embedded, asked(place)) == (2, 0, [])
    before = await there(place, pack)
    new = _cubes("of bridges", "of locks", "of weirs")
    place.memstore.refused[A1, EMBED] = Reason.LICENCE_NOT_PERMITTED
    moved = take_in(place, pack, new, licence=PACK, embedding_model=OTHER, replace=True)
    assert await reason(moved) is Reason.LICENCE_NOT_PERMITTED
    del place.memstore.refused[A1, EMBED]
    assert await there(place, pack) == before
    assert len(before) == 2
    done = await take_in(place, pack, new, licence=PACK, embedding_model=OTHER, replace=True)
    # What is there as it was keeps its vectors.
    assert (done.imported, done.embedded, asked(place)) == (2, 2, [(A1, 2)])


async def test_a_dump_that_is_loaded_under_another_model_asks_every_licence_in_it(place: VaultPlace) -> None:
    mine = await place.vault("mine")
    place.memstore.refused[A2, EMBED] = Reason.LICENCE_NOT_PERMITTED
    cubes = [*_cubes("own words"), *_cubes("of bridges", agreements=(A1,)), *_cubes("of dams", agreements=(A1, A2))]
    load = {"restore": True, "embedding_model": OTHER}
    assert await reason(take_in(place, mine, cubes, **load)) is Reason.LICENCE_NOT_PERMITTED
    assert not (await place.stub.ListCubes(api.ListCubesRequest(parent=mine))).cubes
    # What was reserved for the first batches is given back, and counts nothing.
    assert any(A1 in use for use in place.memstore.released)
    assert not place.memstore.committed
    place.memstore.reserved.clear()
    del place.memstore.refused[A2, EMBED]
    assert (await take_in(place, mine, cubes, **load)).embedded == 3
    assert asked(place) == [(A2, 1), (A1, 2)]


async def test_own_memory_and_the_packs_own_model_ask_nothing(place: VaultPlace) -> None:
    mine = await place.vault("mine")
    assert (await take_in(place, mine, _cubes("own words"), restore=True, embedding_model=OTHER)).embedded == 1
    # Vectors that stayed behind, for a message has an end, are made anew by the same model.
    bare = [PortableCube(cube=one.cube) for one in _cubes("of bridges", agreements=(A1,))]
    assert (await take_in(place, mine, bare, restore=True, embedding_model=MODEL)).embedded == 1
    assert not place.memstore.reserved
