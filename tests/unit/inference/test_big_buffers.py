"""Buffers for tensors: used again when nothing looks at them any more, and never with what lay there before."""

from __future__ import annotations

import asyncio
import mmap
import os
import threading

import numpy as np
import pytest
import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters import big_buffers
from memporium_services.inference.adapters.big_buffers import Buffers
from memporium_services.inference.adapters.sealed_disk import SealedDisk
from memporium_services.inference.app.blob_cache import BlobCache

SIZE = 5 << 20
SECRET = b"what another tenant remembers. "
# Everything that one of these may stand for.
VIEWS = {
    "the buffer": lambda data: data,
    "a part": lambda data: data[7:99],
    "a part of a part": lambda data: memoryview(data)[8:][:4],
    "a tensor": lambda data: torch.frombuffer(data, dtype=torch.uint8, count=9, offset=3),
    "a view of a tensor": lambda data: torch.frombuffer(data, dtype=torch.float16, count=64).view(8, 8)[2:, 1],
    "an array": lambda data: np.frombuffer(data, dtype=np.uint8)[4:],
    "an array of a part": lambda data: np.asarray(data[16:]).reshape(-1),
}


@pytest.fixture
def mapped(monkeypatch):
    """Note each buffer that is asked of the system."""
    found, real = [], big_buffers._mapped
    monkeypatch.setattr(big_buffers, "_mapped", lambda size: (found.append(real(size)), found[-1])[1])
    return found


