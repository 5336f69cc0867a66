"""Counts how cubes are used: kept in memory, written every few seconds, so that reads do not write.

Uses are behaviour, not content: they make no version and no revision, and a crash, or a store that is away, may lose
the last seconds of them.
A cube in state GENERATED becomes ACTIVATED by its first use.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import orjson
import structlog

from memporium_platform.errors import PlatformError
from memporium_services.vault.app.retention import retention_of
from memporium_services.vault.domain.heat import used
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.use_kinds import is_export

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import UsedCube

_log = structlog.get_logger(__name__)

# Cubes whose uses wait at once; beyond, the oldest vault's are dropped: heat is a hint.
_MAX_WAITING = 50_000
_PER_WRITE = 500

# Counts by kind of use, by cube, by vault.
_Uses = dict[str, dict[str, dict[str, int]]]


class UseRecorder:
    """Counts uses and writes them in the background."""

    def __init__(self, rt: Runtime) -> None:
        """Write to the runtime's database."""
        self._rt = rt
        self._waiting: _Uses = defaultdict(dict)
        # Uses since the cubes were last counted: so many more may wait.
        self._noted = 0

    def note(self, vault_uid: str, cube_ids: Sequence[str], kind: str) -> None:
        """Count one use of each cube; `kind` is `read`, `retrieve`, `use` or `export`."""
        waiting = self._waiting[vault_uid]
        for cube_id in cube_ids:
            counts = waiting.get(cube_id)
            if counts is None:
                waiting[cube_id] = {kind: 1}
            else:
                counts[kind] = counts.get(kind, 0) + 1
        self._noted += len(cube_ids)
        if self._noted <= _MAX_WAITING:
            return
        if self._count() > _MAX_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
        self._noted = self._count()

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def run(self) -> None:
        """Write what has gathered every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(self._rt.settings.use_flush_s)
            try:
                await self.flush()
            except PlatformError as error:
                # The store may be away for a while; uses since go on to be counted.
                _log.warning("vault.uses_lost", reason=error.reason.value)

    async def flush(self) -> None:
        """Write what has gathered."""
        taken, self._waiting, self._noted = self._waiting, defaultdict(dict), 0
        now_us = self._rt.now_us()
        for some in _portions(taken):
            await self._rt.db.write(partial(self._write, taken=some, now_us=now_us))

    def _write(self, conn: Connection, taken: _Uses, now_us: int) -> None:
        store = self._rt.store(conn)
        for vault_uid, uses in taken.items():
            vault = store.vault_by_uid(vault_uid)
            if vault is None:
                continue
            half_life_s = retention_of(vault.settings).half_life_s
            rows = store.used_cubes(vault_uid, list(uses))
            store.record_uses(vault_uid, [_after(row, uses[row.cube_id], half_life_s, now_us) for row in rows])


def _portions(taken: _Uses) -> Iterator[_Uses]:
    """Yield what one transaction writes: of many small vaults together, for each transaction waits for the disk."""
    portion: _Uses = {}
    room = _PER_WRITE
    for vault_uid, uses in taken.items():
        # By id, so by when they were made: cubes of the same pages go together, and each page is written once.
        cube_ids = sorted(uses)
        done = 0
        while done < len(cube_ids):
            portion[vault_uid] = {cube_id: uses[cube_id] for cube_id in cube_ids[done : done + room]}
            done += len(portion[vault_uid])
            room -= len(portion[vault_uid])
            if not room:
                yield portion
                portion, room = {}, _PER_WRITE
    if portion:
        yield portion


def _after(row: UsedCube, counts: dict[str, int], half_life_s: float, now_us: int) -> UsedCube:
    totals: dict[str, int] = orjson.loads(row.uses) if row.uses else {}
    for kind, count in counts.items():
        totals[kind] = totals.get(kind, 0) + count
    uses = orjson.dumps(totals).decode()
    wanted = sum(count for kind, count in counts.items() if not is_export(kind))
    if not wanted:
        return row._replace(uses=uses)
    heat = used(row.heat, since_us=row.last_use_us, now_us=now_us, half_life_s=half_life_s, uses=wanted)
    state = State.ACTIVATED if row.state == State.GENERATED and not row.frozen else row.state
    return row._replace(heat=heat, last_use_us=now_us, uses=uses, state=int(state))
