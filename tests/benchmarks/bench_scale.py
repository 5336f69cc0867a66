"""How cost grows: one vault of a thousand to a million facts, and many tenants of a thousand, through gRPC.

`python tests/benchmarks/bench_scale.py [--quick] [--sizes 1000,10000,100000] [--million] [--tenants 50] [--out FILE]`
prints one JSON object last. The server is a process of its own (vault, inference, reader; embedded engines), so memory is
its alone. Callers give the vectors; the embedding of a query is measured apart. Beside it, on the same vectors in the
same run: the bare index (opened by itself after the server ended) and an exact scan by numpy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import grpc
import numpy as np
import uvloop

from memporium.cube.v1.cube_pb2 import AtomicFact, Cube, MemCell, Payload, Plaintext
from memporium.inference.v1.embed_pb2 import EmbedRequest
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.reader.v1.recall_pb2 import RecallRequest
from memporium.vault.v1 import search_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Vector
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from support.platform import KeyedChannel, running_platform
from support.vaults import DIMENSIONS, MODEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from numpy.typing import NDArray

WORDS, FACT_WORDS, CENTRES = 20_000, 14, 1_000
# A MemCell of a short conversation.
FACTS_A_CUBE = 8
BATCH_CUBES = 64
RESULTS = 10
WARM = 10
_FIXED = {
    "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": MODEL,
    "MEMPORIUM_INFERENCE_DEFAULT_EMBEDDER": MODEL,
}


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    tenants: int = 50
    tenant_facts: int = 1_000
    queries: int = 200


QUICK = Amounts(sizes=(400, 1_600), tenants=3, tenant_facts=200, queries=40)


class Corpus:
    """Facts of words drawn as in natural text, and vectors around a thousand centres; all that was made is kept."""

    def __init__(self, seed: int) -> None:
        self.numbers = np.random.default_rng(seed)
        weights = 1.0 / np.arange(1, WORDS + 1)
        self._below = np.cumsum(weights / weights.sum())
        # The same centres for every corpus: tenants talk of the same things.
        self._centres = np.random.default_rng(1).standard_normal((CENTRES, DIMENSIONS)).astype(np.float32)
        self.made: list[NDArray[np.float32]] = []

    def text(self, words: int = FACT_WORDS) -> str:
        """Return some words."""
        picked = np.searchsorted(self._below, self.numbers.random(words))
        return " ".join(f"w{min(number, WORDS - 1):05d}" for number in picked)

    def vectors(self, count: int) -> NDArray[np.float32]:
        """Return rows of unit length."""
        found = self._centres[self.numbers.integers(CENTRES, size=count)]
        found = found + self.numbers.standard_normal((count, DIMENSIONS)).astype(np.float32)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    def cube(self, facts: int) -> NewCube:
        """Return a cube with so many facts, and their vectors."""
        texts, vectors = [self.text() for _ in range(facts)], self.vectors(facts)
        self.made.append(vectors)
        cell = MemCell(episode=" ".join(texts), facts=[AtomicFact(text=text) for text in texts])
        cube = Cube(payload=Payload(plaintext=Plaintext(mem_cell=cell)))
        return NewCube(cube=cube, unit_vectors=[Vector(values=row.tolist()) for row in vectors])


class Server:
    """A server in its own process, on a folder."""

    def __init__(self, data: Path, tenants: int) -> None:
        self._data, self._tenants = data, tenants
        self.pid = 0
        self._address = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Run it for the block."""
        command = [sys.executable, __file__, "--serve", str(self._data), "--tenants", str(self._tenants)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid, self._address = process.pid, process.stdout.readline().strip()
        try:
            yield self
        finally:
            process.stdin.close()
            process.wait(120)

    def channel(self, org: str) -> tuple[Any, Any]:
        """Return a channel that calls as the organisation's owner, and what closes it."""
        options = [("grpc.max_receive_message_length", -1)]
        channel = grpc.aio.insecure_channel(self._address, options=options)
        return KeyedChannel(channel, (("authorization", f"Bearer mpk_{org}-owner_static"),)), channel

    def memory_mib(self) -> float:
        """Return its resident memory, without pages of files."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = dict(line.split(":", 1) for line in status.splitlines())
        return round(int(found["RssAnon"].split()[0]) / 1024, 1)


async def _serve(data: Path, tenants: int) -> None:
    """Serve until standard input ends."""
    async with running_platform(("vault", "inference", "reader"), data_dir=data, tenant_calls_per_s=0) as platform:
        for number in range(max(1, tenants)):
            await platform.organisation(f"t{number}")
        print(platform.address, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def _summary(times_s: list[float]) -> dict[str, float]:
    ms = np.array(times_s) * 1000
    return {f"p{share}": round(float(np.percentile(ms, share)), 2) for share in (50, 95, 99)}


async def _fill(stub: Any, org: str, corpus: Corpus, facts: int) -> float:
    """Make a vault of so many facts; return the seconds that the calls took."""
    await stub.CreateVault(api.CreateVaultRequest(parent=f"orgs/{org}", vault_id="v"))
    spent, left = 0.0, facts
    while left:
        cubes = []
        while left and len(cubes) < BATCH_CUBES:
            cubes.append(corpus.cube(min(FACTS_A_CUBE, left)))
            left -= min(FACTS_A_CUBE, left)
        request = api.BatchCreateCubesRequest(parent=f"orgs/{org}/vaults/v", cubes=cubes)
        began = time.perf_counter()
        await stub.BatchCreateCubes(request)
        spent += time.perf_counter() - began
    return spent


async def _timed(calls: list[Callable[[], Awaitable[Any]]]) -> dict[str, float]:
    """Make the calls one after another; return how long they took, but for the first ones."""
    times = []
    for number, call in enumerate(calls):
        began = time.perf_counter()
        await call()
        if number >= WARM:
            times.append(time.perf_counter() - began)
    return _summary(times)


async def _search(stub: Any, request: api.SearchCubesRequest) -> int:
    return sum([len(message.hits) async for message in stub.SearchCubes(request)])


async def _ask(server: Server, orgs: list[str], queries: int) -> dict[str, Any]:
    """Return times of searches and recalls, the organisations in turn."""
    corpus = Corpus(99)
    opened = {org: server.channel(org) for org in orgs}
    vaults = {org: VaultServiceStub(channel) for org, (channel, _) in opened.items()}
    readers = {org: ReaderServiceStub(channel) for org, (channel, _) in opened.items()}
    turns = [orgs[number % len(orgs)] for number in range(queries + WARM)]
    found: dict[str, Any] = {}
    for mode in ("HYBRID", "SEMANTIC", "FULL_TEXT"):
        asked = [
            api.SearchCubesRequest(
                parent=f"orgs/{org}/vaults/v",
                query=corpus.text(5),
                query_vector=Vector(values=corpus.vectors(1)[0].tolist()),
                mode=search_pb2.SearchMode.Value(f"SEARCH_MODE_{mode}"),
                limit=RESULTS,
            )
            for org in turns
        ]
        calls = [lambda org=org, one=one: _search(vaults[org], one) for org, one in zip(turns, asked, strict=True)]
        found[f"search_{mode.lower()}_ms"] = await _timed(calls)
    recalls = [RecallRequest(parent=f"orgs/{org}/vaults/v", query=corpus.text(5), limit=RESULTS) for org in turns]
    calls = [lambda org=org, one=one: readers[org].Recall(one) for org, one in zip(turns, recalls, strict=True)]
    found["recall_with_embedding_ms"] = await _timed(calls)
    embedder = InferenceServiceStub(opened[orgs[0]][0])
    texts = [corpus.text(5) for _ in turns]
    found["query_embedding_ms"] = await _timed(
        [lambda one=one: embedder.Embed(EmbedRequest(model=MODEL, texts=[one])) for one in texts]
    )
    for _, channel in opened.values():
        await channel.close()
    return found


def _bare(data: Path, corpus: Corpus, queries: int) -> dict[str, Any]:
    """Return times of the index alone, of an exact scan, and how many of the exact best the index finds."""
    matrix = np.concatenate(corpus.made)
    [folder] = (data / "index").iterdir()
    store = EmbeddedIndexStore(data / "index")
    began = time.perf_counter()
    index = store.open(folder.name, dimensions=DIMENSIONS)
    asked = Corpus(98).vectors(queries + WARM)
    index.search_dense(asked[0], k=RESULTS)
    opened_s = time.perf_counter() - began
    times: dict[str, list[float]] = {"index": [], "scan": []}
    shared = []
    for vector in asked:
        began = time.perf_counter()
        hits = index.search_dense(vector, k=RESULTS)
        times["index"].append(time.perf_counter() - began)
        began = time.perf_counter()
        scores = matrix @ vector
        best = np.argpartition(-scores, RESULTS)[:RESULTS] if len(scores) > RESULTS else np.arange(len(scores))
        worst_of_best = float(scores[best].min())
        times["scan"].append(time.perf_counter() - began)
        shared.append(float((hits.scores >= worst_of_best - 1e-3).mean()))
    store.close()
    return {
        "index_dense_ms": _summary(times["index"][WARM:]),
        "numpy_scan_ms": _summary(times["scan"][WARM:]),
        "index_finds_of_exact_best": round(float(np.mean(shared)), 4),
        "index_open_ms": round(opened_s * 1000, 1),
    }


async def _scale(orgs: list[str], facts: int, queries: int) -> dict[str, Any]:
    """Fill a vault for each organisation; ask, start anew, ask again."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        server, corpora = Server(data, len(orgs)), {org: Corpus(number) for number, org in enumerate(orgs)}
        async with server.running():
            base_mib, spent = server.memory_mib(), 0.0
            for org in orgs:
                channel, plain = server.channel(org)
                spent += await _fill(VaultServiceStub(channel), org, corpora[org], facts)
                await plain.close()
            # Graphs of large vaults are built in the background: not while something else is timed.
            await asyncio.sleep(min(60.0, facts * len(orgs) / 5_000))
            figures = await _ask(server, orgs, queries)
            figures["memory_mib"] = {"before": base_mib, "after": server.memory_mib()}
        disk = sum(path.stat().st_blocks * 512 for path in data.rglob("*") if path.is_file())
        began = time.perf_counter()
        async with server.running():
            started_s = time.perf_counter() - began
            channel, plain = server.channel(orgs[0])
            first = api.SearchCubesRequest(
                parent=f"orgs/{orgs[0]}/vaults/v", query=corpora[orgs[0]].text(5), limit=RESULTS
            )
            await _search(VaultServiceStub(channel), first)
            first_s = time.perf_counter() - began - started_s
            await plain.close()
        total = facts * len(orgs)
        figures |= {
            "facts": total,
            "vaults": len(orgs),
            "ingest_facts_per_s": round(total / spent, 1),
            "ingest_cubes_per_s": round(total / FACTS_A_CUBE / spent, 1),
            "disk_bytes_per_fact": round(disk / total),
            "reopen_ms": {"process": round(started_s * 1000), "first_search": round(first_s * 1000, 1)},
        }
        if len(orgs) == 1:
            figures |= _bare(data, corpora[orgs[0]], queries)
        return figures


def _growth(by_size: dict[int, dict[str, Any]]) -> dict[str, float]:
    """Return the exponents of cost by size, from the smallest to the largest: 1 is a scan, 0 is constant."""
    small, large = min(by_size), max(by_size)
    if small == large:
        return {}
    decades = np.log(large / small)
    keys = [key for key, value in by_size[large].items() if isinstance(value, dict) and "p50" in value]
    ratios = {key: by_size[large][key]["p50"] / max(by_size[small][key]["p50"], 1e-3) for key in keys}
    return {key: round(float(np.log(ratio) / decades), 2) for key, ratio in ratios.items()}


async def measure(amounts: Amounts) -> dict[str, Any]:
    """Run everything; return the figures."""
    by_size = {}
    for size in amounts.sizes:
        by_size[size] = await _scale(["t0"], size, amounts.queries)
        print(json.dumps(by_size[size]), file=sys.stderr, flush=True)
    orgs = [f"t{number}" for number in range(amounts.tenants)]
    tenants = await _scale(orgs, amounts.tenant_facts, amounts.queries) if orgs else {}
    return {
        "one_vault": {str(size): figures for size, figures in by_size.items()},
        "many_tenants": tenants,
        "growth_exponent_of_p50": _growth(by_size),
    }


def main() -> None:
    """Run the benchmark; the last line on standard output is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used: the corpus is made; every benchmark takes it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small sizes, less than a minute")
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))))
    parser.add_argument("--million", action="store_true", help="a million facts in one vault, too: some hours")
    parser.add_argument("--tenants", type=int, help="vaults of a thousand facts, each of another organisation")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    os.environ.update(_FIXED)
    if asked.serve:
        uvloop.run(_serve(asked.serve, asked.tenants or 1))
        return
    amounts = QUICK if asked.quick else Amounts()
    sizes = (asked.sizes or amounts.sizes) + ((1_000_000,) if asked.million else ())
    amounts = replace(amounts, sizes=sizes, tenants=amounts.tenants if asked.tenants is None else asked.tenants)
    figures = uvloop.run(measure(amounts))
    text = json.dumps({"benchmark": "scale", "quick": asked.quick, "cores": os.cpu_count(), **figures})
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
