"""A clock that is set back between two changes: what is newest stays so, and revisions tell the past as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memporium.vault.v1 import vault_service_pb2 as api
from memporium_platform.clock import ManualClock
from support.vaults import MODEL, VaultPlace, cell, search, vault_place

if TYPE_CHECKING:
    from pathlib import Path


async def _at(place: VaultPlace, vault: str, **moment: object) -> list[str]:
    """Return what the vault says at a moment, by a search and by a list, which must agree."""
    found = await search(place.stub, vault, "weather", limit=50, **moment)
    listed = await place.stub.ListCubes(api.ListCubesRequest(parent=vault, view="CUBE_VIEW_FULL", **moment))
    said = sorted(cube.payload.plaintext.mem_cell.facts[0].text for cube in listed.cubes)
    assert sorted(hit.unit.text for hit in found.hits) == said
    return said


async def _change(place: VaultPlace, name: str, text: str) -> None:
    cube = cell(text)
    cube.name = name
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=cube, update_mask={"paths": ["payload"]}))


async def test_the_past_is_told_though_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", MODEL)
    clock = ManualClock()
    async with vault_place(tmp_path, clock=clock) as place:
        vault = await place.vault()
        first, began = (await place.create(vault, cell("weather one"))).cube.name, clock.now()
        clock.advance(minutes=-10)
        await _change(place, first, "weather two")
        await place.create(vault, cell("weather elsewhere"))
        clock.advance(minutes=5)
        await _change(place, first, "weather three")
        assert await _at(place, vault) == ["weather elsewhere", "weather three"]
        by_revision = [await _at(place, vault, read_revision=revision) for revision in (1, 2, 3, 4)]
        assert by_revision == [
            ["weather one"],
            ["weather two"],
            ["weather elsewhere", "weather two"],
            ["weather elsewhere", "weather three"],
        ]
        # By time, of what was changed while the clock was back the newest counts.
        assert await _at(place, vault, read_time=began) == ["weather elsewhere", "weather three"]
        versions = await place.stub.ListCubeVersions(api.ListCubeVersionsRequest(name=first))
        assert [one.version for one in versions.versions] == [3, 2, 1]
        undone = await place.stub.RollbackCube(api.RollbackCubeRequest(name=first, version=1))
        assert undone.revision == 5
        assert await _at(place, vault) == ["weather elsewhere", "weather one"]
