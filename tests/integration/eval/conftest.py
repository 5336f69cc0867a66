"""What these tests run against."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest

from support.evaluation import World, knowing
from support.model_server import model_server
from support.platform import running_platform

SERVICES = ("governance", "vault", "inference", "reader")


@pytest.fixture
def world(tmp_path, monkeypatch):
    @asynccontextmanager
    async def make(answer=knowing):
        monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
        async with model_server(answer) as server:
            monkeypatch.setenv("MEMPORIUM_INFERENCE_REMOTE_MODELS", json.dumps(server.remote("far")))
            async with running_platform(SERVICES, data_dir=tmp_path / "data") as platform:
                yield World(platform, await platform.organisation("acme"), server)

    return make
