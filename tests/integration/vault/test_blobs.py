from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from memporium.common.v1.digest_pb2 import Digest
from memporium.cube.v1.cube_pb2 import Activation, Cube, Payload
from memporium.vault.v1 import vault_service_pb2 as api
from memporium_platform.errors import Reason
from support.stored import stored
from support.vaults import reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.vaults import VaultPlace

SEGMENT = 4 << 20


def _digest(data: bytes) -> Digest:
    return Digest(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


async def _upload(
    parent: str, digest: Digest, data: bytes, offset: int = 0, chunk: int = 1 << 20
) -> AsyncIterator[api.UploadBlobRequest]:
    yield api.UploadBlobRequest(header=api.UploadBlobHeader(parent=parent, digest=digest, offset=offset))
    for start in range(0, len(data), chunk):
        yield api.UploadBlobRequest(data=data[start : start + chunk])


async def _download(place: VaultPlace, parent: str, digest: Digest, **part: int) -> bytes:
    found = b""
    async for message in place.stub.DownloadBlob(api.DownloadBlobRequest(parent=parent, digest=digest, **part)):
        assert message.offset == part.get("offset", 0) + len(found)
        found += message.data
    return found


@pytest.mark.parametrize("size", [0, 1, 100_000, SEGMENT, SEGMENT + 5])
async def test_a_blob_comes_back_whole_and_in_parts(place: VaultPlace, size: int) -> None:
    vault = await place.vault()
    data = os.urandom(size)
    digest = _digest(data)
    missing = await place.stub.FindMissingBlobs(api.FindMissingBlobsRequest(parent=vault, digests=[digest]))
    assert list(missing.missing) == [digest]
    done = await place.stub.UploadBlob(_upload(vault, digest, data))
    assert not done.already_present
    assert await _download(place, vault, digest) == data
    for offset, limit in ((0, 10), (size // 2, 0), (size // 3, size // 2), (max(0, size - 1), 9)):
        expected = data[offset : offset + limit] if limit else data[offset:]
        assert await _download(place, vault, digest, offset=offset, limit=limit) == expected
    missing = await place.stub.FindMissingBlobs(api.FindMissingBlobsRequest(parent=vault, digests=[digest]))
    assert not missing.missing
    assert (await place.stub.UploadBlob(_upload(vault, digest, b""))).already_present


async def test_an_upload_goes_on_where_it_broke_off(place: VaultPlace) -> None:
    vault = await place.vault()
    data = os.urandom(SEGMENT + 1000)
    digest = _digest(data)
    assert await reason(place.stub.UploadBlob(_upload(vault, digest, data[: SEGMENT + 10]))) is Reason.DIGEST_MISMATCH
    found = await place.stub.FindMissingBlobs(api.FindMissingBlobsRequest(parent=vault, digests=[digest]))
    assert [one.committed_bytes for one in found.partial] == [SEGMENT]
    await place.stub.UploadBlob(_upload(vault, digest, data[SEGMENT:], offset=SEGMENT))
    assert await _download(place, vault, digest) == data


async def test_wrong_bytes_are_refused_and_leave_nothing(place: VaultPlace) -> None:
    vault = await place.vault()
    digest = _digest(b"right" * 1000)
    assert await reason(place.stub.UploadBlob(_upload(vault, digest, b"wrong" * 1000))) is Reason.DIGEST_MISMATCH
    assert await reason(place.stub.UploadBlob(_upload(vault, digest, b"right" * 1001))) is Reason.DIGEST_MISMATCH
    download = place.stub.DownloadBlob(api.DownloadBlobRequest(parent=vault, digest=digest))
    assert await reason(download) is Reason.NOT_FOUND
    bad = Digest(sha256="../../etc/passwd", size_bytes=1)
    assert await reason(place.stub.UploadBlob(_upload(vault, bad, b"x"))) is Reason.INVALID_FIELD

    async def headless() -> AsyncIterator[api.UploadBlobRequest]:
        yield api.UploadBlobRequest(data=b"x")

    assert await reason(place.stub.UploadBlob(headless())) in {Reason.INVALID_FIELD, Reason.PERMISSION_DENIED}


async def test_cubes_need_their_blobs_and_names_in_the_store_tell_nothing(place: VaultPlace, tmp_path: Path) -> None:
    one, two = await place.vault("one"), await place.vault("two")
    data = b"tensor bytes that are easily recognised" * 100
    digest = _digest(data)
    cube = Cube(payload=Payload(activation=Activation(model_fingerprint="m", blob=digest)))
    assert await reason(place.create(one, cube)) is Reason.BLOB_MISSING
    await place.stub.UploadBlob(_upload(one, digest, data))
    await place.stub.UploadBlob(_upload(two, digest, data))
    assert (await place.create(one, cube)).cube.payload.WhichOneof("form") is None
    files = dict(stored(tmp_path / "data"))
    names = [str(path) for path in files if "/blobs/" in str(path)]
    assert len({path.rsplit("/", 2)[-2] for path in names}) == 2
    assert not [path for path in names if digest.sha256[:16] in path]
    assert not [path for path, data in files.items() if b"easily recognised" in data]
