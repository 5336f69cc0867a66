"""The tier on a disk: sealed files, what lies in them, and what becomes of them."""

from __future__ import annotations

import asyncio
import errno
import os
import threading

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.sealed_disk import PIECE_BYTES, SealedDisk
from memporium_services.inference.app.blob_cache import BlobCache
from memporium_services.inference.app.blobs_in_force import Forgotten
from support.stored import stored

# Found by a search of raw bytes wherever it lay in the clear.
SECRET = b"the keys and values of a memory " * 4


def raw(folder):
    return b"".join(data for _, data in stored(folder))


def files(folder):
    return [path for path, _ in stored(folder) if path.suffix != ".lock"]


@pytest.fixture
def disk(tmp_path):
    found = SealedDisk(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("size", [1, 100, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES - 7])
def test_what_is_written_comes_back_and_is_not_in_the_clear(disk, tmp_path, size):
    data = bytearray((SECRET * (size // len(SECRET) + 1))[:size])
    file = disk.new(size)
    assert disk.write(file, data)
    assert bytes(disk.read(file)[:]) == data
    assert SECRET[:32] not in raw(tmp_path)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700


def test_each_file_has_a_key_of_its_own(disk):
    one, other = disk.new(len(SECRET)), disk.new(len(SECRET))
    for file in (one, other):
        disk.write(file, bytearray(SECRET))
    assert one.path.read_bytes() != other.path.read_bytes()
    one.path.replace(other.path)
    with pytest.raises(PlatformError) as caught:
        disk.read(other)
    assert caught.value.reason is Reason.INTEGRITY_FAILURE
    assert "AESGCM" not in repr(one)


def _swapped(data):
    end = PIECE_BYTES + 16
    return data[end : 2 * end] + data[:end] + data[2 * end :]


@pytest.mark.parametrize(
    "change", [lambda data: bytes([data[0] ^ 1]) + data[1:], lambda data: data[:-1], lambda data: data[:0], _swapped]
)
def test_a_changed_file_is_refused(disk, change):
    file = disk.new(2 * PIECE_BYTES + 5)
    disk.write(file, bytearray(os.urandom(file.size_bytes)))
    file.path.write_bytes(change(file.path.read_bytes()))
    with pytest.raises(PlatformError) as caught:
        disk.read(file)
    assert caught.value.reason is Reason.INTEGRITY_FAILURE


def test_a_file_that_is_deleted_before_it_is_written_never_is(disk, tmp_path):
    file = disk.new(len(SECRET))
    disk.delete(file)
    assert not disk.write(file, bytearray(SECRET))
    assert files(tmp_path) == []


def test_leftovers_of_crashed_processes_go_and_nothing_else(tmp_path):
    (tmp_path / "mine.txt").write_text("not of the tier")
    (tmp_path / "run-notes").mkdir()
    crashed, living = SealedDisk(tmp_path), SealedDisk(tmp_path)
    for one in (crashed, living):
        one.write(one.new(len(SECRET)), bytearray(SECRET))
    kept = living._folder
    # A process that is killed closes its files, and removes nothing.
    crashed._lock.close()
    fresh = SealedDisk(tmp_path)
    assert not crashed._folder.exists()
    assert len(files(kept)) == 1
    assert (tmp_path / "mine.txt").exists()
    assert (tmp_path / "run-notes").exists()
    for one in (living, fresh):
        one.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "run-notes"]


def test_a_disk_that_is_nearly_full_is_left_alone(disk, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1 << 30, "total": 1 << 40})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    file = disk.new(len(SECRET))
    with pytest.raises(OSError, match="full"):
        disk.write(file, bytearray(SECRET))
    assert files(tmp_path) == []
    usage.free += len(SECRET)
    assert disk.write(file, bytearray(SECRET))


class World:
    """A cache over a disk, and a vault that counts."""

    def __init__(self, folder, *, memory=100, disk=1000, files=None, policy="lru"):
        self.now, self.fetched, self.folder = 0.0, [], folder
        self.files = files or SealedDisk(folder)
        self.cache = BlobCache(memory, policy=policy, seconds=lambda: self.now, files=self.files, disk_bytes=disk)

    async def use(self, digest, size=80, *, tenant="a", agreements=(), vault="orgs/a/vaults/v"):
        async def load():
            self.fetched.append(digest)
            await asyncio.sleep(0)
            return bytearray((digest.encode() + SECRET)[:size])

        self.now += 1.0
        found = await self.cache.get(tenant, digest, load, agreements=frozenset(agreements), vault=vault)
        await self.cache.disk.settled()
        assert bytes(found[:]) == (digest.encode() + SECRET)[:size]


@pytest.fixture
async def world(tmp_path):
    found = World(tmp_path)
    yield found
    await found.cache.close()


async def test_what_memory_gives_up_is_found_on_the_disk(world, tmp_path):
    for digest in ("x", "y", "x", "y", "y"):
        await world.use(digest)
    assert world.fetched == ["x", "y"]
    figures = world.cache.figures("a")
    assert (figures.hits, figures.misses, figures.disk_hits) == (1, 2, 2)
    assert world.cache.disk.held_bytes("a") == 160
    assert world.cache.held_bytes("a") == 80
    # Brought back into memory twice, written once each.
    assert len(files(tmp_path)) == 2
    assert SECRET[:32] not in raw(tmp_path)


async def test_tenants_share_nothing(world):
    await world.use("x")
    await world.use("y")
    await world.use("x", tenant="b")
    assert world.fetched == ["x", "y", "x"]
    assert world.cache.figures("b").disk_hits == 0


async def test_the_disk_keeps_its_budget(tmp_path):
    world = World(tmp_path, memory=0, disk=200)
    for digest in ("u", "v", "w", "x"):
        await world.use(digest)
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 200 + 2 * 16
    assert world.cache.disk.size_bytes == 160
    await world.use("x")
    assert world.fetched == ["u", "v", "w", "x"]
    await world.use("u")
    assert world.fetched[-1] == "u"
    await world.cache.close()
    assert raw(tmp_path) == b""


async def test_what_came_under_an_ended_agreement_goes_from_the_disk(world, tmp_path):
    await world.use("x", agreements=("orgs/p/agreements/1",))
    await world.use("y")
    await world.use("z")
    assert len(files(tmp_path)) == 2
    assert world.cache.drop_agreement("orgs/p/agreements/1") == 1
    assert len(files(tmp_path)) == 1
    await world.use("x")
    assert world.fetched == ["x", "y", "z", "x"]


async def test_an_agreement_that_is_learnt_of_later_counts_for_the_file(world, tmp_path):
    for digest in ("x", "y"):
        await world.use(digest)
    await world.use("x", agreements=("orgs/p/agreements/1",))
    await world.use("y")
    assert world.cache.drop_agreement("orgs/p/agreements/1") == 1
    assert len(files(tmp_path)) == 1


async def test_what_is_dropped_while_it_is_loaded_is_not_held(tmp_path):
    world = World(tmp_path)
    began, go_on = asyncio.Event(), asyncio.Event()

    async def load():
        began.set()
        await go_on.wait()
        return bytearray(80)

    loading = asyncio.create_task(
        world.cache.get("a", "x", load, agreements=frozenset({"orgs/p/agreements/1"}), vault="orgs/a/vaults/v")
    )
    await began.wait()
    assert world.cache.by_vault() == {"orgs/a/vaults/v": {"a/x"}}
    assert world.cache.drop_agreement("orgs/p/agreements/1") == 1
    go_on.set()
    assert len(await loading) == 80
    assert world.cache.size_bytes == world.cache.disk.size_bytes == 0
    assert world.cache.by_vault() == {}
    await world.cache.close()


class SlowFiles(SealedDisk):
    """Writes and reads when it is told to."""

    def __init__(self, folder):
        super().__init__(folder)
        self.began, self.go_on = threading.Event(), threading.Event()

    def write(self, file, data):
        self.began.set()
        self.go_on.wait(60)
        return super().write(file, data)

    def read(self, file):
        data = super().read(file)
        self.began.set()
        self.go_on.wait(60)
        return data


async def test_what_is_dropped_while_it_is_written_leaves_nothing(tmp_path):
    world = World(tmp_path, memory=0, files=SlowFiles(tmp_path))
    using = asyncio.create_task(world.use("x", agreements=("orgs/p/agreements/1",)))
    await asyncio.to_thread(world.files.began.wait, 60)
    # It can be used meanwhile.
    assert await world.cache.disk.read("a/x") is not None
    world.cache.drop_agreement("orgs/p/agreements/1")
    world.files.go_on.set()
    await using
    assert files(tmp_path) == []
    assert world.cache.disk.size_bytes == 0
    await world.cache.close()


async def test_what_is_dropped_while_it_is_read_is_asked_of_the_vault(tmp_path):
    world = World(tmp_path, memory=0, files=SlowFiles(tmp_path))
    world.files.go_on.set()
    await world.use("x", agreements=("orgs/p/agreements/1",))
    world.files.began.clear()
    world.files.go_on.clear()
    reading = asyncio.create_task(world.cache.disk.read("a/x"))
    await asyncio.to_thread(world.files.began.wait, 60)
    world.cache.drop_agreement("orgs/p/agreements/1")
    world.files.go_on.set()
    assert await reading is None
    await world.cache.close()


class FullDisk(SealedDisk):
    full = True

    def write(self, file, data):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(file, data)


async def test_a_full_disk_is_done_without_and_tried_again_later(tmp_path):
    world = World(tmp_path, memory=0, files=FullDisk(tmp_path))
    await world.use("x")
    await world.use("x")
    assert world.fetched == ["x", "x"]
    assert world.cache.disk.size_bytes == 0
    world.files.full = False
    await world.use("x")
    assert world.cache.disk.size_bytes == 0
    world.now += 30.0
    await world.use("x")
    await world.use("x")
    assert world.fetched == ["x"] * 4
    await world.cache.close()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
async def test_what_the_disk_lost_comes_from_the_vault(tmp_path, damage):
    world = World(tmp_path, memory=0)
    await world.use("x")
    damage(files(tmp_path)[0])
    await world.use("x")
    await world.use("x")
    assert world.fetched == ["x", "x"]
    await world.cache.close()


class Vaults:
    """Says once that something is gone, after a connection that broke."""

    def __init__(self, gone):
        self.gone, self.asked, self.said, self.tries = gone, None, asyncio.Event(), 0

    async def watch(self, held, *, every_s):
        self.tries += 1
        if self.tries == 1:
            raise PlatformError(Reason.UNAVAILABLE, "away")
        self.asked = held()
        yield self.gone
        self.said.set()
        await asyncio.Event().wait()


async def test_what_no_tier_has_place_for_is_still_asked_about(tmp_path, monkeypatch):
    monkeypatch.setattr("memporium_services.inference.app.blob_cache._MOST_LATELY", 2)
    world = World(tmp_path, memory=0, disk=0)
    for digest in ("x", "y", "z"):
        await world.use(digest)
    # A model may hold an adapter that it was given.
    assert world.cache.by_vault() == {"orgs/a/vaults/v": {"a/y", "a/z"}}
    assert world.cache.drop({"a/y"}) == 1
    assert world.cache.by_vault() == {"orgs/a/vaults/v": {"a/z"}}
    await world.cache.close()


async def test_what_a_vault_forgets_goes_from_memory_and_disk(world, tmp_path, monkeypatch):
    monkeypatch.setattr("memporium_services.inference.app.blobs_in_force._RECONNECT_S", 0.0)
    for digest, vault in (("x", "orgs/a/vaults/v"), ("y", "orgs/a/vaults/v"), ("z", "orgs/a/vaults/w")):
        await world.use(digest, vault=vault)
    dropped = []
    vaults = Vaults(("orgs/a/vaults/v", frozenset({"x", "z"})))
    forgotten = Forgotten(vaults, world.cache, every_s=1.0, on_drop=dropped.append)
    forgotten.start()
    await asyncio.wait_for(vaults.said.wait(), 60)
    await forgotten.stop()
    assert vaults.asked == {"orgs/a/vaults/v": {"x", "y"}, "orgs/a/vaults/w": {"z"}}
    # What the vault v forgot; z is another's.
    assert dropped == [{"a/x"}]
    assert world.cache.by_vault() == {"orgs/a/vaults/v": {"a/y"}, "orgs/a/vaults/w": {"a/z"}}
    assert len(files(tmp_path)) == 1
