"""What the vault does in a second: durable writes, and hybrid searches through gRPC beside the bare index.

`python tests/benchmarks/bench_vault.py [--sizes 1000,10000,100000] [--vaults 20] [--out FILE]` prints one JSON object
last. Server, client and index share the process's machine; the query's vector is the client's, so no embedding is in
the search times, and the embedding's own time is reported apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from memporium.inference.v1.embed_pb2 import EmbedRequest
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Vector
from memporium_services.vault.app.cipher import VaultCipher
from memporium_services.vault.app.ranking import _search
from memporium_services.vault.domain.text import terms_of
from support.vaults import DIMENSIONS, MODEL, VaultPlace, cell, vault_place

WORDS = 20_000
FACT_WORDS = 14
QUERIES = 200
SINGLES = 1000
BATCH = 500


class Corpus:
    """Facts of words drawn as in natural text, and vectors around a thousand centres."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._numbers = np.random.default_rng(seed)
        self._weights = 1.0 / np.arange(1, WORDS + 1)
        self._weights /= self._weights.sum()
        self._centres = self._numbers.standard_normal((1000, DIMENSIONS)).astype(np.float32)

    def text(self) -> str:
        picked = self._numbers.choice(WORDS, FACT_WORDS, p=self._weights)
        return " ".join(f"w{number:05d}" for number in picked)

    def query(self) -> str:
        picked = self._numbers.choice(WORDS, 5, p=self._weights)
        return " ".join(f"w{number:05d}" for number in picked)

    def vector(self) -> list[float]:
        centre = self._centres[self._numbers.integers(1000)]
        found = centre + self._numbers.standard_normal(DIMENSIONS).astype(np.float32)
        return (found / np.linalg.norm(found)).astype(np.float32).tolist()


def _summary(times_s: list[float]) -> dict[str, float]:
    ms = np.sort(np.array(times_s)) * 1000
    return {"p50": round(float(np.percentile(ms, 50)), 3), "p95": round(float(np.percentile(ms, 95)), 3)}


async def _fill(place: VaultPlace, vault: str, corpus: Corpus, count: int) -> float:
    """Add cubes in batches; return the seconds that the calls took."""
    spent = 0.0
    for start in range(0, count, BATCH):
        cubes = []
        for _ in range(min(BATCH, count - start)):
            text = corpus.text()
            cubes.append(
                NewCube(
                    cube=cell(text, context=f"{corpus.text()} {text}"), unit_vectors=[Vector(values=corpus.vector())]
                )
            )
        request = api.BatchCreateCubesRequest(parent=vault, cubes=cubes)
        began = time.perf_counter()
        await place.stub.BatchCreateCubes(request)
        spent += time.perf_counter() - began
    return spent


async def _singles(place: VaultPlace, vault: str, corpus: Corpus, *, in_flight: int) -> float:
    """Return single durable writes a second."""
    requests = [
        api.CreateCubeRequest(parent=vault, cube=cell(corpus.text()), unit_vectors=[Vector(values=corpus.vector())])
        for _ in range(SINGLES)
    ]
    gate = asyncio.Semaphore(in_flight)

    async def one(request: api.CreateCubeRequest) -> None:
        async with gate:
            await place.stub.CreateCube(request)

    began = time.perf_counter()
    await asyncio.gather(*map(one, requests))
    return SINGLES / (time.perf_counter() - began)


async def _searches(place: VaultPlace, vaults: list[str], corpus: Corpus) -> dict[str, object]:
    """Return times of hybrid searches one after another: through gRPC, and the bare index on the same questions."""
    kernel = place.platform.kernel
    uids = {name: (await place.stub.GetVault(api.GetVaultRequest(name=name))).vault.uid for name in vaults}
    keys = {name: VaultCipher(await kernel.keys.vault_key(place.org.id, uid), uid) for name, uid in uids.items()}
    through: list[float] = []
    bare: list[float] = []
    for number in range(QUERIES + 20):
        vault = vaults[number % len(vaults)]
        query, vector = corpus.query(), corpus.vector()
        request = api.SearchCubesRequest(parent=vault, query=query, query_vector=Vector(values=vector), limit=10)
        began = time.perf_counter()
        hits = 0
        async for message in place.stub.SearchCubes(request):
            hits += len(message.hits)
        taken = time.perf_counter() - began
        assert hits == 10
        index = kernel.indexes.open(uids[vault], dimensions=DIMENSIONS)
        terms = list(keys[vault].terms(sorted(set(terms_of(query)))))
        began = time.perf_counter()
        _search(index, ["dense", "own", "context"], terms, np.array(vector, np.float32), 100, None)
        taken_bare = time.perf_counter() - began
        if number >= 20:
            through.append(taken)
            bare.append(taken_bare)
    return {"grpc_ms": _summary(through), "index_ms": _summary(bare)}


async def _embedding(place: VaultPlace, corpus: Corpus, model: str) -> dict[str, float]:
    stub = InferenceServiceStub(place.platform.channel(place.org.owner_key))
    times = []
    for number in range(60):
        began = time.perf_counter()
        await stub.Embed(EmbedRequest(model=model, texts=[corpus.query()]))
        if number >= 10:
            times.append(time.perf_counter() - began)
    return _summary(times)


async def measure(sizes: list[int], vaults: int) -> dict[str, object]:
    """Run everything; return the figures."""
    corpus = Corpus()
    found: dict[str, object] = {"search": {}}
    with tempfile.TemporaryDirectory() as folder:
        async with vault_place(Path(folder), tenant_calls_per_s=0) as place:
            writes = await place.vault("writes")
            found["single_writes_per_s"] = {
                str(flying): round(await _singles(place, writes, corpus, in_flight=flying), 1) for flying in (1, 16, 64)
            }
            rates = {}
            for size in sizes:
                vault = await place.vault(f"one-{size}")
                rates[str(size)] = round(size / await _fill(place, vault, corpus, size), 1)
                found["search"][f"{size} in one"] = await _searches(place, [vault], corpus)
            found["batch_writes_per_s"] = rates
            size = max(sizes)
            names = [await place.vault(f"of-{number}") for number in range(vaults)]
            for name in names:
                await _fill(place, name, corpus, size // vaults)
            found["search"][f"{size} over {vaults}"] = await _searches(place, names, corpus)
            found["query_embedding_ms"] = {MODEL: await _embedding(place, corpus, MODEL)}
            try:
                found["query_embedding_ms"]["minilm-l6-v2-int8"] = await _embedding(place, corpus, "minilm-l6-v2-int8")
            except Exception as error:
                found["query_embedding_ms"]["minilm-l6-v2-int8"] = str(type(error).__name__)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="not needed: the corpus is made")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--vaults", type=int, default=20)
    asked = parser.parse_args()
    os.environ["MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL"] = MODEL
    figures = asyncio.run(measure([int(size) for size in asked.sizes.split(",")], asked.vaults))
    text = json.dumps(figures)
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
