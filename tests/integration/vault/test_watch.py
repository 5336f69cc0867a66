from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube
from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.vaults import VaultPlace, cell, reason, vault_place

if TYPE_CHECKING:
    from pathlib import Path


async def _take(stream: Any, count: int) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    async with asyncio.timeout(120):
        while len(found) < count:
            message = await stream.read()
            found += [(one.revision, one.kind, one.name.rpartition("/")[2]) for one in message.events]
    assert message.revision >= found[-1][0]
    return found


async def test_changes_come_in_order_from_any_revision(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("one"), cube_id="one")
    await place.create(vault, cell("two"), cube_id="two")
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=f"{vault}/cubes/one"))
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[f"{vault}/cubes/two"]))
    whole = await _take(place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, start_revision=1)), 3)
    assert [(kind, name) for _, kind, name in whole if name == "one"] == [(1, "one"), (2, "one")]
    assert whole[-1] == (4, 3, "two")
    part = await _take(place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, start_revision=3)), 2)
    assert part == [(3, 2, "one"), (4, 3, "two")]


async def test_new_changes_reach_a_watcher_from_now_on(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("before"))
    stream = place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, tags_any=["x"]))
    first = await stream.read()
    assert first.revision == 1
    await place.create(vault, cell("not asked for"))
    await place.create(vault, cell("asked for", tags=["x"]), cube_id="c")
    assert await _take(stream, 1) == [(3, 1, "c")]
    stream.cancel()


async def test_big_revisions_are_never_cut(place: VaultPlace) -> None:
    vault = await place.vault()
    cubes = [NewCube(cube=cell(f"cube {number}")) for number in range(450)]
    await place.stub.BatchCreateCubes(api.BatchCreateCubesRequest(parent=vault, cubes=cubes))
    await place.create(vault, cell("the last"))
    found = await _take(place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, start_revision=1)), 451)
    assert len(found) == len(set(found)) == 451


async def test_silence_is_broken_by_progress(place: VaultPlace) -> None:
    vault = await place.vault()
    stream = place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, progress_interval={"nanos": 1}))
    async with asyncio.timeout(120):
        for _ in range(3):
            assert not (await stream.read()).events
    stream.cancel()


async def test_compacted_revisions_end_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMPORIUM_VAULT_CHANGES_KEPT", "100")
    async with vault_place(tmp_path) as place:
        vault = await place.vault()
        for number in range(105):
            await place.create(vault, cell(f"cube {number}"))
        with acting_as(service_principal("scheduler")):
            await place.internal("scheduler").SweepVaults(api.SweepVaultsRequest())
        old = place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, start_revision=1))
        assert await reason(old) is Reason.REVISION_COMPACTED
        assert (
            len(await _take(place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, start_revision=6)), 100)) == 100
        )


async def test_a_revision_that_has_not_been_ends_the_stream(place: VaultPlace) -> None:
    vault = await place.vault()
    await place.create(vault, cell("one"))
    newest = (await place.create(vault, cell("two"))).revision
    assert await reason(_watched(place, vault, newest + 2)) is Reason.REVISION_COMPACTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _watched(place, vault, 100).read()
    assert reason_of(caught.value).metadata == {"smallest_revision": "1", "newest_revision": str(newest)}
    stream = _watched(place, vault, newest + 1)
    assert (await stream.read()).revision == newest
    stream.cancel()


async def test_a_vault_made_anew_is_not_the_one_that_was_watched(place: VaultPlace) -> None:
    vault = await place.vault()
    first = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault
    revision = (await place.create(vault, cell("one"))).revision
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=vault, erase=True))
    await place.vault()
    assert await reason(_watched(place, vault, revision + 1)) is Reason.REVISION_COMPACTED
    for text in ("another", "and more"):
        await place.create(vault, cell(text))
    # The new one has come as far as the old one was.
    assert await reason(_watched(place, vault, revision + 1, vault_uid=first.uid)) is Reason.REVISION_COMPACTED
    now = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault
    [(number, *_)] = await _take(_watched(place, vault, revision + 1, vault_uid=now.uid), 1)
    assert number == revision + 1


def _watched(place: VaultPlace, vault: str, start: int, **asked: str) -> Any:
    return place.stub.WatchCubes(api.WatchCubesRequest(parent=vault, start_revision=start, **asked))
