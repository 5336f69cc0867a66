from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from memporium_platform.clock import ManualClock
from support.market import running_market


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def market(tmp_path, clock):
    async with asynccontextmanager(running_market)(tmp_path, clock=clock) as running:
        yield running
