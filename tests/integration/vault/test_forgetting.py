from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1.cube_pb2 import Activation, Cube, Payload
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter, Receipt
from memporium_platform.bundle.dsse import key_id, pre_authentication_encoding
from memporium_platform.errors import Reason
from memporium_services.vault.app import cipher
from support.stored import stored
from support.vaults import cell, document, reason, search

if TYPE_CHECKING:
    from pathlib import Path

    from support.vaults import VaultPlace

SECRET = "Xylophonist Quetzalcoatl"


async def _verify(place: VaultPlace, receipt: Receipt) -> dict[str, object]:
    public: Ed25519PublicKey = (await place.platform.kernel.keys.org_signing_key(place.org.id)).public_key()
    assert receipt.key_id == key_id(public)
    public.verify(receipt.signature, pre_authentication_encoding(receipt.payload_type, receipt.payload))
    return json.loads(receipt.payload)


def _traces(folder: Path, *needles: bytes) -> list[tuple[str, bytes]]:
    """Return the files whose raw bytes hold a needle, in any of the usual encodings."""
    wanted = [form for needle in needles for form in (needle, needle.lower(), needle.decode().encode("utf-16-le"))]
    return [(str(path), needle) for path, data in stored(folder) for needle in wanted if needle in data]


def _keyed(word: str) -> list[str]:
    """Return the forms of a word that ciphers hold in memory."""
    return [term for cache in list(cipher._CACHES._caches) for term in cache.kept if word[:8] in term]


async def test_nothing_readable_is_ever_on_the_disk_and_forgotten_rows_are_gone(
    place: VaultPlace, tmp_path: Path
) -> None:
    vault = await place.vault()
    sealed_title = {
        "title": SECRET,
        "tags": [SECRET.lower()],
        "entities": [SECRET],
        "source": SECRET,
        "persona": SECRET,
    }
    made = await place.create(
        vault, cell(f"{SECRET} lives here", context=f"around {SECRET}", **sealed_title), reason=SECRET
    )
    changed = document(SECRET, f"{SECRET} moved away")
    changed.name = made.cube.name
    changed.payload.CopyFrom(cell(f"{SECRET} moved away").payload)
    await place.stub.UpdateCube(
        api.UpdateCubeRequest(cube=changed, update_mask=FieldMask(paths=["payload"]), reason=SECRET)
    )
    other = (await place.create(vault, cell(f"archived {SECRET}"))).cube.name
    await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=other))
    await search(place.stub, vault, SECRET)
    words = [word.encode() for word in SECRET.split()]
    assert not _traces(tmp_path / "data", *words)

    assert _keyed("quetzalcoatl")
    request = api.ForgetCubesRequest(
        parent=vault, names=[made.cube.name, other], request_id="7f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    )
    done = await place.stub.ForgetCubes(request)
    assert (done.receipt.cubes, done.receipt.versions, done.receipt.units) == (2, 4, 2)
    assert not _keyed("quetzalcoatl")
    assert done.receipt.blobs == 1
    statement = await _verify(place, done.receipt)
    assert hashlib.sha256(made.cube.name.encode()).hexdigest() in statement["name_sha256"]
    assert (await place.stub.ForgetCubes(request)).receipt == done.receipt
    assert (await place.stub.GetReceipt(api.GetReceiptRequest(name=done.receipt.name))).receipt == done.receipt
    assert not (await search(place.stub, vault, SECRET)).hits
    for call in (
        place.stub.GetCube(api.GetCubeRequest(name=made.cube.name)),
        place.stub.GetCube(api.GetCubeRequest(name=made.cube.name, version=1)),
        place.stub.ListCubeVersions(api.ListCubeVersionsRequest(name=made.cube.name)),
    ):
        assert await reason(call) is Reason.NOT_FOUND
    ids = [made.cube.name.rpartition("/")[2].encode(), made.cube.uid.encode()]
    left = [path for path, _ in _traces(tmp_path / "data", *ids) if "vault" in path and "audit" not in path]
    assert not [path for path in left if "/objects/" in path or "/index" in path]
    archived = [path for path, _ in stored(tmp_path / "data") if "/archive/" in str(path)]
    assert not archived
    usage = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.usage
    assert (usage.cubes, usage.units, usage.bytes) == (0, 0, 0)


async def test_forgetting_by_filter_needs_a_condition(place: VaultPlace) -> None:
    vault = await place.vault()
    for number in range(5):
        await place.create(vault, cell(f"note {number}", tags=["old" if number < 3 else "new"]))
    for wrong in (api.ForgetCubesRequest(parent=vault), api.ForgetCubesRequest(parent=vault, filter=CubeFilter())):
        assert await reason(place.stub.ForgetCubes(wrong)) is Reason.INVALID_FIELD
    done = await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, filter=CubeFilter(tags_any=["old"])))
    assert done.receipt.cubes == 3
    assert len((await search(place.stub, vault, "note", mode=2)).hits) == 2


