"""The guide's own example of a strategy of another package, installed for real and used by the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memporium_platform.tiering import traces

GUIDE = Path(__file__).parents[3] / "docs" / "guides.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the environment of a process that finds the example installed as any package is."""
    folder = tmp_path_factory.mktemp("site")
    entry = re.search(
        r"```toml\n\[project\.entry-points\.\"([\w.]+)\"\]\nsmallest = \"([\w:]+)\"\n```", GUIDE.read_text()
    )
    code = re.search(r"```python\n(class Smallest:.*?)```", GUIDE.read_text(), re.DOTALL)
    module = entry[2].partition(":")[0]
    (folder / f"{module}.py").write_text(code[1])
    told = folder / f"{module}-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[{entry[1]}]\nsmallest = {entry[2]}\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def run(environment, *command):
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_it_runs_in_the_simulator(installed, tmp_path):
    trace = tmp_path / "uses.jsonl"
    memories = traces.made_up_memories(20, 1)
    trace.write_text("\n".join(traces.write(traces.zipf(memories, 200, 1))))
    code = "from memporium.cli import main; main()"
    shown = run(
        installed, "-c", code, "tier", "simulate", "--trace", str(trace), "--budget", "64M", "--strategy", "smallest"
    )
    assert "smallest" in shown


def test_it_rules_the_tier_by_a_setting(installed):
    code = (
        "from memporium_services.inference.settings import InferenceSettings\n"
        "from memporium_platform.tiering.catalogue import plugins, policy\n"
        "chosen = InferenceSettings().blob_cache_policy\n"
        "print(chosen, type(policy(chosen, 9)).__module__, plugins()[chosen].origin, plugins()[chosen].description)\n"
    )
    environment = {**installed, "MEMPORIUM_INFERENCE_BLOB_CACHE_POLICY": "smallest"}
    assert run(environment, "-c", code) == "smallest my_package my_package Holds what is smallest.\n"
