"""`bench_kv` on a tiny shape: what it measures is measured right, also along the way that a GPU takes."""

from __future__ import annotations

import importlib.util
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
    assert waits


def test_the_paper_s_shapes_are_those_of_its_table(bench):
    given = bench.arguments(["--paper", "--shape", "32b", "--device", "cuda"])
    assert (given.contexts, given.queries, given.dtype) == ("583,2773,6064", "167,303,952", "bfloat16")
