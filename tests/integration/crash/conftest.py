"""One server for all tests of this folder: each kills it, and goes on with what the ones before have left."""

from __future__ import annotations

import pytest

from support.crash_server import killable_server
from support.crash_world import World


@pytest.fixture(scope="session")
def crash_world(tmp_path_factory):
    with killable_server(tmp_path_factory.mktemp("crash")) as server:
        made = World(server)
        made.build()
        yield made


@pytest.fixture
def world(crash_world):
    if not crash_world.server.alive:
        crash_world.server.start()
    return crash_world
