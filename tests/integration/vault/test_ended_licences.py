"""After the end of an agreement whose terms ask to delete: nothing is left, and whoever asks is told why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from memporium.vault.v1 import vault_service_pb2 as api
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.licensed import A1, A2, agreements_of, made_of, pack_of
from support.vaults import cell, reason, search

if TYPE_CHECKING:
    from support.vaults import VaultPlace

REASON = "unpaid since May"


@pytest.fixture
async def pack(place: VaultPlace) -> str:
    return (await pack_of(place, "pack", A1, "licensed knowledge of bridges"))[0]


async def _ended(place: VaultPlace, own: str, state: str = "REVOKED") -> list[str]:
    """End the agreement; return the mounts' explanations once the pack is gone."""
    place.memstore.set_state(A1, state, delete_on_expiry=True, reason=REASON)
    async with asyncio.timeout(120):
        while True:
            found = (await place.stub.ListMounts(api.ListMountsRequest(parent=own))).mounts
            if all(mount.ended for mount in found):
                return [mount.ended for mount in found]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("state", "expected"), [("REVOKED", Reason.LICENCE_REVOKED), ("EXPIRED", Reason.LICENCE_EXPIRED)]
)
async def test_a_search_and_the_pack_say_what_happened(
    place: VaultPlace, pack: str, state: str, expected: Reason
) -> None:
    vault = pack.partition("/cubes/")[0]
    own = await place.vault("own")
    await place.create(own, cell("my own notes on bridges"))
    await place.stub.CreateMount(api.CreateMountRequest(parent=own, mount={"vault": vault}))
    [told] = await _ended(place, own, state)
    found = await search(place.stub, own, "bridges")
    assert [hit.mount for hit in found.hits] == [""]
    [refusal] = found.refusals
    assert (refusal.mount, refusal.vault, refusal.agreement) == (f"{own}/mounts/pack", vault, A1)
    assert refusal.reason == expected.value
    assert refusal.message == told
    assert REASON in told
    for call in (
        place.stub.GetVault(api.GetVaultRequest(name=vault)),
        place.stub.GetCube(api.GetCubeRequest(name=pack)),
        place.stub.ListCubes(api.ListCubesRequest(parent=vault)),
        place.stub.SearchCubes(api.SearchCubesRequest(parent=vault, query="bridges")),
        place.stub.WatchCubes(api.WatchCubesRequest(parent=vault)),
    ):
        assert await reason(call) is expected
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await place.stub.GetVault(api.GetVaultRequest(name=vault))
    error = reason_of(caught.value)
    assert (error.metadata["agreement"], error.metadata["state"]) == (A1, state)
    receipt = (await place.stub.GetReceipt(api.GetReceiptRequest(name=error.metadata["receipt"]))).receipt
    assert (receipt.vault, receipt.cubes, receipt.key_destroyed) == (vault, 1, True)


async def test_an_ended_mount_is_unmounted_and_a_new_pack_takes_its_place(place: VaultPlace, pack: str) -> None:
    vault = pack.partition("/cubes/")[0]
    own, other = await place.vault("own"), await place.vault("other")
    for parent in (own, other):
        await place.stub.CreateMount(api.CreateMountRequest(parent=parent, mount={"vault": vault}))
    await _ended(place, own)
    await place.stub.DeleteMount(api.DeleteMountRequest(name=f"{own}/mounts/pack"))
    assert not (await search(place.stub, own, "bridges")).refusals
    assert (await search(place.stub, other, "bridges")).refusals
    await pack_of(place, "pack", A2, "bridges again")
    assert not (await search(place.stub, other, "bridges")).refusals
    assert (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.licence.agreement == A2


@pytest.mark.parametrize("form", ["text", "kv", "lora"])
async def test_what_was_made_of_the_pack_goes_too_frozen_or_not(place: VaultPlace, pack: str, form: str) -> None:
    own, child = await place.vault("own"), await place.vault("child")
    await place.stub.CreateMount(api.CreateMountRequest(parent=own, mount={"vault": pack.partition("/cubes/")[0]}))
    free = (await place.create(own, cell("my own words"))).cube
    made = (await place.create(own, await made_of(place, form, own, [pack]))).cube
    again = (await place.create(child, await made_of(place, "text", child, [made.name]))).cube
    assert agreements_of(again) == {A1}
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=made.name))
    await _ended(place, own)
    for cube in (made, again):
        assert await reason(place.stub.GetCube(api.GetCubeRequest(name=cube.name))) is Reason.NOT_FOUND
    assert (await place.stub.GetCube(api.GetCubeRequest(name=free.name))).cube.name == free.name


@pytest.mark.parametrize("state", ["SUSPENDED", "REVOKED"])
async def test_tensors_that_came_under_an_agreement_leave_the_memory_of_inference(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    module = place.platform.running.modules["inference"]
    cache, unloaded = module._tier._cache, asyncio.Event()
    drop = module._registry.drop_agreement

    def noted(agreement: str) -> None:
        drop(agreement)
        assert agreement == A1
        unloaded.set()

    monkeypatch.setattr(module._registry, "drop_agreement", noted)

    async def loaded() -> bytes:
        return b"tensors"

    for digest, agreement in (("gone", A1), ("kept", A2)):
        await cache.get(place.org.id, digest, loaded, agreements=frozenset({agreement}))
    place.memstore.set_state(A1, state)
    async with asyncio.timeout(60):
        # First the cache, then the adapters that generators hold.
        await unloaded.wait()
    assert [key for key, _ in cache._known()] == [f"{place.org.id}/kept"]
