"""Cubes that are asked for at once are read together; each caller gets its own, or its own refusal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from memporium_platform.errors import PlatformError, Reason, not_found
from memporium_services.vault.app import locating
from memporium_services.vault.app.locating import Locator
from memporium_services.vault.domain.rows import CubeRow, Located, VaultRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_VAULT = VaultRow("uid", "acme", "v", 1, False, "", "owner", "model", b"", 1, 1)
_CUBE = CubeRow("uid", "a", "cube", 1, 1, 2, 1, 1, 1, 2, "owner", 1, "dedup", 0, 1, 1, 1)


class Vaults:
    """A runtime whose store holds two vaults; notes each read, and lets a test hold them back."""

    def __init__(self) -> None:
        self.cubes = {("acme", "v"): {"a", "b"}, ("acme", "w"): {"a"}}
        self.reads: list[tuple[str, tuple[str, ...]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.db = SimpleNamespace(read_few=self._read)

    async def absent(self, vault_name: str, resource: str = "") -> PlatformError:
        return not_found(resource or vault_name)

    def store(self, _conn: object) -> Any:
        return self

    def locate(self, org: str, vault_id: str, cube_ids: Sequence[str]) -> Located | None:
        self.reads.append((vault_id, tuple(cube_ids)))
        there = self.cubes.get((org, vault_id))
        if there is None:
            return None
        found = {cube_id: replace(_CUBE, cube_id=cube_id) for cube_id in cube_ids if cube_id in there}
        return Located(replace(_VAULT, vault_id=vault_id), found, {})

    async def _read(self, fn: Callable[[Any], Any]) -> Any:
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return fn(None)


def _name(vault: str, cube: str) -> str:
    return f"orgs/acme/vaults/{vault}/cubes/{cube}"


async def _outcome(locator: Locator, vault: str, cube: str) -> str:
    try:
        return (await locator.locate(_name(vault, cube))).cube.cube_id
    except PlatformError as error:
        return error.reason.value


@pytest.fixture
async def vaults() -> Vaults:
    return Vaults()


async def test_what_is_asked_for_during_a_read_goes_into_the_next(vaults: Vaults) -> None:
    locator = Locator(vaults)  # type: ignore[arg-type]
    vaults.open.clear()
    first = asyncio.create_task(_outcome(locator, "v", "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(_outcome(locator, "v", cube)) for cube in ("b", "a", "c", "b")]
    await asyncio.sleep(0)
    vaults.open.set()
    assert await first == "a"
    assert await asyncio.gather(*later) == ["b", "a", "NOT_FOUND", "b"]
    assert vaults.reads == [("v", ("a",)), ("v", ("b", "a", "c"))]


async def test_a_cube_that_goes_away_is_refused_in_the_next_read(vaults: Vaults) -> None:
    locator = Locator(vaults)  # type: ignore[arg-type]
    assert await _outcome(locator, "v", "a") == "a"
    vaults.cubes["acme", "v"].discard("a")
    assert await _outcome(locator, "v", "a") == "NOT_FOUND"


async def test_vaults_are_read_apart(vaults: Vaults) -> None:
    locator = Locator(vaults)  # type: ignore[arg-type]
    asked = (("v", "a"), ("w", "a"), ("w", "b"), ("x", "a"))
    found = await asyncio.gather(*(_outcome(locator, *one) for one in asked))
    assert found == ["a", "a", "NOT_FOUND", "NOT_FOUND"]
    assert sorted(vault for vault, _ in vaults.reads) == ["v", "w", "x"]


async def test_a_failed_read_fails_all_that_waited_and_no_more(vaults: Vaults) -> None:
    locator = Locator(vaults)  # type: ignore[arg-type]
    vaults.failure = PlatformError(Reason.UNAVAILABLE, "gone")
    both = await asyncio.gather(_outcome(locator, "v", "a"), _outcome(locator, "v", "b"))
    assert both == ["UNAVAILABLE", "UNAVAILABLE"]
    vaults.failure = None
    assert await _outcome(locator, "v", "b") == "b"


async def test_a_caller_who_leaves_does_not_disturb_the_others(vaults: Vaults) -> None:
    locator = Locator(vaults)  # type: ignore[arg-type]
    vaults.open.clear()
    leaving = asyncio.create_task(_outcome(locator, "v", "a"))
    staying = asyncio.create_task(_outcome(locator, "v", "a"))
    await asyncio.sleep(0)
    leaving.cancel()
    vaults.open.set()
    assert await staying == "a"


async def test_more_than_one_statement_holds_are_all_found(vaults: Vaults) -> None:
    many = {f"c{number}" for number in range(150)}
    vaults.cubes["acme", "v"] = many
    locator = Locator(vaults)  # type: ignore[arg-type]
    found = await asyncio.gather(*(_outcome(locator, "v", cube) for cube in sorted(many)))
    assert found == sorted(many)
    assert len(vaults.reads) == 3


class Distance:
    """What the locator knows of asyncio, but that its waits end when a test says so."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.over = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self.over.wait()


async def test_visits_for_many_gather_and_visits_for_one_do_not_wait(
    vaults: Vaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    distance = Distance()
    monkeypatch.setattr(locating, "asyncio", distance)
    monkeypatch.setattr(locating, "_GATHER_S", 3600.0)
    locator = Locator(vaults)  # type: ignore[arg-type]
    assert await asyncio.gather(_outcome(locator, "v", "a"), _outcome(locator, "v", "b")) == ["a", "b"]
    # Each comes for itself, within the distance to the next visit.
    both = []
    for cube in "ab":
        both.append(asyncio.create_task(_outcome(locator, "v", cube)))
        for _ in range(5):
            await asyncio.sleep(0)
    assert vaults.reads == [("v", ("a", "b"))]
    [wait_s] = distance.waits
    assert 0 < wait_s <= 3600.0
    distance.over.set()
    assert await asyncio.gather(*both) == ["a", "b"]
    assert vaults.reads == [("v", ("a", "b"))] * 2
    while locator._readers:
        await asyncio.sleep(0)
    distance.waits.clear()
    vaults.reads.clear()
    for _ in range(20):
        assert await _outcome(locator, "v", "a") == "a"
        await asyncio.sleep(0)
    assert vaults.reads == [("v", ("a",))] * 20
    assert not distance.waits