def filled(buffers, size=SIZE, what=SECRET, owner=""):
    data = buffers.take(size, owner)
    data[:] = (what * (size // len(what) + 1))[:size]
    return data


@pytest.mark.parametrize("size", [1, 10, (2 << 20) - 1, 2 << 20, SIZE, SIZE + 1])
def test_a_buffer_is_as_long_as_asked_and_writable(size):
    data = Buffers(1 << 30).take(size)
    assert len(data) == size
    data[:4] = b"abcd"[:size]
    assert bytes(data[:4]) == b"abcd"[:size]
    assert torch.frombuffer(data, dtype=torch.uint8).numel() == size


def test_what_comes_back_is_lent_again(mapped):
    buffers = Buffers(1 << 30)
    for _ in range(3):
        del [filled(buffers)][:]
    assert len(mapped) == 1
    assert buffers.spare_bytes == len(mapped[0])


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_whatever_looks_at_a_buffer_keeps_it_from_others(mapped, view):
    buffers = Buffers(1 << 30)
    data = filled(buffers)
    looks = view(data)
    before = bytes(mapped[0][:SIZE])
    del data
    assert buffers.spare_bytes == 0
    other = filled(buffers, what=b"mine")
    assert len(mapped) == 2
    assert mapped[0][:SIZE] == before
    del looks
    # Now it is free, and taken before the system is asked.
    assert buffers.spare_bytes == len(mapped[0])
    again = buffers.take(SIZE)
    assert len(mapped) == 2
    assert len(other) == len(again) == SIZE


def test_what_lay_behind_the_end_is_cleared(mapped):
    buffers = Buffers(1 << 30)
    longest = len(filled(buffers, SIZE + 4000))
    shorter = filled(buffers, SIZE, b"mine")
    assert len(mapped) == 1
    assert SECRET not in mapped[0][:]
    assert not any(mapped[0][SIZE:longest])
    del shorter
    # Nothing of what is between is left for a longer one either.
    longer = buffers.take(SIZE + 4000)
    assert not any(longer[SIZE:])


def test_a_sealed_file_overwrites_all_that_another_tenant_left(tmp_path, mapped):
    buffers = Buffers(1 << 30)
    disk = SealedDisk(tmp_path, buffers)
    del [filled(buffers)][:]
    assert SECRET in mapped[0][:]
    mine = bytearray(os.urandom(SIZE - 17))
    file = disk.new(len(mine))
    disk.write(file, mine)
    found = disk.read(file)
    assert len(mapped) == 1
    assert found == mine
    assert SECRET[:8] not in mapped[0][:]
    disk.close()


def test_a_damaged_file_gives_nothing_of_what_another_tenant_left(tmp_path, mapped):
    buffers = Buffers(1 << 30)
    disk = SealedDisk(tmp_path, buffers)
    del [filled(buffers)][:]
    file = disk.new(SIZE)
    disk.write(file, bytearray(SIZE))
    with file.path.open("r+b") as damaged:
        damaged.seek(SIZE - 5)
        (byte,) = damaged.read(1)
        damaged.seek(SIZE - 5)
        damaged.write(bytes([byte ^ 1]))
    with pytest.raises(PlatformError) as caught:
        disk.read(file)
    assert caught.value.reason is Reason.INTEGRITY_FAILURE
    assert len(mapped) == 1
    disk.close()


def test_what_one_organisation_lets_go_of_makes_no_other_ones_loads_faster(mapped):
    buffers = Buffers(1 << 30)
    del [buffers.take(SIZE, "acme")][:]
    mine = buffers.take(SIZE, "press")
    assert len(mapped) == 2
    again = buffers.take(SIZE, "acme")
    assert len(mapped) == 2
    assert len(mine) == len(again)


def test_what_one_organisation_lets_go_of_drives_out_its_own_alone(mapped):
    buffers = Buffers(20 << 20, most=3)
    del [buffers.take(SIZE, "acme")][:]
    lent = [buffers.take(SIZE, "press") for _ in range(4)]
    lent.clear()
    assert buffers.spare_bytes == 3 * (6 << 20)
    acme = buffers.take(SIZE, "acme")
    assert len(mapped) == 5
    # The third place is taken by the others now; so nothing of its own is kept before they leave.
    lent = [buffers.take(SIZE, "press") for _ in range(3)]
    lent.clear()
    del acme
    buffers.take(SIZE, "acme")
    assert len(mapped) == 7


async def test_files_come_back_into_memory_of_their_own_organisation(tmp_path, mapped):
    world = World(tmp_path)
    for digest in ("x", "y", "z"):
        await world.use(digest, tenant="a")
    del [filled(world.buffers)][:]
    taken = []
    take = world.buffers.take
    world.buffers.take = lambda size, owner="": (taken.append(owner), take(size, owner))[1]
    assert bytes((await world.use("x", tenant="a"))[:4]) == b"a/x;"
    assert taken == ["a"]
    await world.cache.close()


def test_only_so_much_is_kept():
    buffers = Buffers(20 << 20, most=3)
    lent = [buffers.take(SIZE) for _ in range(4)]
    # The oldest goes, of more than three.
    lent.clear()
    assert buffers.spare_bytes == 3 * (6 << 20)
    lent = [buffers.take(16 << 20), buffers.take(21 << 20)]
    lent.clear()
    # More than all that may be kept is not, and drives out the others.
    assert buffers.spare_bytes in {0, 16 << 20}


def test_without_room_for_spare_ones_all_memory_is_fresh(mapped):
    buffers = Buffers()
    for _ in range(2):
        del [filled(buffers)][:]
    assert len(mapped) == 2
    assert buffers.spare_bytes == 0


def test_what_is_not_needed_for_long_goes_back_to_the_system():
    now = [0.0]
    buffers = Buffers(1 << 30, seconds=lambda: now[0])
    del [buffers.take(SIZE)][:]
    buffers.give_back_idle()
    assert buffers.spare_bytes
    now[0] = 61.0
    buffers.give_back_idle()
    assert buffers.spare_bytes == 0


def test_many_threads_never_share_a_buffer():
    buffers, wrong = Buffers(1 << 30), []

    def work(number):
        for turn in range(20):
            mark = bytes([number, turn])
            data = buffers.take(2 << 20)
            data[:2] = data[-2:] = mark
            other = buffers.take(2 << 20)
            other[:2] = b"\xff\xff"
            if bytes(data[:2]) != mark or bytes(data[-2:]) != mark:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("size", [2 << 20, (2 << 20) + 1, 47_185_920, 94_371_840, (1 << 30) - 5])
def test_sizes_are_rounded_up_a_little_to_whole_huge_pages(size):
    rounded = big_buffers._rounded(size)
    assert size <= rounded <= max(size * 1.125, size + (2 << 20))
    assert rounded % (2 << 20) == 0


class World:
    """A cache with room for two, over a disk, which shares buffers with the vault."""

    def __init__(self, folder):
        self.buffers, self.fetched = Buffers(1 << 30), 0
        disk = SealedDisk(folder, self.buffers)
        sizes = {"files": disk, "disk_bytes": 8 * SIZE, "spare": self.buffers}
        self.cache = BlobCache(2 * SIZE, policy="lru", **sizes)

    async def use(self, digest, *, tenant="a"):
        async def load():
            self.fetched += 1
            return filled(self.buffers, what=f"{tenant}/{digest};".encode(), owner=tenant)

        data = await self.cache.get(tenant, digest, load, agreements=frozenset(), vault="orgs/a/vaults/v")
        await self.cache.disk.settled()
        return data

    async def lends(self, most):
        """Wait until no more than so many are lent: a thread that wrote one lets go of it just after it says so."""
        async with asyncio.timeout(60):
            while sum(back.alive for back in self.buffers._lent) > most:
                await asyncio.sleep(0)


async def test_tensors_that_go_leave_their_memory_to_those_that_come(tmp_path, mapped):
    world = World(tmp_path)
    held = await world.use("x", tenant="a")
    for _ in range(3):
        for digest in ("y", "z", "w"):
            assert bytes((await world.use(digest, tenant="b"))[:4]) == f"b/{digest};".encode()
    # Two that memory holds, the one that is looked at, and one that is being filled.
    assert world.fetched == 4
    assert len(mapped) <= 4
    assert held == filled(world.buffers, what=b"a/x;")
    await world.cache.close()


async def test_what_is_dropped_does_not_stay_in_spare_memory(tmp_path, mapped):
    world = World(tmp_path)
    mounted = await world.use("x")
    for digest in ("y", "z", "w"):
        await world.use(digest)
    await world.lends(3)
    # `y` went to the disk, and its memory is spare.
    assert world.buffers.spare_bytes
    assert world.cache.drop({"a/x", "a/w"}) == 2
    assert world.buffers.spare_bytes == 0
    # A generation that goes on keeps what it mounts; when it ends, that is not kept either.
    del mounted
    assert world.buffers.spare_bytes == 0
    # What memory holds comes back as ever.
    world.cache.drop({"a/none"})
    await world.use("u")
    await world.use("v")
    await world.lends(2)
    assert world.buffers.spare_bytes
    await world.cache.close()


def test_a_system_without_huge_pages_lends_ordinary_memory(monkeypatch):
    monkeypatch.setattr(big_buffers, "_ADVICE", None)
    assert isinstance(Buffers(1 << 30).take(SIZE), bytearray)
    monkeypatch.setattr(big_buffers, "_ADVICE", 1 << 20)
    # Advice that the system does not know.
    assert isinstance(big_buffers._mapped(SIZE), mmap.mmap)
