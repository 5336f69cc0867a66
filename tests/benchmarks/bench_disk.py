"""What it takes to get at stored tensors: from memory, from a mapped file, and from a sealed file of the disk tier.

Each way ends with every number converted to float32 once, head by head, as attention over a mounted KV memory does, so
that the first touch of each page is in it. Mapped files are measured as they lie after they were written, and after
they went from the page cache and were read again, with the advice to read ahead and with that for huge pages. Sealed
files are opened into memory that was just asked for, in small and in huge pages, and into buffers that were used before;
the last also where they must come from the disk, and by the service's tiers, where two memories take turns in host memory
that has room for one. CPU and wall time of this one process, the least and the median of the rounds. Prints one JSON
object last.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import mmap
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services")]

import torch  # noqa: E402

from memporium_services.inference.adapters.big_buffers import Buffers  # noqa: E402
from memporium_services.inference.adapters.generators.safetensors_views import map_file  # noqa: E402
from memporium_services.inference.adapters.sealed_disk import SealedDisk  # noqa: E402
from memporium_services.inference.app.blob_cache import BlobCache  # noqa: E402

# SmolLM2-135M: bytes of a KV memory of one token, and tokens of one head.
_TOKEN_BYTES, _HEAD = 23_040, 64


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: that of temporary files")
    return parser.parse_args()


def touch(data, tokens):
    """Convert all numbers, one head after the other."""
    room, size = torch.empty(tokens, _HEAD), tokens * _HEAD
    for start in range(0, len(data) - 2 * size + 1, 2 * size):
        room.copy_(torch.frombuffer(data, dtype=torch.float16, count=size, offset=start).view(tokens, _HEAD))


def drop(path):
    """Take a file out of the page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_ahead(path):
    with path.open("rb") as file:
        found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    found.madvise(mmap.MADV_WILLNEED)
    return found


def measured(ways, rounds, tokens):
    taken = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            wall, cpu = time.perf_counter(), time.process_time()
            touch(way(), tokens)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            taken[name].append((cpu * 1e3, wall * 1e3, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults))
    # The first round warms up.
    return {
        name: {
            "cpu_ms_least": round(min(one[0] for one in found[1:]), 2),
            "cpu_ms": round(statistics.median(one[0] for one in found[1:]), 2),
            "wall_ms": round(statistics.median(one[1] for one in found[1:]), 2),
            "page_faults": round(statistics.median(one[2] for one in found[1:])),
        }
        for name, found in taken.items()
    }


class SmallPages:
    """Memory as the system gives it."""

    def take(self, size_bytes, _owner=""):
        return bytearray(size_bytes)


def opened(disk, file, buffers, *, cold=False):
    """Return a way to open a sealed file into these buffers."""

    def way():
        if cold:
            drop(file.path)
        disk._buffers = buffers
        return disk.read(file)

    return way


def by_turns(folder, data, runner):
    """Return a way to bring what is not in host memory back from the disk tier, as the service does."""
    size, buffers, turns = len(data), Buffers(2 * len(data)), itertools.cycle("ab")
    files = SealedDisk(folder, buffers)
    cache = BlobCache(size * 3 // 2, policy="lru", files=files, disk_bytes=3 * size, spare=buffers)

    async def load():
        return bytearray(data)

    def way():
        return runner.run(cache.get("tenant", next(turns), load, agreements=frozenset()))

    for _ in range(3):
        way()
        runner.run(cache.disk.settled())
    return way


def main(given):
    torch.set_num_threads(1)
    data = bytearray(os.urandom(given.tokens * _TOKEN_BYTES))
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        path = Path(name) / "kv"
        path.write_bytes(data)
        rows = measured(
            {"memory": lambda: data, "mapped, as written": lambda: map_file(path)}, given.rounds, given.tokens
        )
        for way, label in ((read_ahead, "mapped, read ahead"), (map_file, "mapped, huge pages (the platform's)")):
            drop(path)
            touch(way(path), given.tokens)
            rows |= measured({label: lambda way=way: way(path)}, given.rounds, given.tokens)
        disk = SealedDisk(Path(name) / "tensors")
        file, kept = disk.new(len(data)), Buffers(2 * len(data))
        began = time.process_time()
        disk.write(file, data)
        sealing = time.process_time() - began
        ways = {
            "sealed, small pages": opened(disk, file, SmallPages()),
            "sealed, huge pages": opened(disk, file, Buffers()),
            "sealed, buffers used again (the platform's)": opened(disk, file, kept),
            "sealed, buffers used again, not in the page cache": opened(disk, file, kept, cold=True),
        }
        with asyncio.Runner() as runner:
            ways["the service's tiers, two memories by turns"] = by_turns(Path(name) / "tiers", data, runner)
            rows |= measured(ways, given.rounds, given.tokens)
        disk.close()
    result = {
        "benchmark": "disk",
        "bytes": len(data),
        "rounds": given.rounds,
        "sealing_cpu_ms": round(sealing * 1e3, 2),
        "rows": rows,
    }
    print(json.dumps(result))
    return result


if __name__ == "__main__":
    main(arguments())
