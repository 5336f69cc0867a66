"""Two vault services on one PostgreSQL, each with an index and caches of its own: what one wrote holds on the other."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from memporium.vault.v1 import search_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.vaults import VaultPlace, cell, search, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOST = {Reason.ETAG_MISMATCH, Reason.CONFLICT}


@pytest.fixture
async def two(tmp_path: Path, postgres_url: str) -> AsyncIterator[tuple[VaultPlace, VaultPlace]]:
    async with vault_place(tmp_path / "one", database_url=postgres_url) as one:
        (tmp_path / "two").mkdir()
        shutil.copy(tmp_path / "one" / "platform.key", tmp_path / "two" / "platform.key")
        async with vault_place(tmp_path / "two", database_url=postgres_url) as other:
            yield one, other


async def _texts(place: VaultPlace, vault: str, query: str) -> set[str]:
    """Return what both kinds of search find; they must agree."""
    hits = (await search(place.stub, vault, query, limit=200)).hits
    request = search_pb2.SearchUnitsRequest(parent=vault, queries=[{"query": query}], limit=200)
    units = {
        hit.unit.text
        async for message in place.stub.SearchUnits(request)
        for ranking in message.rankings
        for hit in ranking.hits
    }
    assert units == {hit.unit.text for hit in hits}
    return units


async def _outcome(call: Any) -> Any:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return reason_of(error).reason


async def test_what_one_wrote_changed_or_forgot_the_other_finds_so_at_once(two: tuple[VaultPlace, VaultPlace]) -> None:
    one, other = two
    vault = await one.vault()
    for turn in range(6):
        writer, reader = two if turn % 2 else (other, one)
        name = (await writer.create(vault, cell(f"note {turn} as it was"))).cube.name
        assert f"note {turn} as it was" in await _texts(reader, vault, "note")
        cube = cell(f"note {turn} as it is")
        cube.name = name
        await reader.stub.UpdateCube(api.UpdateCubeRequest(cube=cube, update_mask={"paths": ["payload"]}))
        found = await _texts(writer, vault, "note")
        assert f"note {turn} as it is" in found
        assert f"note {turn} as it was" not in found
        if turn % 3 == 0:
            await writer.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[name], reason="asked"))
            assert f"note {turn} as it is" not in await _texts(reader, vault, "note")
    assert await _texts(one, vault, "note") == await _texts(other, vault, "note")


async def test_writers_on_both_lose_nothing_and_both_indexes_hold_all(two: tuple[VaultPlace, VaultPlace]) -> None:
    one, other = two
    vault = await one.vault()

    async def write(place: VaultPlace, side: str, number: int) -> int:
        cubes = [NewCube(cube=cell(f"fact {side} {number} {part}")) for part in range(3)]
        return (await place.stub.BatchCreateCubes(api.BatchCreateCubesRequest(parent=vault, cubes=cubes))).revision

    revisions = await asyncio.gather(
        *(write(place, side, number) for number in range(15) for place, side in ((one, "a"), (other, "b")))
    )
    assert len(set(revisions)) == 30
    wanted = {f"fact {side} {number} {part}" for side in "ab" for number in range(15) for part in range(3)}
    assert await _texts(one, vault, "fact") == wanted
    assert await _texts(other, vault, "fact") == wanted


async def test_of_two_changes_to_the_same_version_one_is_made(two: tuple[VaultPlace, VaultPlace]) -> None:
    one, other = two
    vault = await one.vault()
    made = (await one.create(vault, cell("as it was"))).cube
    for number in range(5):
        etag = (await other.stub.GetCube(api.GetCubeRequest(name=made.name))).cube.etag

        def change(place: VaultPlace, side: str, number: int = number, etag: str = etag) -> Any:
            cube = cell(f"by {side} {number}")
            cube.name, cube.etag = made.name, etag
            return _outcome(place.stub.UpdateCube(api.UpdateCubeRequest(cube=cube, update_mask={"paths": ["payload"]})))

        outcomes = await asyncio.gather(change(one, "one"), change(other, "other"))
        won = [outcome for outcome in outcomes if not isinstance(outcome, Reason)]
        assert len(won) == 1
        assert [outcome in LOST for outcome in outcomes if isinstance(outcome, Reason)] == [True]
        read = (await one.stub.GetCube(api.GetCubeRequest(name=made.name))).cube
        assert read.etag == won[0].cube.etag
        assert read.behavioural.version == number + 2


async def test_a_request_that_reaches_both_is_done_once(two: tuple[VaultPlace, VaultPlace]) -> None:
    one, other = two
    vault = await one.vault()
    for number in range(5):
        request = api.CreateCubeRequest(parent=vault, cube=cell(f"once {number}"), request_id=f"request-{number}")
        made = await asyncio.gather(*(_outcome(place.stub.CreateCube(request)) for place in (one, other, one, other)))
        names = {answer.cube.name for answer in made if not isinstance(answer, Reason)}
        assert len(names) == 1, made
    assert (await one.stub.GetVault(api.GetVaultRequest(name=vault))).vault.usage.cubes == 5
    assert await _texts(other, vault, "once") == {f"once {number}" for number in range(5)}


async def test_the_same_facts_written_to_both_at_once_are_kept_once_each(two: tuple[VaultPlace, VaultPlace]) -> None:
    vault = await two[0].vault()
    facts = [f"the harbour number {number} is closed in winter" for number in range(4)]

    async def write(writer: int) -> set[str]:
        made = set()
        for fact in facts[writer % 4 :] + facts[: writer % 4]:
            done = await _outcome(two[writer % 2].create(vault, cell(fact)))
            while isinstance(done, Reason):
                assert done in LOST
                done = await _outcome(two[writer % 2].create(vault, cell(fact)))
            made.add(done.cube.name)
        return made

    first, *others = await asyncio.gather(*map(write, range(8)))
    assert len(first) == 4
    assert all(some == first for some in others)
    for place in two:
        assert await _texts(place, vault, "harbour") == set(facts)
