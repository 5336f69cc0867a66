"""The demo's story, scene by scene, in one process and in seven: what a newcomer sees is what is tested."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from minio import Minio
from rich.console import Console

from memporium.client._methods import SERVICES
from memporium.demo.server import Running, flip, platform
from memporium.demo.stage import Stage
from memporium.demo.story import tell
from memporium_platform.storage.objects.s3_address import S3Address
from support.processes import free_port, server
from support.servers import milvus_path, postgres_server, postgres_url, s3_server, s3_url  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Mapping

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
def _seven_processes(folder: Path, engines: Mapping[str, str] = MappingProxyType({}), index_url: str = ""):
    """Run each service in a process of its own; they find each other by address, and the vault alone has an index."""
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
                **engines,
                "MEMPORIUM_INDEX_URL": index_url if service == "vault" else "",
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


@pytest.fixture
def engines(postgres_url, s3_url):  # noqa: F811 - fixtures of another module
    return {"MEMPORIUM_DATABASE_URL": postgres_url, "MEMPORIUM_OBJECTS_URL": s3_url}


@pytest.mark.servers
@pytest.mark.parametrize("processes", [1, 7])
def test_the_story_on_postgresql_s3_and_milvus(tmp_path, texts, engines, milvus_path, processes):  # noqa: F811
    folder = tmp_path / "data"
    folder.mkdir()
    # One file serves one process: each story has its own.
    index_url = f"milvus://{milvus_path.with_name(f'story-{processes}.db')}"
    with (
        platform(folder, {**SETTINGS, **engines, "MEMPORIUM_INDEX_URL": index_url})
        if processes == 1
        else _seven_processes(folder, engines, index_url)
    ) as running:
        _await_all(running)
        s3_url = engines["MEMPORIUM_OBJECTS_URL"]
        stage, _ = _tell(replace(running, tamper=lambda name: _flipped_in_s3(s3_url, name)), texts)
    assert dict(stage.facts)["gain of KV memory"]
    # Nothing fell back to the embedded engines.
    assert not [path for path in folder.rglob("*") if path.suffix == ".sqlite" or path.name in {"objects", "index"}]


@contextmanager
def _flipped_in_s3(url: str, name: str):
    """Change an object as one who has the bucket's key could."""
    address = S3Address.parse(url)
    client = Minio(address.endpoint, access_key=address.access_key, secret_key=address.secret_key, secure=False)
    (key,) = [one.object_name for one in client.list_objects(address.bucket, recursive=True) if name in one.object_name]
    with closing(client.get_object(address.bucket, key)) as response:
        content = response.read()
    client.put_object(address.bucket, key, io.BytesIO(flip(content)), len(content))
    try:
        yield
    finally:
        client.put_object(address.bucket, key, io.BytesIO(content), len(content))


def _await_all(running):
    import time

    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    deadline = time.monotonic() + 300
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
