"""What the past costs: searches as of a revision by how much has changed since, and a branch as of then, beside now.

`python tests/benchmarks/bench_past.py [--quick] [--size 100000] [--out FILE]` prints one JSON object last. Queries bring
their vectors; texts that have changed are embedded by feature hashing, so the time that a model takes is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import uvloop
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Vector
from support.scale_corpus import Corpus
from support.vaults import MODEL, VaultPlace, cell, vault_place

BATCH = 500
TOGETHER = 8


class Times(NamedTuple):
    """Seconds of each search, and of the processor for all of them, client included."""

    each_s: list[float]
    cpu_s: float

    def ms(self) -> dict[str, float]:
        """Return percentiles, and the processor's part of one."""
        ms = np.array(self.each_s) * 1000
        found = {name: round(float(np.percentile(ms, at)), 2) for name, at in (("p50", 50), ("p95", 95))}
        return found | {"cpu": round(self.cpu_s * 1000 / len(ms), 2)}


async def _fill(place: VaultPlace, vault: str, corpus: Corpus, count: int) -> list[str]:
    names = []
    for start in range(0, count, BATCH):
        vectors = corpus.vectors(min(BATCH, count - start))
        cubes = [NewCube(cube=cell(corpus.text()), unit_vectors=[Vector(values=vector.tolist())]) for vector in vectors]
        made = await place.stub.BatchCreateCubes(api.BatchCreateCubesRequest(parent=vault, cubes=cubes))
        names += [one.cube.name for one in made.cubes]
    return names


async def _change(place: VaultPlace, names: list[str], corpus: Corpus) -> None:
    gate = asyncio.Semaphore(TOGETHER)

    async def one(name: str, vector: list[float]) -> None:
        changed = cell(corpus.text())
        changed.name = name
        mask = FieldMask(paths=["payload"])
        async with gate:
            await place.stub.UpdateCube(
                api.UpdateCubeRequest(cube=changed, update_mask=mask, unit_vectors=[Vector(values=vector)])
            )

    vectors = corpus.vectors(len(names)).tolist()
    await asyncio.gather(*(one(name, vector) for name, vector in zip(names, vectors, strict=True)))


async def _search(place: VaultPlace, vault: str, corpus: Corpus, count: int, revision: int = 0) -> Times:
    times, cpu = [], time.process_time()
    for vector in corpus.vectors(count):
        request = api.SearchCubesRequest(
            parent=vault,
            query=corpus.text(5),
            query_vector=Vector(values=vector.tolist()),
            limit=10,
            read_revision=revision,
        )
        began = time.perf_counter()
        hits = sum([len(message.hits) async for message in place.stub.SearchCubes(request)])
        times.append(time.perf_counter() - began)
        assert hits == request.limit
    return Times(times, time.process_time() - cpu)


async def _branch(place: VaultPlace, folder: Path, vault: str, revision: int) -> dict[str, float]:
    def stored() -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    before, began, cpu = stored(), time.perf_counter(), time.process_time()
    request = api.CreateVaultRequest(
        parent=place.org.name, vault_id="branch", branch_of=vault, branch_revision=revision
    )
    made = (await place.stub.CreateVault(request, timeout=3600)).vault
    spent, worked = time.perf_counter() - began, time.process_time() - cpu
    return {
        "seconds": round(spent, 1),
        "cpu_s": round(worked, 1),
        "cubes": made.usage.cubes,
        "mb": round((stored() - before) / 1e6, 1),
    }


async def measure(size: int, changes: tuple[int, ...], queries: int) -> dict[str, object]:
    """Fill a vault, change more and more of it, and search it as of before; then branch off from it."""
    corpus = Corpus(3)
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with vault_place(folder, tenant_calls_per_s=0, default_deadline_s=7200) as place:
            vault = await place.vault()
            names = await _fill(place, vault, corpus, size)
            revision = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.revision
            await _search(place, vault, corpus, 5)
            found["now_ms"] = (await _search(place, vault, corpus, queries)).ms()
            past: dict[str, object] = {}
            done = 0
            for count in (0, *changes):
                await _change(place, names[done:count], corpus)
                done = max(done, count)
                first = await _search(place, vault, corpus, 1, revision)
                later = await _search(place, vault, corpus, queries, revision)
                past[str(count)] = {"first_ms": first.ms(), "later_ms": later.ms()}
                sys.stderr.write(f"{count} changed: {json.dumps(past[str(count)])}\n")
            found["past_by_changed_cubes"] = past
            found["now_after_ms"] = (await _search(place, vault, corpus, queries)).ms()
            found["branch"] = await _branch(place, folder, vault, revision)
    return found


def main() -> None:
    """Run the benchmark; the last line on standard output is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used: the corpus is made; every benchmark takes it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small sizes, some seconds")
    parser.add_argument("--size", type=int)
    asked = parser.parse_args()
    size = asked.size or (1_000 if asked.quick else 100_000)
    changes = tuple(size // part for part in (1000, 100, 10))
    os.environ["MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL"] = MODEL
    figures = uvloop.run(measure(size, changes, 20 if asked.quick else 50))
    report = {"benchmark": "past", "quick": asked.quick, "cores": os.cpu_count(), "size": size, **figures}
    text = json.dumps(report)
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
