"""The peer of bench_scale: mem0 in its local default (Qdrant in a folder), without inference, with vectors given.

Run by the Python of an environment that has mem0ai: `python scale_mem0.py FOLDER FACTS SECONDS QUERIES`. It adds facts one
by one, as its callers do, until there are so many or the time is over, then searches; one JSON object on standard output.
With no facts to add it opens what an earlier run left. `--embedding PACKAGES` after that has each fact embedded by the
packaged model of Memporium, whose packages are in that folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["MEM0_TELEMETRY"] = "False"
# Made, never called: nothing is inferred.
os.environ["OPENAI_API_KEY"] = "none"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from support.scale_corpus import DIMENSIONS, Corpus


class _Given:
    """Gives the vectors of the corpus in order, in no time: embedding is apart for all that is compared."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def embed(self, _text: str, _action: str | None = None, **_more: object) -> list[float]:
        vector: list[float] = self._corpus.vectors(1)[0].tolist()
        return vector


class _Packaged:
    """Embeds with the model that comes with Memporium, one text at a time, as mem0 asks for it."""

    def __init__(self, packages: str) -> None:
        # Behind its own packages: what both have is mem0's.
        sys.path.append(packages)
        root = Path(__file__).resolve().parents[2]
        sys.path.extend([str(root / "services"), str(root / "platform")])
        from memporium_services.inference.adapters.embedders.minilm_onnx import MiniLmEmbedder

        self._model = MiniLmEmbedder()
        self._model.load()

    def embed(self, text: str, _action: str | None = None, **_more: object) -> list[float]:
        vector: list[float] = self._model.embed([text])[0].vector.tolist()
        return vector


def _percentiles(times_s: list[float]) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(np.array(times_s) * 1000, share)), 2) for share in (50, 95, 99)}


def _memory_mib() -> float:
    """Return resident memory without pages of files, that of its Python and libraries included."""
    found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return round(int(found["RssAnon"].split()[0]) / 1024, 1)


def main() -> None:
    """Measure."""
    folder, facts, seconds, queries = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    os.environ["MEM0_DIR"] = folder
    import mem0

    store = {
        "path": f"{folder}/qdrant",
        "on_disk": True,
        "embedding_model_dims": DIMENSIONS,
        "collection_name": "facts",
    }
    began = time.perf_counter()
    memory = mem0.Memory.from_config(
        {"vector_store": {"provider": "qdrant", "config": store}, "history_db_path": f"{folder}/history.db"}
    )
    corpus = Corpus(0)
    embedding = sys.argv[5:6] == ["--embedding"]
    memory.embedding_model = _Packaged(sys.argv[6]) if embedding else _Given(corpus)
    text = corpus.said if embedding else corpus.text
    # Its first search loads what it holds.
    memory.search("w00000", filters={"user_id": "one"}, top_k=10)
    opening_s = time.perf_counter() - began
    began, began_cpu, added = time.perf_counter(), time.process_time(), 0
    while added < facts and time.perf_counter() - began < seconds:
        memory.add(text(), user_id="one", infer=False)
        added += 1
    adding_s, adding_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    asked, times = Corpus(99), []
    began_cpu = time.process_time()
    for _ in range(queries):
        query = asked.text(5)
        began = time.perf_counter()
        memory.search(query, filters={"user_id": "one"}, top_k=10)
        times.append(time.perf_counter() - began)
    figures = {
        "version": mem0.__version__,
        "facts": added,
        "opening_ms": round(1000 * opening_s, 1),
        "ingest_facts_per_s": round(added / max(adding_s, 1e-9), 1),
        "ingest_cpu_ms": round(1000 * adding_cpu_s / max(added, 1), 2),
        "search_ms": _percentiles(times),
        "search_cpu_ms": round(1000 * (time.process_time() - began_cpu) / queries, 2),
        "memory_mib": _memory_mib(),
    }
    print(json.dumps(figures), flush=True)
    # Its clients' threads need not be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
