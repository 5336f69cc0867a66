"""Watches a vault: its changes in order of revision, none left out, silence broken by progress."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_services.vault.app.licensing import refuse_dead
from memporium_services.vault.app.reading import assemble, reader_of
from memporium_services.vault.app.writing import FORGOTTEN
from memporium_services.vault.domain.selection import PRIVATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import ChangeRow, CubeRow, VaultRow

_PAGE = 200
# A revision holds at most this many changes: an import, or a forgetting by filter.
_MOST_IN_ONE = 10_000_000
# How soon a watcher sees what another replica wrote; writes of this process wake it at once.
_POLL_S = 0.25
DEFAULT_PROGRESS_S = 15.0


@dataclass(frozen=True, slots=True)
class Event:
    """One change, and the cube as it is now; None: it is gone."""

    change: ChangeRow
    name: str
    cube: Cube | None


class Wakers:
    """Wakes watchers of a vault when this process has written to it."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def wake(self, vault_uid: str) -> None:
        """Wake those who wait now."""
        event = self._events.pop(vault_uid, None)
        if event is not None:
            event.set()

    async def wait(self, vault_uid: str, timeout_s: float) -> None:
        """Return after a write, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._events[vault_uid].wait()
        except TimeoutError:
            return


class Watch:
    """Streams changes."""

    def __init__(self, rt: Runtime, wakers: Wakers) -> None:
        """Work on these ports."""
        self._rt = rt
        self._wakers = wakers

    async def watch(
        self,
        call: Call,
        parent: str,
        *,
        start: int,
        tags: Sequence[str],
        full: bool,
        progress_s: float,
        uid: str = "",
    ) -> AsyncIterator[tuple[int, list[Event]]]:
        """Yield (complete through this revision, changes), until the caller goes.

        With `uid`, of the vault that has it alone.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, REVISION_COMPACTED, LICENCE_*.
        """
        rt = self._rt
        if start < 0:
            raise invalid("start_revision", "must not be negative")
        vault = await rt.vault(parent, field="parent")
        if full and vault.agreement:
            raise invalid("view", "a licensed vault is watched without payloads")
        if uid and uid != vault.uid:
            raise _list_anew(vault, f"{parent} is another vault than the one with this uid")
        if start > vault.revision + 1:
            # To wait for it would leave out all that comes till then, and what came in between.
            raise _list_anew(vault, f"{parent} has had no revision {start - 1}: it was restored, or made anew")
        cursor = start or vault.revision + 1
        yield cursor - 1, []
        quiet_s = 0.0
        while True:
            vault, changes, more = await self._next(vault, cursor)
            events = await self._events(call, vault, changes, tags, full=full)
            through = changes[-1].revision if more else vault.revision
            if events or through >= cursor or quiet_s >= progress_s:
                yield max(through, cursor - 1), events
                quiet_s = 0.0
            cursor = max(cursor, through + 1)
            if not more:
                await self._wakers.wait(vault.uid, _POLL_S)
                quiet_s += _POLL_S

    async def _next(self, vault: VaultRow, cursor: int) -> tuple[VaultRow, list[ChangeRow], bool]:
        """Return the vault, whole revisions from `cursor` on, and whether there are more."""
        rt = self._rt

        def load(conn: Connection) -> tuple[VaultRow | None, list[ChangeRow], bool]:
            store = rt.store(conn)
            fresh = store.vault_by_uid(vault.uid)
            changes = store.changes(vault.uid, from_revision=cursor, limit=_PAGE)
            if len(changes) < _PAGE:
                return fresh, changes, False
            last = changes[-1].revision
            whole = [change for change in changes if change.revision < last]
            if not whole:
                many = store.changes(vault.uid, from_revision=last, limit=_MOST_IN_ONE)
                whole = [change for change in many if change.revision == last]
            return fresh, whole, True

        fresh, changes, more = await rt.db.read(load)
        if fresh is None:
            raise not_found(vault.name)
        if cursor <= fresh.changes_floor:
            raise _list_anew(fresh, f"changes before revision {fresh.changes_floor + 1} are gone")
        if fresh.agreement:
            refuse_dead(rt, fresh.agreement)
        return fresh, changes, more

    async def _events(
        self, call: Call, vault: VaultRow, changes: Sequence[ChangeRow], tags: Sequence[str], *, full: bool
    ) -> list[Event]:
        if not changes:
            return []
        rt = self._rt
        cipher = await rt.cipher(vault)
        ids = sorted({change.cube_id for change in changes})
        rows = await rt.db.read(lambda conn: rt.store(conn).cubes(vault.uid, ids))
        reader = reader_of(call)
        seen = [row for row in rows.values() if _visible(row, reader)]
        # A stream of changes asks for no uses, so what others license comes without payload, here as in a pack.
        free = [row for row in seen if not row.licensed]
        made = await assemble(rt, vault, free, cipher, full=full)
        made += await assemble(rt, vault, [row for row in seen if row.licensed], cipher, full=False)
        cubes = {cube.name.rpartition("/")[2]: cube for cube in made}
        wanted = set(tags)
        events = []
        for change in changes:
            cube = cubes.get(change.cube_id)
            if cube is None and change.cube_id in rows:
                continue
            if cube is None:
                change = replace(change, kind=FORGOTTEN)  # noqa: PLW2901 - the cube is gone by now
            elif wanted and not wanted.intersection(cube.descriptive.tags):
                continue
            events.append(Event(change, f"{vault.name}/cubes/{change.cube_id}", cube))
        return events


def _list_anew(vault: VaultRow, message: str) -> PlatformError:
    """Return why what came since cannot be told: the caller has to look at all there is, and to watch from there."""
    metadata = {"smallest_revision": str(vault.changes_floor + 1), "newest_revision": str(vault.revision)}
    return PlatformError(Reason.REVISION_COMPACTED, message, metadata=metadata)


def _visible(row: CubeRow, reader: str) -> bool:
    return row.scope != PRIVATE or not reader or row.owner == reader
