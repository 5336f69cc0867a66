"""The benchmark of stored tensors runs, each way over all of the bytes."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "bench_disk.py"


def test_every_way_touches_all_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("bench_disk", FILE)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    touched, real = [], bench.touch
    monkeypatch.setattr(bench, "touch", lambda data, tokens: (touched.append(bytes(data[:])), real(data, tokens)))
    result = bench.main(argparse.Namespace(tokens=64, rounds=1, folder=tmp_path))
    assert len(result["rows"]) == 9
    assert len(set(touched)) == 1
    assert len(touched[0]) == result["bytes"] == 64 * 23_040
    assert list(tmp_path.iterdir()) == []
