"""How cost grows: one vault of a thousand to a million facts, and many tenants of a thousand, through gRPC.

`python tests/benchmarks/bench_scale.py [--quick] [--sizes 1000,10000,100000] [--million] [--tenants 50]
[--mem0-python PATH] [--folder DIR] [--out FILE]` prints one JSON object last. The server is a process of its own (vault,
inference, reader; embedded engines), so its memory and processor time are its alone: on a busy machine compare the latter.
Callers give the vectors of facts; the time to embed a query is told by the server and taken off. Beside it in the same run,
on the same vectors: the bare index (opened by itself after the server ended), an exact scan by numpy, and, with the Python of
an environment that has it, mem0 without inference; without, the figures say that it was not there. `--folder` keeps what was
filled, and what that cost: a run that was stopped goes on, and a later one asks at once. Turns are remembered last, into a
new vault and into the filled one; of a kept folder the first run's figures are told. `--embedder minilm-l6-v2-int8` has
turns remembered with a model that reads, too, and mem0 embed as many with the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import uvloop
from scale_peers import aims, bare, growth, mem0, stored_bytes, summary

from memporium.cube.v1.cube_pb2 import AtomicFact, Cube, MemCell, Payload, Plaintext
from memporium.inference.v1.embed_pb2 import EmbedRequest
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.reader.v1.recall_pb2 import RecallRequest
from memporium.reader.v1.remember_pb2 import RememberHeader, RememberRequest, Turn
from memporium.vault.v1 import search_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube, Vector
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.storage.index.embedded_vault import GRAPH_FROM
from support.scale_corpus import Corpus
from support.scale_server import Server
from support.vaults import MODEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

# A MemCell of a short conversation.
FACTS_A_CUBE = 8
BATCH_CUBES = 64
RESULTS = 10
TURNS = 400
MEM0_QUERIES = 50
WARM = 10
# So long the graph may take; it is there when the server takes less than so much of the processor in five seconds.
_GRAPH_S, _IDLE_CPU_S = 3600.0, 0.15


@dataclass(frozen=True)
class Amounts:
    """How much is measured; `mem0_s` is how long the peer may add facts."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    tenants: int = 50
    tenant_facts: int = 1_000
    queries: int = 200
    mem0_python: str = ""
    mem0_s: float = 120.0
    embedder: str = ""


QUICK = Amounts(sizes=(400, 1_600), tenants=3, tenant_facts=200, queries=40, mem0_s=20.0)


def new_cube(corpus: Corpus, facts: int) -> NewCube:
    """Return a cube with so many facts, and their vectors."""
    texts, vectors = [corpus.text() for _ in range(facts)], corpus.vectors(facts)
    cell = MemCell(episode=" ".join(texts), facts=[AtomicFact(text=text) for text in texts])
    cube = Cube(payload=Payload(plaintext=Plaintext(mem_cell=cell)))
    return NewCube(cube=cube, unit_vectors=[Vector(values=row.tolist()) for row in vectors])


async def _fill(stub: Any, org: str, corpus: Corpus, facts: int) -> tuple[float, int]:
    """Make a vault of so many facts, or go on with one; return the seconds that the calls took, and the facts added."""
    name = f"orgs/{org}/vaults/v"
    listed = await stub.ListVaults(api.ListVaultsRequest(parent=f"orgs/{org}"))
    there = next((vault.usage.units for vault in listed.vaults if vault.name == name), None)
    if there is None:
        await stub.CreateVault(api.CreateVaultRequest(parent=f"orgs/{org}", vault_id="v"))
    spent, left, added = 0.0, facts, 0
    while left:
        cubes = []
        before = facts - left
        while left and len(cubes) < BATCH_CUBES:
            cubes.append(new_cube(corpus, min(FACTS_A_CUBE, left)))
            left -= min(FACTS_A_CUBE, left)
        # Drawn all the same, so that what follows is what it would have been.
        if before < (there or 0):
            continue
        request = api.BatchCreateCubesRequest(parent=name, cubes=cubes)
        began = time.perf_counter()
        await stub.BatchCreateCubes(request)
        spent += time.perf_counter() - began
        added += facts - left - before
    return spent, added


async def _remember(server: Server, org: str, vault: str, *, spoken: bool = False) -> dict[str, float]:
    """Return how many turns of a dialogue are remembered a second, formation and embedding included."""
    channel, plain = server.channel(org)
    # Other turns each time: what is said again is not kept again.
    moment = time.time_ns()
    corpus, began, began_cpu = Corpus(moment % (1 << 32)), time.perf_counter(), server.cpu_s()

    async def turns() -> AsyncIterator[RememberRequest]:
        yield RememberRequest(header=RememberHeader(parent=f"orgs/{org}/vaults/{vault}", session=str(moment)))
        for number in range(TURNS):
            text = corpus.said() if spoken else corpus.text()
            turn = Turn(id=str(number), speaker=("Ada", "Bo")[number % 2], text=text)
            turn.time.FromSeconds(1_700_000_000 + 60 * number)
            yield RememberRequest(turn=turn)

    await ReaderServiceStub(channel).Remember(turns())
    spent, cpu = time.perf_counter() - began, server.cpu_s() - began_cpu
    await plain.close()
    return {"turns_per_s": round(TURNS / spent, 1), "cpu_ms_a_turn": round(1000 * cpu / TURNS, 2)}


