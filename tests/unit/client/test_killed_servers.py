"""Servers that are killed when they have the request and have not answered: no call outlasts its time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from memporium.client import AsyncClient, Client, MemporiumError

# Ends itself without a word as soon as a call arrives; says before on which port it listens.
_SERVER = """
import os, sys, grpc
from concurrent import futures

class Killed(grpc.GenericRpcHandler):
    def service(self, details):
        os.kill(os.getpid(), 9)

server = grpc.server(futures.ThreadPoolExecutor(2), handlers=(Killed(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""
# Far more than the time that the calls are given, on a busy machine.
_PATIENCE_S = 120.0


@pytest.fixture
def address():
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        yield f"127.0.0.1:{int(server.stdout.readline())}"
        server.kill()


def _ends(work):
    """Run `work` on a thread; return what it returned, or fail where it does not end."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    assert found, "the call did not end"
    return found[0]


@pytest.mark.parametrize("timeout_s", [60.0, None])
def test_a_stream_ends_with_its_server(address, timeout_s):
    def work():
        with Client(address) as client:
            try:
                return list(client.vault.search_cubes(parent="orgs/a/vaults/v", query="q", timeout_s=timeout_s))
            except MemporiumError as error:
                return error.code

    assert _ends(work) == "UNAVAILABLE"


def test_a_stream_of_asyncio_ends_with_its_server(address):
    async def read():
        async with AsyncClient(address) as client:
            stream = client.vault.search_cubes(parent="orgs/a/vaults/v", query="q", timeout_s=60.0)
            with pytest.raises(MemporiumError) as caught:
                await anext(stream)
            return caught.value.code

    assert _ends(lambda: asyncio.run(read())) == "UNAVAILABLE"


def test_a_unary_call_ends_with_its_server(address):
    def work():
        with Client(address) as client, pytest.raises(MemporiumError) as caught:
            client.vault.get_cube(name="orgs/a/vaults/v/cubes/c", timeout_s=60.0)
        return caught.value.code

    assert _ends(work) in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_a_stream_that_finds_nobody_tries_for_no_longer_than_its_time():
    began = time.monotonic()
    with Client("127.0.0.1:1") as client, pytest.raises(MemporiumError) as caught:
        next(client.vault.search_cubes(parent="orgs/a/vaults/v", query="q", timeout_s=0.05))
    assert time.monotonic() - began < _PATIENCE_S
    assert caught.value.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
