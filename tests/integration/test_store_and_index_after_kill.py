"""The relational store commits, then the index follows: a kill -9 between the two is repaired from the store."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from memporium_platform.storage.index.open_index import open_index_store
from memporium_platform.storage.index.vault_index import IndexEntry
from memporium_platform.storage.sql.open_database import open_database
from support.counter_tables import MIGRATIONS, Settings, counters

if TYPE_CHECKING:
    from pathlib import Path

# The name is the unit's term and the value both its id and the revision that wrote it.
_WRITER = """
    import asyncio, os, pathlib, signal, sys
    from memporium_platform.storage.index.open_index import open_index_store
    from memporium_platform.storage.index.vault_index import IndexEntry
    from memporium_platform.storage.sql.open_database import open_database
    from sqlalchemy import func, insert, select
    from support.counter_tables import MIGRATIONS, Settings, counters

    die_between = int(sys.argv[2])

    async def main():
        settings = Settings(pathlib.Path(sys.argv[1]))
        database = await open_database(settings, "vault", MIGRATIONS)
        index = open_index_store(settings).open("v", dimensions=4)

        def write(connection):
            revision = (connection.execute(select(func.max(counters.c.value))).scalar() or 0) + 1
            connection.execute(insert(counters).values(name=f"w{revision}", value=revision))
            return revision

        while True:
            revision = await database.write(write)
            if revision == die_between:
                os.kill(os.getpid(), signal.SIGKILL)
            entry = IndexEntry(revision, (f"w{revision}",), (), None)
            await asyncio.to_thread(index.apply, upserts=[entry], deletes=[], revision=revision)
            sys.stdout.write(f"{revision}\\n"); sys.stdout.flush()

    asyncio.run(main())
"""


def _run_until_killed(folder: Path, *, die_between: int) -> int:
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(folder), str(die_between)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return int(done.stdout.split()[-1])


async def _written(folder: Path) -> list[int]:
    database = await open_database(Settings(folder), "vault", MIGRATIONS)
    try:
        return await database.read(lambda c: list(c.execute(select(counters.c.value)).scalars()))
    finally:
        await database.close()


def test_killed_between_commit_and_index(tmp_path: Path) -> None:
    for last in (40, 55):
        acknowledged = _run_until_killed(tmp_path, die_between=last)
        assert acknowledged == last - 1
        written = asyncio.run(_written(tmp_path))
        assert sorted(written) == list(range(1, last + 1))
        store = open_index_store(Settings(tmp_path))
        index = store.open("v", dimensions=4)
        # The index knows that it is behind, and by how much.
        assert index.revision == last - 1
        behind = [IndexEntry(value, (f"w{value}",), (), None) for value in written if value > index.revision]
        index.apply(upserts=behind, deletes=[], revision=last)
        for value in written:
            assert index.search_terms([f"w{value}"], leg="own", k=2).ids.tolist() == [value]
        assert np.isnan(index.score_dense(np.ones(4, np.float32), np.array([last]))).all()
        store.close()
