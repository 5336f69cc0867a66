"""A platform in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

from memporium.client import Client
from support.platform import running_platform

SERVICES = ("governance", "vault", "inference", "reader")


@dataclass
class Here:
    address: str
    key: str
    other_key: str

    def client(self, key=""):
        return Client(self.address, api_key=key or self.key)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    ready, stop = threading.Event(), {}
    found = {}

    async def serve():
        stop["event"], stop["loop"] = asyncio.Event(), asyncio.get_running_loop()
        async with running_platform(SERVICES, data_dir=tmp_path_factory.mktemp("data")) as platform:
            org, other = await platform.organisation("acme"), await platform.organisation("umbra")
            found["here"] = Here(platform.address, org.owner_key, other.owner_key)
            ready.set()
            await stop["event"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    yield found["here"]
    stop["loop"].call_soon_threadsafe(stop["event"].set)
    thread.join(30)
    patch.undo()
