"""What the vault does in a second: durable writes, and hybrid searches through gRPC beside the bare index.

`python tests/benchmarks/bench_vault.py [--quick] [--sizes 1000,10000,100000] [--vaults 20] [--out FILE]` prints one
JSON object last. Server, client and index share one process and its interpreter; the query's vector is the client's, so
no embedding is in the search times, and the embedding's own time is reported apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import grpc
import numpy as np
import uvloop

from memporium.inference.v1.embed_pb2 import EmbedRequest
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Vector
from memporium_services.vault.app.cipher import VaultCipher
from memporium_services.vault.app.ranking import search_legs
from memporium_services.vault.domain.text import terms_of
from support.vaults import DIMENSIONS, MODEL, VaultPlace, cell, vault_place

WORDS = 20_000
FACT_WORDS = 14
BATCH = 500
# Searches at once, where searches a second are measured.
TOGETHER = 8


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    vaults: int = 20
    queries: int = 200
    singles: int = 1_000


QUICK = Amounts(sizes=(500, 2_000), vaults=4, queries=60, singles=200)


class Corpus:
    """Facts of words drawn as in natural text, and vectors around a thousand centres."""

    def __init__(self, seed: int = 7) -> None:
        self._numbers = np.random.default_rng(seed)
        weights = 1.0 / np.arange(1, WORDS + 1)
        self._below = np.cumsum(weights / weights.sum())
        self._centres = self._numbers.standard_normal((1000, DIMENSIONS)).astype(np.float32)

    def text(self) -> str:
        return self._words(FACT_WORDS)

    def query(self) -> str:
        return self._words(5)

    def vector(self) -> list[float]:
        centre = self._centres[self._numbers.integers(1000)]
        found = centre + self._numbers.standard_normal(DIMENSIONS).astype(np.float32)
        return (found / np.linalg.norm(found)).astype(np.float32).tolist()

    def _words(self, count: int) -> str:
        picked = np.searchsorted(self._below, self._numbers.random(count))
        return " ".join(f"w{min(number, WORDS - 1):05d}" for number in picked)


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


async def _singles(place: VaultPlace, vault: str, corpus: Corpus, count: int, *, in_flight: int) -> float:
    """Return single durable writes a second."""
    requests = [
        api.CreateCubeRequest(parent=vault, cube=cell(corpus.text()), unit_vectors=[Vector(values=corpus.vector())])
        for _ in range(count)
    ]
    gate = asyncio.Semaphore(in_flight)

    async def one(request: api.CreateCubeRequest) -> None:
        async with gate:
            await place.stub.CreateCube(request)

    began = time.perf_counter()
    await asyncio.gather(*map(one, requests))
    return count / (time.perf_counter() - began)


async def _search(place: VaultPlace, request: api.SearchCubesRequest) -> float:
    """Return the seconds of one search."""
    began = time.perf_counter()
    hits = 0
    async for message in place.stub.SearchCubes(request):
        hits += len(message.hits)
    assert hits == request.limit
    return time.perf_counter() - began


async def _searches(place: VaultPlace, vaults: list[str], corpus: Corpus, queries: int) -> dict[str, object]:
    """Return times of hybrid searches one after another, through gRPC and of the bare index, and how many at once."""
    kernel = place.platform.kernel
    uids = {name: (await place.stub.GetVault(api.GetVaultRequest(name=name))).vault.uid for name in vaults}
    keys = {name: VaultCipher(await kernel.keys.vault_key(place.org.id, uid), uid) for name, uid in uids.items()}
    through: list[float] = []
    bare: list[float] = []
    requests = []
    for number in range(queries + 20):
        vault = vaults[number % len(vaults)]
        query, vector = corpus.query(), corpus.vector()
        request = api.SearchCubesRequest(parent=vault, query=query, query_vector=Vector(values=vector), limit=10)
        taken = await _search(place, request)
        index = kernel.indexes.open(uids[vault], dimensions=DIMENSIONS)
        terms = list(keys[vault].terms(sorted(set(terms_of(query)))))
        began = time.perf_counter()
        search_legs(index, ["dense", "own", "context"], terms, np.array(vector, np.float32), 100, None)
        taken_bare = time.perf_counter() - began
        if number >= 20:
            requests.append(request)
            through.append(taken)
            bare.append(taken_bare)
    gate = asyncio.Semaphore(TOGETHER)

    async def one(request: api.SearchCubesRequest) -> None:
        async with gate:
            await _search(place, request)

    began = time.perf_counter()
    await asyncio.gather(*map(one, requests))
    rate = len(requests) / (time.perf_counter() - began)
    return {"grpc_ms": _summary(through), "index_ms": _summary(bare), "per_s_8_at_once": round(rate, 1)}


async def _embedding(place: VaultPlace, corpus: Corpus, model: str) -> dict[str, float]:
    stub = InferenceServiceStub(place.platform.channel(place.org.owner_key))
    times = []
    for number in range(60):
        began = time.perf_counter()
        await stub.Embed(EmbedRequest(model=model, texts=[corpus.query()]))
        if number >= 10:
            times.append(time.perf_counter() - began)
    return _summary(times)


async def measure(amounts: Amounts) -> dict[str, object]:
    """Run everything; return the figures."""
    corpus = Corpus()
    searches: dict[str, object] = {}
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with vault_place(Path(folder), tenant_calls_per_s=0) as place:
            writes = await place.vault("writes")
            singles = {
                str(flying): round(await _singles(place, writes, corpus, amounts.singles, in_flight=flying), 1)
                for flying in (1, 16, 64)
            }
            for size in amounts.sizes:
                vault = await place.vault(f"one-{size}")
                rates[str(size)] = round(size / await _fill(place, vault, corpus, size), 1)
                searches[f"{size} in one"] = await _searches(place, [vault], corpus, amounts.queries)
            size = max(amounts.sizes)
            names = [await place.vault(f"of-{number}") for number in range(amounts.vaults)]
            for name in names:
                await _fill(place, name, corpus, size // amounts.vaults)
            searches[f"{size} over {amounts.vaults}"] = await _searches(place, names, corpus, amounts.queries)
            embedding: dict[str, object] = {}
            for model in (MODEL, "minilm-l6-v2-int8"):
                try:
                    embedding[model] = await _embedding(place, corpus, model)
                except grpc.aio.AioRpcError as error:  # The model is not installed: that is the figure.
                    embedding[model] = error.code().name
    return {
        "single_writes_per_s": singles,
        "batch_writes_per_s": rates,
        "search": searches,
        "query_embedding_ms": embedding,
    }


def main() -> None:
    """Run the benchmark; the last line on standard output is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used: the corpus is made; every benchmark takes it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small sizes, less than a minute")
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))))
    parser.add_argument("--vaults", type=int)
    asked = parser.parse_args()
    amounts = QUICK if asked.quick else Amounts()
    amounts = replace(amounts, sizes=asked.sizes or amounts.sizes, vaults=asked.vaults or amounts.vaults)
    os.environ["MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL"] = MODEL
    figures = uvloop.run(measure(amounts))
    report = {"benchmark": "vault", "quick": asked.quick, "cores": os.cpu_count(), **asdict(amounts), **figures}
    text = json.dumps(report)
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
