from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_BASIC, CubeFilter
from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import Reason
from support.vaults import cell, reason, search

if TYPE_CHECKING:
    from support.vaults import VaultPlace


async def _state(place: VaultPlace, name: str) -> cube_pb2.Cube:
    return (await place.stub.GetCube(api.GetCubeRequest(name=name, view=CUBE_VIEW_BASIC))).cube


async def test_archived_cubes_leave_search_are_listed_and_come_back_when_read(place: VaultPlace) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("a cold memory", tags=["cold"]))).cube.name
    done = await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=name, reason="cold"))
    assert done.cube.behavioural.tier == cube_pb2.STORAGE_TIER_ARCHIVE
    assert not (await search(place.stub, vault, "cold memory")).hits
    assert [hit.cube.name for hit in (await search(place.stub, vault, mode=1, filter={"tags_any": ["cold"]})).hits] == [
        name
    ]
    read = await place.stub.GetCube(api.GetCubeRequest(name=name))
    assert read.cube.payload.plaintext.mem_cell.facts[0].text == "a cold memory"
    assert read.cube.governance.state == cube_pb2.CUBE_STATE_ACTIVATED
    assert [hit.cube.name for hit in (await search(place.stub, vault, "cold memory")).hits] == [name]


async def test_expired_cubes_are_hidden_and_can_be_restored(place: VaultPlace) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("a passing thought"))).cube.name
    await place.stub.ExpireCube(api.ExpireCubeRequest(name=name))
    assert not (await search(place.stub, vault, "passing thought")).hits
    assert not (await place.stub.ListCubes(api.ListCubesRequest(parent=vault))).cubes
    expired = CubeFilter(states=[cube_pb2.CUBE_STATE_EXPIRED])
    assert len((await place.stub.ListCubes(api.ListCubesRequest(parent=vault, filter=expired))).cubes) == 1
    assert await reason(place.stub.GetCube(api.GetCubeRequest(name=name))) is Reason.ILLEGAL_TRANSITION
    assert await reason(place.stub.ArchiveCube(api.ArchiveCubeRequest(name=name))) is Reason.ILLEGAL_TRANSITION
    await place.stub.RestoreCube(api.RestoreCubeRequest(name=name))
    assert len((await search(place.stub, vault, "passing thought")).hits) == 1


async def test_frozen_cubes_can_only_be_read_and_unfrozen(place: VaultPlace) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("carved in stone"))).cube.name
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=name))
    for call in (
        place.stub.ArchiveCube(api.ArchiveCubeRequest(name=name)),
        place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[name])),
        place.stub.FreezeCube(api.FreezeCubeRequest(name=name)),
    ):
        assert await reason(call) is Reason.CUBE_FROZEN
    assert (await place.stub.GetCube(api.GetCubeRequest(name=name))).cube.governance.frozen
    await place.stub.UnfreezeCube(api.UnfreezeCubeRequest(name=name))
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=name))


async def test_a_lifecycle_call_is_idempotent_by_request_id(place: VaultPlace) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("once"))).cube.name
    request = api.ArchiveCubeRequest(name=name, request_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    first = await place.stub.ArchiveCube(request)
    again = await place.stub.ArchiveCube(request)
    assert first.revision == again.revision
    assert again.cube.behavioural.version == 2


async def test_use_is_counted_and_activates(place: VaultPlace) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("used often"))).cube.name
    for _ in range(3):
        await place.stub.GetCube(api.GetCubeRequest(name=name))
    await search(place.stub, vault, "used", mode=2)
    async with asyncio.timeout(60):
        cube = await _state(place, name)
        # Written in the background; what was used first may be written by itself.
        while cube.behavioural.use_counts != {"read": 3, "retrieve": 1}:
            await asyncio.sleep(0.01)
            cube = await _state(place, name)
    assert cube.behavioural.heat > 2
    assert cube.governance.state == cube_pb2.CUBE_STATE_ACTIVATED


async def _sweep(place: VaultPlace) -> api.SweepVaultsResponse:
    with acting_as(service_principal("scheduler")):
        return await place.internal("scheduler").SweepVaults(api.SweepVaultsRequest())


async def test_the_sweep_expires_purges_and_archives(place: VaultPlace) -> None:
    vault = await place.vault(
        retention={"grace_period": {"seconds": 0}, "archive_below_heat": 100.0, "archive_after": {"seconds": 0}}
    )
    short = cell("gone in a moment")
    short.governance.lifespan.ttl.FromMicroseconds(1)
    brief = (await place.create(vault, short)).cube.name
    kept = (await place.create(vault, cell("stays and cools"))).cube.name
    assert not (await search(place.stub, vault, "gone moment", mode=2)).hits
    done = await _sweep(place)
    assert (done.expired, done.archived, done.next_cursor) == (1, 1, "")
    done = await _sweep(place)
    assert done.purged == 1 or (await _sweep(place)).purged == 1
    assert await reason(place.stub.GetCube(api.GetCubeRequest(name=brief))) is Reason.NOT_FOUND
    assert (await _state(place, kept)).governance.state == cube_pb2.CUBE_STATE_ARCHIVED


async def test_only_services_sweep(place: VaultPlace) -> None:
    assert await reason(place.stub.SweepVaults(api.SweepVaultsRequest())) is Reason.PERMISSION_DENIED
