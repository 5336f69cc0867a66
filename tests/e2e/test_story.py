"""The demo's story, scene by scene, in one process and in seven: what a newcomer sees is what is tested."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from memporium.client._methods import SERVICES
from memporium.demo.server import Running, platform
from memporium.demo.stage import Stage
from memporium.demo.story import tell
from support.processes import free_port, server

# Small models that are built in: the story is the same, only quicker.
SETTINGS = {"MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384", "MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S": "0"}
MODEL = "tiny-random"

TEXTS = {
    "with.md": "# The with statement\n\nThe with statement wraps a block with the methods of a context manager. "
    "The context manager's exit method is called when the block ends, also after an exception.\n",
    "try.md": "# The try statement\n\nThe try statement says what to do about exceptions. "
    "A finally clause runs in any case, whether an exception came or not.\n",
    "loops.md": "# Loops\n\nA for statement goes over the items of an iterable. A while statement repeats a block as "
    "long as an expression is true. Both may have an else clause.\n",
}


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def _seven_processes(folder: Path):
    """Run each service in a process of its own; they find each other by address."""
    ports = {service: free_port() for service in SERVICES}
    addresses = {service: f"127.0.0.1:{port}" for service, port in ports.items()}
    with ExitStack() as stack:
        for service in SERVICES:
            others = {
                f"MEMPORIUM_{other.upper()}_ADDRESS": address
                for other, address in addresses.items()
                if other != service
            }
            environ = {
                **os.environ,
                **SETTINGS,
                **others,
                "MEMPORIUM_DATA_DIR": str(folder),
                "MEMPORIUM_LISTEN": addresses[service],
            }
            stack.enter_context(
                server(
                    [os.sys.executable, "-m", "memporium", "serve", service],
                    log=folder / f"{service}.log",
                    ready=lambda: True,
                    environ=environ,
                )
            )
        yield Running(address=addresses["governance"], folder=folder, services=addresses)


def _tell(running, texts):
    seen = io.StringIO()
    stage = Stage(Console(file=seen, width=160))
    try:
        tell(stage, running, data=texts, model=MODEL)
    finally:
        print(seen.getvalue())
    return stage, seen.getvalue()


def test_the_story_in_one_process(tmp_path, texts):
    folder = tmp_path / "data"
    folder.mkdir()
    with platform(folder, SETTINGS) as running:
        stage, seen = _tell(running, texts)
    for reason in ("LICENCE_NOT_PERMITTED", "LICENCE_QUOTA_EXHAUSTED", "BUNDLE_REJECTED", "PERMISSION_DENIED"):
        assert reason in seen
    assert dict(stage.facts)["gain of KV memory"]


def test_the_story_in_seven_processes(tmp_path, texts):
    folder = tmp_path / "data"
    folder.mkdir()
    with _seven_processes(folder) as running:
        _await_all(running)
        stage, _ = _tell(running, texts)
    assert dict(stage.facts)["gain of KV memory"]


def _await_all(running):
    import time

    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    deadline = time.monotonic() + 120
    for service, address in running.services.items():
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while True:
                try:
                    if health.Check(health_pb2.HealthCheckRequest(), timeout=1).status == 1:
                        break
                except grpc.RpcError:
                    pass
                if time.monotonic() > deadline:
                    log = (running.folder / f"{service}.log").read_text(errors="replace")
                    raise TimeoutError(f"{service} did not start:\n{log[-3000:]}")
                time.sleep(0.1)
