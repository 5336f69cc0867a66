"""`bench_compose` and `bench_batching` on a tiny model: they run, and what must be the same is the same."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))

    def loaded(name):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


def test_ways_of_composing_are_held_against_full_prefill(bench):
    compose = bench("bench_compose")
    given = compose.arguments(["--quick"])
    given.pairs, given.tokens, given.continuation = 1, 300, 4
    result = compose.main(given)
    ways = result["composition"]
    assert set(ways) == {"naive", "re_rotated", "selective_5%", "selective_15%", "selective_30%", "exact"}
    assert ways["exact"]["kl"] == pytest.approx(0, abs=1e-2)
    first, both = result["memory_tokens"][0], sum(result["memory_tokens"])
    assert ways["exact"]["kept_tokens"] == first
    assert first < ways["selective_30%"]["kept_tokens"] < ways["selective_5%"]["kept_tokens"] < both
    assert ways["naive"]["kept_tokens"] == ways["re_rotated"]["kept_tokens"] == both
    assert ways["re_rotated"]["kl"] < ways["naive"]["kl"]
    assert set(result["formats"]) == {"float16", "bfloat16", "int8", "float8_e4m3"}
    assert result["formats"]["int8"]["bytes_a_token"] < result["formats"]["float16"]["bytes_a_token"]


async def test_requests_at_once_write_what_each_writes_alone(bench):
    batching = bench("bench_batching")
    given = batching.arguments(["--quick", "--clients", "3", "--requests", "1", "--new-tokens", "4", "--pairs", "0"])
    given.memory_tokens = 60
    result = await batching.main(given)
    assert [row["at_once"] for row in result["rows"]] == [1, 8]
    assert all(row["same_tokens"] == 1 for row in result["rows"])
    assert all(row["tokens_per_s"] > 0 for row in result["rows"])
