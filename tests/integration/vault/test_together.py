"""Many callers at once, on both engines: each gets its own cube, and what was just written, expired or forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube
from memporium_platform.errors import Reason
from support.vaults import VaultPlace, cell, reason, search, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VaultPlace]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with vault_place(tmp_path / "data", database_url=url) as found:
        yield found


async def _made(place: VaultPlace, vault: str, count: int) -> list[str]:
    requests = [
        api.CreateCubeRequest(parent=vault, cube=cell(f"fact number {number}"), cube_id=f"c{number}")
        for number in range(count)
    ]
    made = await asyncio.gather(*map(place.stub.CreateCube, requests))
    return [one.cube.name for one in made]


async def _read(place: VaultPlace, name: str) -> str:
    cube = (await place.stub.GetCube(api.GetCubeRequest(name=name))).cube
    assert cube.name == name
    return cube.payload.plaintext.mem_cell.facts[0].text


async def test_each_caller_gets_its_own_cube(both: VaultPlace) -> None:
    names = await _made(both, await both.vault("v"), 40)
    assert await asyncio.gather(*(_read(both, name) for name in names)) == [
        f"fact number {number}" for number in range(40)
    ]


@pytest.mark.parametrize("policy", ["NEAR_DUPLICATE_POLICY_LINK", "NEAR_DUPLICATE_POLICY_MERGE"])
async def test_the_same_facts_from_eight_writers_are_kept_once_each(both: VaultPlace, policy: str) -> None:
    vault = await both.vault("v", near_duplicates=policy)
    facts = [f"the harbour number {number} is closed in winter" for number in range(6)]

    async def write(writer: int) -> list[str]:
        """Write all facts, each writer in another order; half of them in one call."""
        order = facts[writer % 6 :] + facts[: writer % 6]
        if writer % 2:
            news = [NewCube(cube=cell(fact)) for fact in order]
            made = await both.stub.BatchCreateCubes(api.BatchCreateCubesRequest(parent=vault, cubes=news))
            return [one.cube.name for one in made.cubes]
        return [(await both.create(vault, cell(fact))).cube.name for fact in order]

    written = await asyncio.gather(*map(write, range(8)))
    names = set(written[0])
    assert len(names) == 6
    assert all(set(some) == names for some in written)
    found = await search(both.stub, vault, "harbour", limit=100)
    assert sorted(hit.unit.text for hit in found.hits) == facts


async def test_what_was_acknowledged_is_read_at_once(both: VaultPlace) -> None:
    vault = await both.vault("v")
    [name] = await _made(both, vault, 1)
    busy = [asyncio.create_task(_read(both, name)) for _ in range(30)]
    for number in range(10):
        cube = cell(f"changed {number}")
        cube.name = name
        await both.stub.UpdateCube(api.UpdateCubeRequest(cube=cube, update_mask={"paths": ["payload"]}))
        assert await _read(both, name) == f"changed {number}"
    await asyncio.gather(*busy)


async def test_what_was_forgotten_or_expired_is_refused_at_once(both: VaultPlace) -> None:
    vault = await both.vault("v")
    names = await _made(both, vault, 3)
    busy = [asyncio.create_task(_read(both, names[2])) for _ in range(30)]
    await both.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=names[:1], reason="asked"))
    await both.stub.ExpireCube(api.ExpireCubeRequest(name=names[1]))
    assert await reason(both.stub.GetCube(api.GetCubeRequest(name=names[0]))) is Reason.NOT_FOUND
    assert await reason(both.stub.GetCube(api.GetCubeRequest(name=names[1]))) is Reason.ILLEGAL_TRANSITION
    found = await search(both.stub, vault, "fact number")
    assert {hit.cube.name for hit in found.hits} == {names[2]}
    await asyncio.gather(*busy)


async def test_payloads_come_with_lists_and_searches(both: VaultPlace) -> None:
    vault = await both.vault("v")
    names = await _made(both, vault, 3)
    listed = await both.stub.ListCubes(
        api.ListCubesRequest(parent=vault, view="CUBE_VIEW_FULL", order="CUBE_ORDER_NAME")
    )
    assert [cube.payload.plaintext.mem_cell.facts[0].text for cube in listed.cubes] == [
        f"fact number {number}" for number in range(3)
    ]
    found = await search(both.stub, vault, "number", view="CUBE_VIEW_FULL", group_by_cube=True)
    assert {hit.cube.name for hit in found.hits} == set(names)
    assert all(hit.cube.payload.plaintext.mem_cell.facts[0].text == hit.unit.text for hit in found.hits)
