from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError
from memporium_platform.storage.objects.open_objects import open_object_store
from memporium_platform.storage.objects.s3 import PART_BYTES
from support.counter_tables import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from memporium_platform.storage.objects.object_store import ObjectStore

MIB = 1 << 20


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.servers)])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    url = request.getfixturevalue("s3_url") if request.param == "s3" else ""
    store = await open_object_store(Settings(tmp_path, objects_url=url))
    yield store
    await store.close()


async def _pieces(data: bytes, size: int, *, fail_after: int | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        if fail_after is not None and start >= fail_after:
            raise ConnectionError("the source broke")
        yield data[start : start + size]


async def _read(store: ObjectStore, key: str, **options: int) -> bytes:
    return b"".join([piece async for piece in store.get(key, **options)])


async def _keys(store: ObjectStore, prefix: str) -> list[str]:
    return [key async for key in store.list(prefix)]


async def test_bytes_come_back_and_are_replaced(objects: ObjectStore) -> None:
    for data in (b"", b"first", b"second, longer"):
        await objects.put("a/b.txt", data)
        assert await _read(objects, "a/b.txt") == data
        assert await objects.get_bytes("a/b.txt", limit_bytes=100) == data
        assert await objects.size("a/b.txt") == len(data)


async def test_a_stream_larger_than_a_part_comes_back_in_small_pieces(objects: ObjectStore) -> None:
    data = os.urandom(MIB) * ((PART_BYTES // MIB) + 3) + b"end"
    await objects.put("big", _pieces(data, 700_001), size_bytes=len(data))
    digest, largest = hashlib.sha256(), 0
    async for piece in objects.get("big"):
        digest.update(piece)
        largest = max(largest, len(piece))
    assert digest.digest() == hashlib.sha256(data).digest()
    assert largest <= MIB
    assert await _read(objects, "big", offset=PART_BYTES - 5, length=10) == data[PART_BYTES - 5 : PART_BYTES + 5]


async def test_ranges(objects: ObjectStore) -> None:
    await objects.put("r", b"0123456789")
    assert await _read(objects, "r", offset=3) == b"3456789"
    assert await _read(objects, "r", offset=3, length=4) == b"3456"
    assert await _read(objects, "r", offset=8, length=50) == b"89"
    assert await _read(objects, "r", length=0) == b""
    assert await _read(objects, "r", offset=99) == b""


async def test_absent_objects(objects: ObjectStore) -> None:
    await objects.put("there/x", b"1")
    for key in ("none", "there", "there/x/y"):
        assert await objects.size(key) is None
        with pytest.raises(ObjectNotFoundError):
            await _read(objects, key)
        with pytest.raises(ObjectNotFoundError):
            await objects.get_bytes(key, limit_bytes=5)
        await objects.delete(key)
    assert await _read(objects, "there/x") == b"1"


async def test_deleted_is_gone(objects: ObjectStore) -> None:
    await objects.put("d", b"1")
    await objects.delete("d")
    assert await objects.size("d") is None
    assert await _keys(objects, "") == []


async def test_too_large_for_the_caller(objects: ObjectStore) -> None:
    await objects.put("l", b"12345")
    assert await objects.get_bytes("l", limit_bytes=5) == b"12345"
    with pytest.raises(ObjectTooLargeError):
        await objects.get_bytes("l", limit_bytes=4)


@pytest.mark.parametrize("before", [None, b"as it was"])
async def test_a_source_that_breaks_changes_nothing(objects: ObjectStore, before: bytes | None) -> None:
    data = bytes(PART_BYTES + 3 * MIB)
    if before is not None:
        await objects.put("k", before)
    with pytest.raises(ConnectionError):
        await objects.put("k", _pieces(data, MIB, fail_after=PART_BYTES + 2 * MIB))
    for wrong in (len(data) - 1, len(data) + 1):
        with pytest.raises(ValueError, match="bytes"):
            await objects.put("k", _pieces(data, MIB), size_bytes=wrong)
    with pytest.raises(ValueError, match="bytes"):
        await objects.put("k", b"12", size_bytes=3)
    assert await objects.size("k") == (None if before is None else len(before))
    assert await _keys(objects, "") == ([] if before is None else ["k"])


async def test_a_cancelled_put_changes_nothing(objects: ObjectStore) -> None:
    waiting = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"begun"
        waiting.set()
        await asyncio.sleep(30)
        yield b"never"

    task = asyncio.create_task(objects.put("c", stuck()))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await objects.size("c") is None


async def test_list_is_by_prefix_and_in_order(objects: ObjectStore) -> None:
    keys = ["a-b/1", "a/1", "a/2/3", "ab", "b/1"]
    await asyncio.gather(*(objects.put(key, b"") for key in reversed(keys)))
    assert await _keys(objects, "") == sorted(keys)
    assert await _keys(objects, "a/") == ["a/1", "a/2/3"]
    assert await _keys(objects, "a") == ["a-b/1", "a/1", "a/2/3", "ab"]
    assert await _keys(objects, "zz/") == []


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "ä", "a b", "x" * 1001])
async def test_keys_that_could_lead_elsewhere_are_refused(objects: ObjectStore, key: str) -> None:
    for call in (objects.put(key, b""), objects.delete(key), objects.size(key), _read(objects, key)):
        with pytest.raises(ValueError, match="key"):
            await call


async def test_a_crash_leaves_no_half_written_object(tmp_path: Path) -> None:
    store = await open_object_store(Settings(tmp_path))
    (tmp_path / "objects" / "tmp" / "left").write_bytes(b"half")
    await store.put("whole", b"1")
    again = await open_object_store(Settings(tmp_path))
    assert await _keys(again, "") == ["whole"]
    assert list((tmp_path / "objects" / "tmp").iterdir()) == []


async def test_a_process_that_starts_leaves_the_uploads_of_others_alone(tmp_path: Path) -> None:
    store = await open_object_store(Settings(tmp_path))

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        await open_object_store(Settings(tmp_path))
        yield b"two"

    await store.put("k", pieces())
    assert await _read(store, "k") == b"one two"


@pytest.mark.servers
async def test_s3_refuses_a_wrong_secret(s3_url: str, tmp_path: Path) -> None:
    parts = urlsplit(s3_url)
    wrong = s3_url.replace(parts.password or "", "another-secret")
    with pytest.raises(PlatformError) as refusal:
        await open_object_store(Settings(tmp_path, objects_url=wrong))
    assert refusal.value.reason is Reason.UNAVAILABLE
    assert "another-secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://x/y", "s3://host/bucket", "s3://k:s@host/", "s3://k:s@host/a/b"])
async def test_a_wrong_url_is_refused_without_its_secret(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="s3://") as refusal:
        await open_object_store(Settings(tmp_path, objects_url=url))
    assert "k:s" not in str(refusal.value)
