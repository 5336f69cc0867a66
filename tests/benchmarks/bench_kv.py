"""Time to first token with a memory in the prompt and as a mounted KV cache, by length of the memory and the query.

For each pair of lengths, in interleaved rounds: the memory in the prompt; its KV cache from host memory, from a file in
the page cache, from a file that must come from the disk, from a sealed file of the service's disk tier, opened into
memory that was used before as the service does, and into fresh memory, from an object store (a folder, or S3 by
--objects s3); on a GPU also from page-locked host memory and from its own; the limit, the query alone; and the peer,
transformers itself with the memory in the prompt and with a `DynamicCache` made from tensors that are ready. Medians of
wall and CPU time (on a CPU, prompts beyond 4,096 tokens are read once); gains are of CPU time, on a GPU of wall time.
Every time goes from the bytes of the cache to the first token on the host. The cost of building the cache is shown with
the number of uses after which it is earned back. Prints one JSON object last; --out is written after each row.

On a GPU: `bench_kv.py --device cuda --shape 7b --paper` (8b, 32b) with random weights, whose values no time depends on.
Each row then says what MemOS gives for its lengths; a saving is there of the faster of both prompts, and `larger_here`
where it is larger than MemOS's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from pydoc_data import topics

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

# Caches of ever other sizes must not leave holes that 78 GiB have no room for beside 61 of weights.
for _name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
    os.environ.setdefault(_name, "expandable_segments:True")

import torch  # noqa: E402

from memporium_services.inference.adapters.big_buffers import Buffers  # noqa: E402
from memporium_services.inference.adapters.generators.safetensors_views import map_file  # noqa: E402
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine  # noqa: E402
from memporium_services.inference.adapters.models import SMOLLM2, _local  # noqa: E402
from memporium_services.inference.adapters.sealed_disk import SealedDisk  # noqa: E402
from memporium_services.inference.domain.values import KvBlob, KvForm  # noqa: E402
from memporium_services.inference.settings import InferenceSettings  # noqa: E402
from support.kv_paper import CONTEXTS, QUERIES, beside_paper  # noqa: E402
from support.kv_peer import TransformersPeer  # noqa: E402
from support.kv_shapes import SHAPES, random_model  # noqa: E402
from support.objects_of_benchmarks import objects  # noqa: E402

# Of text between the memory and the query.
_GAP_TOKENS = 100
# Memory tokens beyond which a prompt is read but once, on a CPU.
_LONG = 4096


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contexts", default="512,1024,2048,4096", help="memory tokens, separated by commas")
    parser.add_argument("--queries", default="25", help="query tokens, separated by commas")
    parser.add_argument("--paper", action="store_true", help="the contexts and queries of MemOS's table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=sorted(SHAPES), help="random weights of this shape; default: the model")
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="", help="default: float32 on the CPU, bfloat16 on a GPU")
    parser.add_argument("--products", choices=["auto", "mkl"], default="auto", help="as the setting CPU_PRODUCTS")
    parser.add_argument("--objects", choices=["folder", "s3"], default="folder")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument(
        "--no-prompt", action="store_true", help="take what building the cache took for the prompt: it reads as much"
    )
    parser.add_argument("--ways", default="", help="only these, separated by commas, of those in the result's wall_ms")
    parser.add_argument("--data-dir", type=Path, default=Path("memporium-data"), help="where converted models lie")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tiny model, one short memory")
    found = parser.parse_args(given)
    found.dtype = found.dtype or ("float32" if found.device == "cpu" else "bfloat16")
    if found.quick:
        found.shape, found.contexts, found.queries, found.rounds = "tiny", "64", "8", 2
    if found.paper:
        found.contexts, found.queries = (",".join(map(str, lengths)) for lengths in (CONTEXTS, QUERIES))
    return found


def loaded(given):
    if given.shape:
        return random_model(given.shape, device=given.device, dtype=given.dtype)
    settings = InferenceSettings(device=given.device, compute_dtype=given.dtype)
    return _local(settings, given.data_dir)[given.model]()


def driven(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class Bench:
    """One model, and the ways to its first token."""

    def __init__(self, given, store):
        torch.set_num_threads(InferenceSettings().torch_threads)
        model = loaded(given)
        self.peer = None if given.no_peer else TransformersPeer(model.model)
        self.engine = CausalEngine(model, quick_products=given.products == "auto")
        self.store, self.on_gpu = store, given.device != "cpu"
        needed = sum(max(map(int, lengths.split(","))) for lengths in (given.contexts, given.queries)) + _GAP_TOKENS
        text = "\n\n".join(topics.topics.values())[: needed * 8]
        self.ids = model.tokenizer(text, add_special_tokens=False)["input_ids"][:needed]

    def first(self, ids, kv=None):
        """Return the first token behind what is mounted and `ids`."""
        capacity = len(ids) + (len(kv.ids) if kv else 0) + 1
        read = driven(self.engine.read(ids, capacity=capacity, kvs=(kv,) if kv else ()))
        return int(read.logits.argmax())

    def mounted(self, blob, query):
        return self.first(query, self.engine.open_kv(blob))

    async def from_store(self, blob, query):
        data, end = bytearray(len(blob.data)), 0
        async for piece in self.store.get("kv"):
            data[end : end + len(piece)] = piece
            end += len(piece)
        return self.mounted(replace(blob, data=data), query)

    def from_disk(self, path, blob, query, *, cold=False):
        if cold:
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return self.mounted(replace(blob, data=map_file(path)), query)

    def from_sealed(self, disk, file, blob, query, *, cold=False):
        if cold:
            with file.path.open("rb") as opened:
                os.fsync(opened.fileno())
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return self.mounted(replace(blob, data=disk.read(file)), query)

    async def clock(self, way):
        """Return (wall s, CPU s) and the token."""
        self.wait()
        wall, cpu = time.perf_counter(), time.process_time()
        token = way()
        if asyncio.iscoroutine(token):
            token = await token
        self.wait()
        return (time.perf_counter() - wall, time.process_time() - cpu), token

    def wait(self):
        if self.on_gpu:
            torch.cuda.synchronize()

    def moved(self, kv, move):
        """Return an opened cache with its numbers where `move` brings each."""
        return replace(kv, layers=tuple((move(keys), move(values)) for keys, values in kv.layers))


def pinned(one):
    """Return stored numbers in page-locked memory, from which a GPU fetches them by itself."""
    return replace(one, numbers=one.numbers.pin_memory(), scale=None if one.scale is None else one.scale.pin_memory())


async def kept(bench, memory, folder):
    """Build the cache of a memory and keep it everywhere; return it, its mapped file, what it took, and its disk."""
    wall, cpu = time.perf_counter(), time.process_time()
    built = driven(bench.engine.build_kv(memory, KvForm.FLOAT16))
    build = (time.perf_counter() - wall, time.process_time() - cpu)[not bench.on_gpu]
    blob = KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)
    path = folder / "kv.safetensors"
    path.write_bytes(built.data)
    await bench.store.put("kv", built.data, size_bytes=len(built.data))
    disk = SealedDisk(folder / "tensors", Buffers(2 * len(blob.data)))
    file = disk.new(len(blob.data))
    wall, cpu = time.perf_counter(), time.process_time()
    disk.write(file, blob.data)
    sealing = (time.perf_counter() - wall, time.process_time() - cpu)[not bench.on_gpu]
    return blob, path, (build, sealing), (disk, file)


def ways_of(bench, memory, query, stored, fresh):
    """Return all ways to the first token, by name."""
    blob, path, _, (disk, file) = stored
    ways = {
        "prompt": lambda: bench.first([*memory, *query]),
        "kv_memory": lambda: bench.mounted(blob, query),
        "kv_disk": lambda: bench.from_disk(path, blob, query),
        "kv_disk_cold": lambda: bench.from_disk(path, blob, query, cold=True),
        "kv_sealed": lambda: bench.from_sealed(disk, file, blob, query),
        "kv_sealed_cold": lambda: bench.from_sealed(disk, file, blob, query, cold=True),
        "kv_sealed_fresh": lambda: bench.from_sealed(fresh, file, blob, query),
        "kv_objects": lambda: bench.from_store(blob, query),
        "query_alone": lambda: bench.first(query),
    }
    if bench.on_gpu:
        opened = bench.engine.open_kv(blob)
        resident = bench.moved(opened, lambda one: one.to(bench.engine.loaded.model.device))
        ways["kv_gpu"] = lambda: bench.first(query, resident)
        if torch.cuda.is_available():
            locked = bench.moved(opened, pinned)
            ways["kv_pinned"] = lambda: bench.first(query, locked)
    if bench.peer is not None:
        ways["peer_prompt"] = lambda: bench.peer.prompt([*memory, *query])
        ways["peer_kv"] = lambda: bench.peer.mounted(query)
    return ways


async def measure(bench, memory, query, given, stored, folder):
    blob, _, (build, sealing), _ = stored
    fresh = SealedDisk(folder / "tensors")
    ways = ways_of(bench, memory, query, stored, fresh)
    if given.no_prompt:
        del ways["prompt"]
    if given.ways:
        ways = {name: way for name, way in ways.items() if name in given.ways.split(",")}
    taken, tokens = {name: [] for name in ways}, {}
    for number in range(given.rounds + 1):
        for name, way in ways.items():
            if name.endswith("prompt") and len(memory) > _LONG and number != 1 and not bench.on_gpu:
                # Minutes each, after a build that has warmed up: once.
                continue
            times, tokens[name] = await bench.clock(way)
            taken[name].append(times)
    fresh.close()
    # The first round warms up.
    taken = {name: found if len(found) == 1 else found[1:] for name, found in taken.items()}
    wall = {name: statistics.median(times[0] for times in found) for name, found in taken.items()}
    cpu = {name: statistics.median(times[1] for times in found) for name, found in taken.items()}
    spent = wall if bench.on_gpu else cpu
    spent.setdefault("prompt", build)
    best = spent.get("kv_gpu") or spent.get("kv_memory") or min(spent.values())
    saved = spent["prompt"] - best
    saving = 1 - best / min(spent["prompt"], spent.get("peer_prompt", spent["prompt"]))
    return {
        "memory_tokens": blob.token_count,
        "query_tokens": len(query),
        "wall_ms": {name: round(value * 1000, 2) for name, value in wall.items()},
        "cpu_ms": {name: round(value * 1000, 2) for name, value in cpu.items()},
        "beyond_memory": _beyond_memory(taken, not bench.on_gpu) if "kv_memory" in taken else None,
        "gain": {name: round(spent["prompt"] / value, 1) for name, value in spent.items() if name != "prompt"},
        "saving": round(saving, 4),
        "paper": beside_paper(given.shape, len(memory), len(query), saving),
        "gain_over_peer": round(spent["peer_prompt"] / best, 1) if "peer_prompt" in spent else None,
        "same_tokens": len({token for name, token in tokens.items() if name != "query_alone"}) == 1,
        "kv_bytes": len(blob.data),
        "sealing_ms": round(sealing * 1000, 1),
        "build_ms": round(build * 1000, 1),
        "break_even_uses": round(build / saved, 2) if saved > 0 else None,
        "gpu_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
    }


def _beyond_memory(taken, which):
    """Return how much more time each way took than memory, by the median over rounds of the ratio within each."""
    of = [times[which] for times in taken["kv_memory"]]
    return {
        name: round(statistics.median(one[which] / than - 1 for one, than in zip(found, of, strict=True)), 3)
        for name, found in taken.items()
        if name.startswith("kv_") and name != "kv_memory"
    }


def result_of(given, bench, rows):
    return {
        "benchmark": "kv",
        "model": given.shape or given.model,
        "fingerprint": bench.engine.loaded.fingerprint,
        "device": torch.cuda.get_device_name() if bench.on_gpu else "cpu",
        "dtype": given.dtype,
        "products": given.products,
        "shares": bench.engine.shares,
        "batches": bench.engine.batches,
        "torch_threads": torch.get_num_threads(),
        "objects": given.objects,
        "rounds": given.rounds,
        "rows": rows,
    }


async def main(given):
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with objects(given.objects, folder) as store:
            bench = Bench(given, store)
            for context in (int(part) for part in given.contexts.split(",")):
                memory, begin = bench.ids[:context], context + _GAP_TOKENS
                stored = await kept(bench, memory, folder)
                if bench.peer is not None and (not given.ways or "peer_kv" in given.ways):
                    bench.peer.keep(memory)
                for count in (int(part) for part in given.queries.split(",")):
                    query = bench.ids[begin : begin + count]
                    row = await measure(bench, memory, query, given, stored, folder)
                    rows.append(row)
                    sys.stderr.write(f"{row}\n")
                    if given.out:
                        given.out.write_text(json.dumps(result_of(given, bench, rows), indent=1))
                stored[3][0].close()
    result = result_of(given, bench, rows)
    print(json.dumps(result))
    return result


if __name__ == "__main__":
    asyncio.run(main(arguments()))
