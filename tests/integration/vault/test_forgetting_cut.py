"""Forgetting that is cut off after its transaction is ended by the same call, made again, or by the sweep."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from memporium.common.v1.digest_pb2 import Digest
from memporium.cube.v1.cube_pb2 import Activation, Cube, Payload
from memporium.vault.v1 import changes_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app import leavings
from memporium_services.vault.app.changing import Changer
from support.vaults import VaultPlace, cell, reason, search, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

TENSORS = b"keys and values of what is forgotten" * 1000


@pytest.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VaultPlace]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with vault_place(tmp_path / "data", database_url=url) as found:
        yield found


async def objects(place: VaultPlace, prefix: str = "vaults/") -> list[str]:
    return [key async for key in place.platform.kernel.objects.list(prefix)]


async def filled(place: VaultPlace) -> tuple[str, list[str]]:
    """Return a vault with an archived cube and one with a blob, and their names."""
    vault = await place.vault()
    archived = (await place.create(vault, cell("it rains"))).cube.name
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=archived))
    digest = Digest(sha256=hashlib.sha256(TENSORS).hexdigest(), size_bytes=len(TENSORS))

    async def upload() -> AsyncIterator[api.UploadBlobRequest]:
        yield api.UploadBlobRequest(header={"parent": vault, "digest": digest})
        yield api.UploadBlobRequest(data=TENSORS)

    await place.stub.UploadBlob(upload())
    cache = Cube(payload=Payload(activation=Activation(model_fingerprint="m", blob=digest)))
    made = (await place.create(vault, cache)).cube.name
    assert len(await objects(place)) == 2
    return vault, [archived, made]


def cut(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Callable[[], None]:
    """Have a method fail, as where the process dies in it; return what mends it."""

    async def gone(*_: Any, **__: Any) -> None:
        raise ConnectionError("cut off")

    working = getattr(owner, name)
    monkeypatch.setattr(owner, name, gone)
    return lambda: monkeypatch.setattr(owner, name, working)


async def sweep(place: VaultPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if what is found had been left long ago.
    monkeypatch.setattr(leavings, "_OLD_US", -(10**9))
    with acting_as(service_principal("scheduler")):
        await place.internal("scheduler").SweepVaults(api.SweepVaultsRequest())


@pytest.mark.parametrize("by_sweep", [False, True])
async def test_objects_of_what_was_forgotten_go_though_it_was_cut_off(
    both: VaultPlace, monkeypatch: pytest.MonkeyPatch, by_sweep: bool
) -> None:
    vault, names = await filled(both)
    request = api.ForgetCubesRequest(parent=vault, names=names, request_id="once")
    mend = cut(monkeypatch, both.platform.kernel.objects, "delete")
    assert await reason(both.stub.ForgetCubes(request)) is Reason.INTERNAL
    mend()
    assert len(await objects(both)) == 2
    if by_sweep:
        await sweep(both, monkeypatch)
        assert not await objects(both)
    assert (await both.stub.ForgetCubes(request)).receipt.blobs == 2
    assert not await objects(both)


async def test_the_same_holds_for_sets_of_changes(place: VaultPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, names = await filled(place)
    change = changes_pb2.Change(forget=changes_pb2.CubeForgetting(names=names))
    request = changes_pb2.ApplyChangesRequest(parent=vault, changes=[change], request_id="once")
    mend = cut(monkeypatch, place.platform.kernel.objects, "delete")
    assert await reason(place.stub.ApplyChanges(request)) is Reason.INTERNAL
    mend()
    assert len((await place.stub.ApplyChanges(request)).results[0].receipts) == 1
    assert not await objects(place)


@pytest.mark.parametrize("by_sweep", [False, True])
async def test_a_key_that_a_receipt_says_is_destroyed_is_destroyed(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch, by_sweep: bool
) -> None:
    vault, _ = await filled(place)
    uid = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.uid
    keys, request = place.platform.kernel.keys, api.DeleteVaultRequest(name=vault, erase=True, request_id="once")
    mend = cut(monkeypatch, keys, "destroy_vault_key")
    assert await reason(place.stub.DeleteVault(request)) is Reason.INTERNAL
    mend()
    if by_sweep:
        await sweep(place, monkeypatch)
    assert by_sweep or await keys.vault_key(place.org.id, uid)
    assert by_sweep != bool(await objects(place))
    assert (await place.stub.DeleteVault(request)).receipt.key_destroyed
    assert not await objects(place)
    with pytest.raises(PlatformError, match="does not exist"):
        await keys.vault_key(place.org.id, uid)


async def test_a_blob_that_was_uploaded_again_since_stays(place: VaultPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, names = await filled(place)
    mend = cut(monkeypatch, place.platform.kernel.objects, "delete")
    assert await reason(place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=names))) is Reason.INTERNAL
    mend()
    digest = Digest(sha256=hashlib.sha256(TENSORS).hexdigest(), size_bytes=len(TENSORS))

    async def upload() -> AsyncIterator[api.UploadBlobRequest]:
        yield api.UploadBlobRequest(header={"parent": vault, "digest": digest})
        yield api.UploadBlobRequest(data=TENSORS)

    await place.stub.UploadBlob(upload())
    await sweep(place, monkeypatch)
    assert len(await objects(place)) == 1
    download = api.DownloadBlobRequest(parent=vault, digest=digest)
    assert b"".join([part.data async for part in place.stub.DownloadBlob(download)]) == TENSORS


async def test_what_goes_to_the_archive_while_it_is_forgotten_is_not_left_there(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("it rains"))).cube.name
    move = Changer._to_archive

    async def then_forget(self: Changer, *of: Any) -> Any:
        moved = await move(self, *of)
        await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[name]))
        return moved

    monkeypatch.setattr(Changer, "_to_archive", then_forget)
    assert await reason(place.stub.ArchiveCube(api.ArchiveCubeRequest(name=name))) is Reason.NOT_FOUND
    assert not await objects(place)
    name = (await place.create(vault, cell("it snows"))).cube.name
    written = place.platform.kernel.objects.put

    async def late(key: str, *of: Any, **more: Any) -> None:
        await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[name]))
        await written(key, *of, **more)

    monkeypatch.setattr(Changer, "_to_archive", move)
    monkeypatch.setattr(place.platform.kernel.objects, "put", late)
    assert await reason(place.stub.ArchiveCube(api.ArchiveCubeRequest(name=name))) is Reason.NOT_FOUND
    assert not await objects(place)


async def test_objects_that_no_row_names_any_more_go_with_their_cube(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = await place.vault()
    names = [(await place.create(vault, cell(f"it rains {day} days"))).cube.name for day in range(3)]
    for name in names:
        await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=name))
    mend = cut(monkeypatch, place.platform.kernel.objects, "delete")
    for name in names:
        # The payload is back in the database, and a copy is left.
        assert await reason(place.stub.ActivateCube(api.ActivateCubeRequest(name=name))) is Reason.INTERNAL
    mend()
    assert len(await objects(place)) == 3
    assert len((await search(place.stub, vault, "it rains")).hits) == 3
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=names[:1]))
    assert len(await objects(place)) == 2
    monkeypatch.setattr(leavings, "_UNSEEN", 0)
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=names[1:]))
    assert not await objects(place)
