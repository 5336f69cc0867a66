"""Keeps indexes up to the relational store: after each write, at start-up, and whenever one is behind.

An index is a cache. Its revision says what it has taken in; tasks say what came after. Work that was just done is
handed over in memory, so the common write reads nothing back; what is not in memory (after a crash, on another
replica) is read, opened and analysed anew.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

import structlog

from memporium_platform.errors import not_found
from memporium_platform.storage.index.vault_index import IndexEntry
from memporium_services.vault.app.codec import open_unit
from memporium_services.vault.app.runtime import bind
from memporium_services.vault.domain.text import terms_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium_platform.storage.index.vault_index import VaultIndex
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import UnitRow, VaultRow

_log = structlog.get_logger(__name__)

# Units read at once where an index is built anew: some 10 MB.
_REBUILD_UNITS = 2000
# Writes whose entries wait in memory; beyond, they are read back.
_MAX_WAITING = 4096
# Looks at the writes in memory before the store is read instead.
_CHAIN_TRIES = 2
# Set by the crash test: the process ends between the commit and the index.
_FAULT = "MEMPORIUM_FAULT"


class Waiting(NamedTuple):
    """What one write did to the index. `follows`: the index revision before it."""

    follows: int
    entries: Sequence[IndexEntry]
    deletes: Sequence[int]


class IndexFollower:
    """Brings the indexes of all vaults up to date, one change of an index at a time."""

    def __init__(self, runtime: Runtime) -> None:
        """Follow the runtime's database."""
        self._rt = runtime
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, OrderedDict[int, Waiting]] = {}
        self._reached: dict[str, int] = {}
        self.repaired = 0

    def offer(self, vault_uid: str, revision: int, waiting: Waiting) -> None:
        """Hand over what a committed write did."""
        queue = self._waiting.setdefault(vault_uid, OrderedDict())
        queue[revision] = waiting
        while len(queue) > _MAX_WAITING:
            queue.popitem(last=False)

    async def follow(self, vault: VaultRow, revision: int) -> None:
        """Bring the index up to a revision that was committed; the vault has vectors."""
        if os.environ.get(_FAULT) == "vault.after_commit":
            os._exit(137)
        async with self._lock(vault.uid):
            # A write before this one in the queue may have taken it along.
            if self._reached.get(vault.uid, 0) >= revision:
                return
            await self._catch_up(vault, revision)

    async def repair(self, vault: VaultRow) -> None:
        """Bring an index up to date that was found behind.

        Raises:
            PlatformError: NOT_FOUND, where the vault was deleted meanwhile.
        """
        async with self._lock(vault.uid):
            await self._catch_up(vault, vault.index_revision)
            if self._reached[vault.uid] < vault.index_revision:
                self.forget(vault.uid)
                raise not_found(vault.name)

    def forget(self, vault_uid: str) -> None:
        """Drop what is remembered of a vault."""
        self._locks.pop(vault_uid, None)
        self._waiting.pop(vault_uid, None)
        self._reached.pop(vault_uid, None)

    def _open(self, vault: VaultRow) -> tuple[VaultIndex, int]:
        index = self._rt.indexes.open(vault.uid, dimensions=vault.dimensions)
        return index, index.revision

    async def _catch_up(self, vault: VaultRow, revision: int) -> None:
        for _ in range(_CHAIN_TRIES):
            queue = self._waiting.get(vault.uid, OrderedDict())
            index, reached = await asyncio.to_thread(self._apply_waiting, vault, dict(queue))
            for number in [number for number in queue if number <= reached]:
                del queue[number]
            if reached >= revision:
                self._reached[vault.uid] = reached
                return
            # Writes of one group commit together: those before this one are about to hand over their part.
            await asyncio.sleep(0)
        self._reached[vault.uid] = await self._apply_tasks(vault, index, reached)

    def _apply_waiting(self, vault: VaultRow, queue: Mapping[int, Waiting]) -> tuple[VaultIndex, int]:
        """Apply the unbroken chain of writes in memory that begins where the index is; return where it is then."""
        index, reached = self._open(vault)
        by_start = {waiting.follows: (number, waiting) for number, waiting in queue.items() if number > reached}
        upserts: dict[int, IndexEntry] = {}
        deletes: set[int] = set()
        start = reached
        while reached in by_start:
            reached, waiting = by_start[reached]
            _merge(upserts, deletes, {entry.unit_id: entry for entry in waiting.entries}, waiting.deletes)
        if reached > start:
            entries = list(upserts.values())
            # In pieces, so that searches come between. The revision stays until the last one is in.
            last = max(0, len(entries) - 1) // _REBUILD_UNITS * _REBUILD_UNITS
            for first in range(0, last, _REBUILD_UNITS):
                index.apply(upserts=entries[first : first + _REBUILD_UNITS], deletes=[], revision=start)
            index.apply(upserts=entries[last:], deletes=sorted(deletes), revision=reached)
        return index, reached

    async def _apply_tasks(self, vault: VaultRow, index: VaultIndex, after: int) -> int:
        """Bring an index up to date from the store; return the revision that it has reached."""
        rt = self._rt
        cipher = await rt.cipher(vault)
        fresh, tasks = await rt.db.read(
            lambda conn: (rt.store(conn).vault_by_uid(vault.uid), rt.store(conn).tasks(vault.uid, after=after))
        )
        if fresh is None:
            return after
        self.repaired += 1
        upserts: dict[int, None] = {}
        deletes: set[int] = set()
        for task in tasks:
            _merge(upserts, deletes, dict.fromkeys(task.upserts), task.deletes)
        if after < fresh.tasks_floor or (not tasks and after < fresh.index_revision):
            return await self._rebuild(fresh, cipher)
        wanted = list(upserts)
        gone = set(deletes)
        for start in range(0, len(wanted), _REBUILD_UNITS):
            some = wanted[start : start + _REBUILD_UNITS]
            rows = await rt.db.read(bind(rt, methodcaller("units", vault.uid, some)))
            gone.update(unit_id for unit_id in some if unit_id not in rows)
            entries = await asyncio.to_thread(entries_of, list(rows.values()), cipher)
            # The revision stays until the last piece is in: a crash between leaves work, never a gap.
            await asyncio.to_thread(index.apply, upserts=entries, deletes=[], revision=after)
        reached = max(fresh.index_revision, tasks[-1].revision) if tasks else fresh.index_revision
        await asyncio.to_thread(index.apply, upserts=[], deletes=sorted(gone), revision=reached)
        _log.info("vault.index_caught_up", vault=vault.name, revision=reached, units=len(wanted))
        return reached

    async def _rebuild(self, vault: VaultRow, cipher: VaultCipher) -> int:
        """Build an index from nothing; what is written meanwhile has later tasks."""
        rt = self._rt
        await asyncio.to_thread(rt.indexes.destroy, vault.uid)
        index, _ = await asyncio.to_thread(self._open, vault)
        after = 0
        while True:
            rows = await rt.db.read(
                bind(rt, methodcaller("indexed_units", vault.uid, after=after, limit=_REBUILD_UNITS))
            )
            if not rows:
                break
            entries = await asyncio.to_thread(entries_of, rows, cipher)
            await asyncio.to_thread(index.apply, upserts=entries, deletes=[], revision=0)
            after = rows[-1].unit_id
        await asyncio.to_thread(index.apply, upserts=[], deletes=[], revision=vault.index_revision)
        _log.info("vault.index_built", vault=vault.name, revision=vault.index_revision)
        return vault.index_revision

    def _lock(self, vault_uid: str) -> asyncio.Lock:
        return self._locks.setdefault(vault_uid, asyncio.Lock())


def entries_of(rows: Sequence[UnitRow], cipher: VaultCipher) -> list[IndexEntry]:
    """Return the index entries of stored units."""
    found = []
    for row in rows:
        stored = open_unit(row, cipher)
        found.append(
            IndexEntry(
                unit_id=row.unit_id,
                terms=cipher.terms(terms_of(stored.indexed, stored.language)),
                context_terms=cipher.terms(terms_of(stored.unit.context, stored.language)),
                vector=stored.vector,
            )
        )
    return found


def _merge(
    upserts: dict[int, IndexEntry] | dict[int, None],
    deletes: set[int],
    more: Mapping[int, IndexEntry] | Mapping[int, None],
    gone: Sequence[int],
) -> None:
    """Add one revision's changes: deletes first, since a changed cube's old units go and its new ones come."""
    for unit_id in gone:
        upserts.pop(unit_id, None)
        deletes.add(unit_id)
    for unit_id in more:
        deletes.discard(unit_id)
    upserts.update(more)  # type: ignore[arg-type]
