"""Either of two platforms is killed, at one named moment after the other, while a changed release goes between them.

The buyer sees the one release or the other, whole, and in the end what a buyer has who pulled the new one alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_delta_between_two_platforms_is_there_whole_or_not_at_all_whoever_was_killed(tmp_path):
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
    assert (process.returncode, told) == (0, b"done"), problems.decode()[-4000:]