async def test_a_legal_hold_stops_forgetting_and_erasing(place: VaultPlace) -> None:
    vault = await place.vault()
    held = cell("evidence")
    held.governance.legal_hold = True
    name = (await place.create(vault, held)).cube.name
    forget = api.ForgetCubesRequest(parent=vault, names=[name])
    assert await reason(place.stub.ForgetCubes(forget)) is Reason.LEGAL_HOLD
    erase = api.DeleteVaultRequest(name=vault, erase=True)
    assert await reason(place.stub.DeleteVault(erase)) is Reason.LEGAL_HOLD
    free = Cube(name=name)
    await place.stub.UpdateCube(
        api.UpdateCubeRequest(cube=free, update_mask=FieldMask(paths=["governance.legal_hold"]))
    )
    assert (await place.stub.ForgetCubes(forget)).receipt.cubes == 1


async def test_erasing_a_vault_destroys_its_key(place: VaultPlace, tmp_path: Path) -> None:
    vault = await place.vault()
    await place.create(vault, cell("all of it"))
    uid = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.uid
    assert await reason(place.stub.DeleteVault(api.DeleteVaultRequest(name=vault))) is Reason.FAILED_PRECONDITION
    request = api.DeleteVaultRequest(name=vault, erase=True, request_id="8f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    done = await place.stub.DeleteVault(request)
    assert done.receipt.key_destroyed
    assert (await _verify(place, done.receipt))["cubes"] == 1
    assert (await place.stub.DeleteVault(request)).receipt == done.receipt
    assert await reason(place.stub.GetVault(api.GetVaultRequest(name=vault))) is Reason.NOT_FOUND
    try:
        await place.platform.kernel.keys.vault_key(place.org.id, uid)
    except Exception as error:
        assert getattr(error, "reason", None) is Reason.NOT_FOUND
    else:
        raise AssertionError("the key is still there")
    assert not [path for path, _ in stored(tmp_path / "data") if uid in path.name]
    again = await place.vault()
    assert not (await search(place.stub, again, "all of it")).hits


async def test_a_shared_blob_stays_until_its_last_cube_is_forgotten(place: VaultPlace) -> None:
    vault = await place.vault()
    data = b"kv" * 50
    digest = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}

    async def upload() -> object:
        yield api.UploadBlobRequest(header={"parent": vault, "digest": digest})
        yield api.UploadBlobRequest(data=data)

    await place.stub.UploadBlob(upload())
    names = []
    for model in ("a", "b"):
        cube = Cube(payload=Payload(activation=Activation(model_fingerprint=model, blob=digest)))
        names.append((await place.create(vault, cube)).cube.name)
    download = api.DownloadBlobRequest(parent=vault, digest=digest)
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=names[:1]))
    assert [part.data async for part in place.stub.DownloadBlob(download)] == [data]
    done = await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=names[1:]))
    assert done.receipt.blobs == 1
    assert await reason(place.stub.DownloadBlob(download)) is Reason.NOT_FOUND
