"""`bench_kv` on a tiny shape: what it measures is measured right, also along the way that a GPU takes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

FILE = Path(__file__).parents[2] / "benchmarks" / "bench_kv.py"


@pytest.fixture(scope="module")
def bench():
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("bench_kv", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


async def test_every_way_to_the_first_token_gives_the_same_one(bench):
    result = await bench.main(bench.arguments(["--quick"]))
    (row,) = result["rows"]
    assert result["shares"]
    assert row["same_tokens"]
    assert (row["memory_tokens"], row["query_tokens"]) == (64, 8)
    ways = {"prompt", "kv_memory", "kv_disk", "kv_disk_cold", "kv_objects", "query_alone", "peer_prompt", "peer_kv"}
    assert set(row["wall_ms"]) == {*ways, "kv_sealed", "kv_sealed_cold", "kv_sealed_fresh"}
    assert all(value > 0 for value in row["wall_ms"].values())


async def test_some_ways_alone_are_compared_with_memory(bench):
    result = await bench.main(bench.arguments(["--quick", "--ways", "kv_memory,kv_sealed"]))
    (row,) = result["rows"]
    assert set(row["cpu_ms"]) == {"kv_memory", "kv_sealed", "prompt"}
    assert set(row["beyond_memory"]) == {"kv_sealed"}
    assert row["same_tokens"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
async def test_the_way_of_a_gpu_runs_on_any_device(bench, monkeypatch, dtype):
    waits = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waits.append(1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "none")
    options = ["--device", "cpu:0", "--dtype", dtype, "--shape", "tiny", "--contexts", "40", "--queries", "5,9"]
    result = await bench.main(bench.arguments([*options, "--rounds", "1"]))
    assert [row["query_tokens"] for row in result["rows"]] == [5, 9]
    # Sixteen bits take the way without a shared prefix, as a GPU does: the cache is copied beside the request.
    assert result["shares"] is (dtype == "float32")
    for row in result["rows"]:
        assert row["wall_ms"]["kv_gpu"] > 0
        assert row["same_tokens"] or dtype == "bfloat16"
        # Beside the faster of both prompts, by the clock.
        kv, prompt = row["wall_ms"]["kv_gpu"], min(row["wall_ms"]["prompt"], row["wall_ms"]["peer_prompt"])
        # The times are rounded to hundredths, the saving was not made of those.
        least, most = 1 - (kv + 0.006) / (prompt - 0.006), 1 - (kv - 0.006) / (prompt + 0.006)
        assert least - 1e-3 <= row["saving"] <= most + 1e-3
        assert row["paper"] is None
    assert waits


async def test_rows_are_kept_as_they_come(bench, tmp_path, monkeypatch):
    taken = []

    async def measured(*_given):
        taken.append(json.loads((tmp_path / "rows.json").read_text())["rows"] if taken else [])
        return {"row": len(taken)}

    monkeypatch.setattr(bench, "measure", measured)
    options = [
        "--shape",
        "tiny",
        "--contexts",
        "20,30",
        "--queries",
        "5",
        "--no-peer",
        "--out",
        str(tmp_path / "rows.json"),
    ]
    await bench.main(bench.arguments(options))
    assert taken == [[], [{"row": 1}]]


def test_the_peer_has_the_same_weights_and_another_attention(bench):
    given = bench.arguments(["--quick"])
    one = bench.Bench(given, None)
    ours, theirs = one.engine.loaded.model, one.peer._model
    assert all(mine is other for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert ours.config._attn_implementation != theirs.config._attn_implementation == "sdpa"


def test_the_paper_s_shapes_are_those_of_its_table(bench):
    given = bench.arguments(["--paper", "--shape", "32b", "--device", "cuda"])
    assert (given.contexts, given.queries, given.dtype) == ("583,2773,6064", "167,303,952", "bfloat16")


def test_a_saving_stands_beside_the_paper_s(bench):
    assert bench.beside_paper("8b", 6064, 167, 0.95)["larger_here"]
    assert not bench.beside_paper("8b", 6064, 167, 0.94)["larger_here"]
    assert bench.beside_paper("32b", 583, 952, 0.2)["saving"] == 0.186
    assert bench.beside_paper("135m", 583, 952, 0.2) is bench.beside_paper(None, 512, 25, 0.9) is None
    # The paper's percentages are of its own times, rounded to hundredths of a second.
    for shape in ("8b", "32b"):
        for context in bench.CONTEXTS:
            for query in bench.QUERIES:
                cell = bench.beside_paper(shape, context, query, 0.5)
                least = 1 - (cell["kv_ms"] + 5) / (cell["prompt_ms"] - 5)
                most = 1 - (cell["kv_ms"] - 5) / (cell["prompt_ms"] + 5)
                assert least - 0.01 <= cell["saving"] <= most + 0.01