async def _timed(server: Server, calls: list[Callable[[], Awaitable[float]]]) -> dict[str, float]:
    """Make the calls one after another; return how long they took, but for the first ones and less what each says."""
    times = []
    began_cpu = server.cpu_s()
    for number, call in enumerate(calls):
        if number == WARM:
            began_cpu = server.cpu_s()
        began = time.perf_counter()
        apart_s = await call()
        times.append(time.perf_counter() - began - apart_s)
    return summary(times[WARM:]) | {"cpu": round(1000 * (server.cpu_s() - began_cpu) / len(times[WARM:]), 2)}


async def _remembered(server: Server, data: Path, org: str) -> dict[str, Any]:
    """Remember into a vault that is new and into the one that is filled, unless that was done before."""
    note = data / "remembered.json"
    if not note.exists():
        channel, plain = server.channel(org)
        # Named by the time: whoever takes the note away has it measured again.
        fresh = f"turns-{time.time_ns()}"
        await VaultServiceStub(channel).CreateVault(api.CreateVaultRequest(parent=f"orgs/{org}", vault_id=fresh))
        await plain.close()
        figures = {"remember": await _remember(server, org, fresh)}
        figures["remember_at_size"] = await _remember(server, org, "v")
        note.write_text(json.dumps(figures))
    return dict(json.loads(note.read_text()))


