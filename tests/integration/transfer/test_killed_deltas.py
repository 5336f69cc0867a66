"""kill -9 at one moment after the other of a new release that changes a little, and of its delivery.

Before each the buyer sees the one release or the other, whole; in the end the vault is that of a buyer who has pulled
the new release alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from support.delta_world import FRESH, PACK, PULL_ID, SECOND, SETTINGS, delta_world

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_delta_is_there_whole_or_not_at_all_whenever_it_was_killed(tmp_path, monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    path = os.pathsep.join(str(ROOT / part) for part in ("platform", "services", "tests"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("delta_process.py")),
        str(tmp_path),
        env=os.environ | {"PYTHONPATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()[-4000:]
    async with delta_world(tmp_path / "data", told.decode()) as world:
        assert await world.texts(PACK) == SECOND
        result = await world.pull("pack", PULL_ID)
        assert result.version == "1.1.0"
        await world.pull("fresh")
        assert await world.seen(PACK) == await world.seen(FRESH)
        assert await world.texts(PACK) == SECOND
        assert await world.usage(PACK) == await world.usage(FRESH)
        for vault in (PACK, FRESH):
            assert await world.found(vault, "glass tower new") == "c8"
            assert await world.found(vault, "south tower fell down") == "c1"
            assert await world.found(vault, "west tower bell") != "c3"
