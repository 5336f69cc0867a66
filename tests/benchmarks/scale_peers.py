"""What bench_scale puts beside its own figures: the bare index, an exact scan, and mem0; and the aims by them."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from support.scale_corpus import DIMENSIONS, Corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# What Recall asks each leg for, where ten items are wanted.
RECALL_RESULTS = 256
_MEM0 = Path(__file__).with_name("scale_mem0.py")


def summary(times_s: Sequence[float]) -> dict[str, float]:
    """Return percentiles in milliseconds."""
    ms = np.array(times_s) * 1000
    return {f"p{share}": round(float(np.percentile(ms, share)), 2) for share in (50, 95, 99)}


def stored_bytes(folder: Path) -> int:
    """Return what the files of a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def bare(data: Path, *, queries: int, warm: int, results: int) -> dict[str, Any]:
    """Return times of the index alone, of an exact scan, and how many of the exact best the index finds.

    Args:
        data: Of a server that has ended.
        queries: How many are timed.
        warm: How many are asked before.
        results: How many are wanted.
    """
    # Names begin with the time: the first is the vault of facts, the other that of the dialogue.
    folder = min((data / "index").iterdir())
    disk = stored_bytes(folder)
    store = EmbeddedIndexStore(data / "index")
    began = time.perf_counter()
    index = store.open(folder.name, dimensions=DIMENSIONS)
    asked = Corpus(98).vectors(queries + warm)
    index.search_dense(asked[0], k=results)
    opened_s = time.perf_counter() - began
    matrix = np.memmap(folder / "vectors.f32", np.float32, mode="r").reshape(-1, DIMENSIONS)
    kinds: dict[str, Callable[[Any], Any]] = {
        "index_dense_ms": lambda vector: index.search_dense(vector, k=results),
        "index_dense_as_recall_asks_ms": lambda vector: index.search_dense(vector, k=RECALL_RESULTS),
        "numpy_scan_ms": lambda vector: np.argpartition(-(matrix @ vector), results)[:results],
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    cpu = dict.fromkeys(kinds, 0.0)
    shared = []
    for vector in asked:
        found = {}
        for name, kind in kinds.items():
            began, began_cpu = time.perf_counter(), time.thread_time()
            found[name] = kind(vector)
            times[name].append(time.perf_counter() - began)
            cpu[name] += time.thread_time() - began_cpu
        worst_of_best = float((matrix[found["numpy_scan_ms"]] @ vector).min())
        shared.append(float((found["index_dense_ms"].scores >= worst_of_best - 1e-3).mean()))
    store.close()
    figures: dict[str, Any] = {
        name: summary(some[warm:]) | {"cpu": round(1000 * cpu[name] / len(some), 2)} for name, some in times.items()
    }
    return figures | {
        "index_finds_of_exact_best": round(float(np.mean(shared)), 4),
        "index_open_ms": round(opened_s * 1000, 1),
        "index_disk_mib": round(disk / (1 << 20), 1),
    }


def mem0(python: str, *, facts: int, seconds: float, queries: int, packages: str = "") -> dict[str, Any] | str:
    """Return mem0's figures, or why there are none.

    Args:
        python: Of an environment that has it; "": none.
        facts: How many it is to add.
        seconds: How long it may add.
        queries: How many searches are timed.
        packages: Folder of the packages of Memporium's embedder, which then embeds each fact; "": vectors are given.
    """
    if not python:
        return "not measured: no --mem0-python"
    with tempfile.TemporaryDirectory() as folder:

        def run(*amounts: float) -> dict[str, Any] | str:
            command = [python, str(_MEM0), folder, *map(str, amounts)]
            command += ["--embedding", packages] if packages else []
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            return dict(json.loads(lines[-1])) if lines else f"failed: {done.stderr[-300:]}"

        found = run(facts, seconds, queries)
        if isinstance(found, str):
            return found
        disk = stored_bytes(Path(folder))
        found["disk_bytes_per_fact"] = round(disk / max(1, found["facts"]))
        # Another process, on what the first one left.
        again = run(0, 0, 1)
        return found | {"reopen_ms": again if isinstance(again, str) else again["opening_ms"]}


def aims(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return what the aims are about, of one vault's figures: times without the embedding, and ratios to the peers."""
    recall, index = figures["recall_ms"], figures["index_dense_as_recall_asks_ms"]
    found = {
        "recall_p50_ms": recall["p50"],
        "recall_p95_ms": recall["p95"],
        "recall_times_bare": round(recall["p50"] / max(index["p50"], 1e-3), 2),
    }
    peer = figures.get("mem0")
    if isinstance(peer, dict):
        each = peer["ingest_facts_per_s"]
        found["ingest_times_mem0"] = round(figures["ingest_facts_per_s"] / each, 2)
        # Of turns, which Memporium forms and embeds meanwhile; mem0 was given its vectors.
        found["remember_times_mem0"] = round(figures["remember_at_size"]["turns_per_s"] / each, 2)
    return found


def growth(by_size: Mapping[int, Mapping[str, Any]]) -> dict[str, float]:
    """Return the exponents of cost by size, from the smallest to the largest: 1 is a scan, 0 is constant."""
    if len(by_size) < 2:
        return {}
    small, large = min(by_size), max(by_size)
    decades = np.log(large / small)
    keys = [key for key, value in by_size[large].items() if isinstance(value, dict) and "p50" in value]
    ratios = {key: by_size[large][key]["p50"] / max(by_size[small][key]["p50"], 1e-3) for key in keys}
    return {key: round(float(np.log(ratio) / decades), 2) for key, ratio in ratios.items()}