async def _embedded(model: str, python: str, seconds: float) -> dict[str, Any]:
    """Return how fast turns are remembered where a model reads them, and how fast mem0 adds as many with the same."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), 1, model=model)
        async with server.running():
            channel, plain = server.channel("t0")
            for vault in ("warm", "turns"):
                await VaultServiceStub(channel).CreateVault(api.CreateVaultRequest(parent="orgs/t0", vault_id=vault))
            await plain.close()
            # The first one loads the model.
            await _remember(server, "t0", "warm", spoken=True)
            ours = await _remember(server, "t0", "turns", spoken=True)
    packages = str(Path(np.__file__).parents[1])
    peer = mem0(python, facts=TURNS, seconds=seconds, queries=MEM0_QUERIES, packages=packages)
    times = round(ours["turns_per_s"] / peer["ingest_facts_per_s"], 2) if isinstance(peer, dict) else None
    return {"model": model, "remember": ours, "mem0": peer, "remember_times_mem0": times}


async def _search(stub: Any, request: api.SearchCubesRequest) -> float:
    return 0.0 * sum([len(message.hits) async for message in stub.SearchCubes(request)])


async def _ask(server: Server, orgs: list[str], queries: int, *, seed: int = 99) -> dict[str, Any]:
    """Return times of searches and recalls, the organisations in turn."""
    corpus = Corpus(seed)
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
        found[f"search_{mode.lower()}_ms"] = await _timed(server, calls)
    embeddings: list[float] = []
    whole: list[float] = []

    async def recall(org: str, query: str) -> float:
        began = time.perf_counter()
        answer = await readers[org].Recall(RecallRequest(parent=f"orgs/{org}/vaults/v", query=query, limit=RESULTS))
        whole.append(time.perf_counter() - began)
        embeddings.append(answer.trace.embed_us / 1e6)
        return embeddings[-1]

    calls = [partial(recall, org, corpus.text(5)) for org in turns]
    found["recall_ms"] = await _timed(server, calls)
    found["recall_embedding_ms"] = summary(embeddings[WARM:])
    found["recall_embedding_included_ms"] = summary(whole[WARM:])
    embedder = InferenceServiceStub(opened[orgs[0]][0])

    async def embed(text: str) -> float:
        await embedder.Embed(EmbedRequest(model=MODEL, texts=[text]))
        return 0.0

    found["query_embedding_ms"] = await _timed(server, [partial(embed, corpus.text(5)) for _ in turns])
    for _, channel in opened.values():
        await channel.close()
    return found


@contextmanager
def _folder(kept: Path | None, name: str) -> Iterator[Path]:
    if kept is not None:
        (kept / name).mkdir(parents=True, exist_ok=True)
        yield kept / name
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def _filled(server: Server, data: Path, orgs: list[str], facts: int) -> dict[str, Any]:
    """Fill a vault for each organisation, unless that was done before; return what it cost."""
    note = data / "filled.json"
    if note.exists():
        return dict(json.loads(note.read_text()))
    spent, total, began_cpu = 0.0, 0, server.cpu_s()
    for number, org in enumerate(orgs):
        channel, plain = server.channel(org)
        took, added = await _fill(VaultServiceStub(channel), org, Corpus(number), facts)
        spent, total = spent + took, total + added
        await plain.close()
    cpu = server.cpu_s() - began_cpu
    # Graphs of large vaults are built in the background: not while something else is timed.
    ends, before = time.monotonic() + _GRAPH_S, 0.0
    while facts >= GRAPH_FROM and server.cpu_s() - before > _IDLE_CPU_S and time.monotonic() < ends:
        before = server.cpu_s()
        await asyncio.sleep(5)
    figures = {
        "ingest_facts_per_s": round(total / max(spent, 1e-9), 1),
        "ingest_cubes_per_s": round(total / FACTS_A_CUBE / max(spent, 1e-9), 1),
        "ingest_cpu_ms_a_fact": round(1000 * cpu / max(total, 1), 3),
        "graph_cpu_s": round(server.cpu_s() - began_cpu - cpu, 1),
        "memory_filled_mib": server.memory_mib(),
    }
    note.write_text(json.dumps(figures))
    return figures


async def _scale(kept: Path | None, orgs: list[str], facts: int, queries: int) -> dict[str, Any]:
    """Fill a vault for each organisation; ask, start anew, ask again."""
    with _folder(kept, f"{len(orgs)}x{facts}") as data:
        server = Server(data, len(orgs))
        async with server.running():
            base_mib = server.memory_mib()
            figures = {"facts": facts * len(orgs), "vaults": len(orgs)} | await _filled(server, data, orgs, facts)
        disk = stored_bytes(data)
        began = time.perf_counter()
        async with server.running():
            started_s = time.perf_counter() - began
            channel, plain = server.channel(orgs[0])
            first = api.SearchCubesRequest(parent=f"orgs/{orgs[0]}/vaults/v", query=Corpus(0).text(5), limit=RESULTS)
            await _search(VaultServiceStub(channel), first)
            first_s = time.perf_counter() - began - started_s
            await plain.close()
            if len(orgs) > 1:
                # The first search of a vault opens its index and unwraps its key; others find both.
                figures["first_visits"] = await _ask(server, orgs, queries, seed=97)
            figures |= await _ask(server, orgs, queries)
            figures["memory_mib"] = {"before": base_mib, "after": server.memory_mib()}
            figures["open_files"] = server.files()
        figures |= {
            "disk_bytes_per_fact": round(disk / (facts * len(orgs))),
            "reopen_ms": {"process": round(started_s * 1000), "first_search": round(first_s * 1000, 1)},
        }
        if len(orgs) == 1:
            figures |= bare(data, queries=queries, warm=WARM, results=RESULTS)
        # Last, for it adds to what was measured.
        async with server.running():
            return figures | await _remembered(server, data, orgs[0])


async def measure(amounts: Amounts, kept: Path | None = None) -> dict[str, Any]:
    """Run everything; return the figures."""
    by_size = {}
    for size in amounts.sizes:
        by_size[size] = await _scale(kept, ["t0"], size, amounts.queries)
        by_size[size]["mem0"] = mem0(
            amounts.mem0_python, facts=size, seconds=amounts.mem0_s, queries=min(amounts.queries, MEM0_QUERIES)
        )
        by_size[size]["aims"] = aims(by_size[size])
        print(json.dumps(by_size[size]), file=sys.stderr, flush=True)
    orgs = [f"t{number}" for number in range(amounts.tenants)]
    tenants = await _scale(kept, orgs, amounts.tenant_facts, amounts.queries) if orgs else {}
    return {
        "one_vault": {str(size): figures for size, figures in by_size.items()},
        "many_tenants": tenants,
        "embedded": await _embedded(amounts.embedder, amounts.mem0_python, amounts.mem0_s) if amounts.embedder else {},
        "growth_exponent_of_p50": growth(by_size),
    }


def main() -> None:
    """Run the benchmark; the last line on standard output is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used: the corpus is made; every benchmark takes it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small sizes, less than a minute")
    parser.add_argument("--sizes", type=lambda text: tuple(int(size) for size in text.split(",") if size))
    parser.add_argument("--million", action="store_true", help="a million facts in one vault, too: an hour")
    parser.add_argument("--tenants", type=int, help="vaults of a thousand facts, each of another organisation")
    parser.add_argument("--tenant-facts", type=int)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--mem0-python", default="", help="Python of an environment with mem0ai")
    parser.add_argument("--embedder", default="", help="model of both sides for turns that are embedded as they come")
    parser.add_argument("--folder", type=Path, help="where filled vaults are kept, to go on with another time")
    asked = parser.parse_args()
    amounts = replace(QUICK if asked.quick else Amounts(), mem0_python=asked.mem0_python)
    sizes = (amounts.sizes if asked.sizes is None else asked.sizes) + ((1_000_000,) if asked.million else ())
    amounts = replace(
        amounts,
        sizes=sizes,
        tenants=amounts.tenants if asked.tenants is None else asked.tenants,
        tenant_facts=asked.tenant_facts or amounts.tenant_facts,
        queries=asked.queries or amounts.queries,
        embedder=asked.embedder,
    )
    figures = uvloop.run(measure(amounts, asked.folder))
    text = json.dumps({"benchmark": "scale", "quick": asked.quick, "cores": os.cpu_count(), **figures})
    if asked.out:
        asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
