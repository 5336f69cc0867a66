"""Housekeeping, a page a call: cubes expire, are purged, go cold; indexes are repaired; leavings are dropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import methodcaller
from typing import TYPE_CHECKING

from memporium_platform import idempotency, names
from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app.changing import Edit
from memporium_services.vault.app.forget_asked import Chosen
from memporium_services.vault.app.retention import retention_of
from memporium_services.vault.app.runtime import bind
from memporium_services.vault.domain.heat import is_cold
from memporium_services.vault.domain.lifecycle import Trigger

if TYPE_CHECKING:
    from memporium_platform.call import Call
    from memporium_services.vault.app.blobs import Blobs
    from memporium_services.vault.app.changing import Changer
    from memporium_services.vault.app.erasing import Erasing
    from memporium_services.vault.app.errands import Errands
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

DEFAULT_LIMIT, MAX_LIMIT = 500, 5000
# Vaults looked at in one call, however little there is to do in each.
_VAULTS = 50
# An import that has not ended by then was cut off.
_DEAD_IMPORT_US = 3600 * 1_000_000
_MOVED_ON = frozenset({Reason.CUBE_FROZEN, Reason.ILLEGAL_TRANSITION, Reason.NOT_FOUND, Reason.LEGAL_HOLD})


@dataclass(slots=True)
class Swept:
    """What was done, and where to go on."""

    next_cursor: str = ""
    expired: int = 0
    purged: int = 0
    archived: int = 0
    repaired: int = 0
    dropped_blobs: int = 0

    @property
    def cubes(self) -> int:
        """Cubes that were touched."""
        return self.expired + self.purged + self.archived


class Sweep:
    """Keeps vaults tidy."""

    def __init__(
        self,
        rt: Runtime,
        changer: Changer,
        forgetting: Forgetting,
        erasing: Erasing,
        follower: IndexFollower,
        blobs: Blobs,
        errands: Errands,
    ) -> None:
        """Work on these ports."""
        self._rt = rt
        self._changer = changer
        self._forgetting = forgetting
        self._erasing = erasing
        self._follower = follower
        self._blobs = blobs
        self._errands = errands

    async def sweep(self, call: Call, parent: str, cursor: str, limit: int) -> Swept:
        """Do one page of work.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        rt = self._rt
        limit = min(limit or DEFAULT_LIMIT, MAX_LIMIT)
        swept = Swept()
        if names.VAULT.match(parent):
            await self._vault(call, await rt.vault(parent, field="parent"), swept, limit)
            swept.next_cursor = "more" if swept.cubes >= limit else ""
            return swept
        org = names.ORG.parse(parent, "parent")["org"] if parent else ""
        if not cursor:
            await self._leavings()
        vaults = await rt.db.read(lambda conn: rt.store(conn).all_vaults(after_uid=cursor, limit=_VAULTS, org=org))
        done = cursor
        for vault in vaults:
            await self._vault(call, vault, swept, limit - swept.cubes)
            if swept.cubes >= limit:
                # The same vault again: it may have more.
                swept.next_cursor = done or "0"
                return swept
            done = vault.uid
        swept.next_cursor = done if len(vaults) == _VAULTS else ""
        return swept

    async def _vault(self, call: Call, vault: VaultRow, swept: Swept, limit: int) -> None:
        rt = self._rt
        now_us = rt.now_us()
        due = await rt.db.read(lambda conn: rt.store(conn).due(vault.uid, now_us=now_us, purge=False, limit=limit))
        for row in due:
            swept.expired += await self._change(call, vault, row, Edit(Trigger.EXPIRE, reason="ttl", by_itself=True))
        room = limit - swept.expired
        if room > 0:
            over = await rt.db.read(lambda conn: rt.store(conn).due(vault.uid, now_us=now_us, purge=True, limit=room))
            swept.purged += await self._purge(call, vault, over)
        room -= swept.purged
        if room > 0:
            swept.archived += await self._archive(call, vault, now_us, room)
        if vault.dimensions and vault.index_revision:
            before = self._follower.repaired
            await self._follower.repair(vault)
            swept.repaired += self._follower.repaired - before
        swept.dropped_blobs += await self._drop_blobs(vault, now_us)
        await self._compact(vault)

    async def _purge(self, call: Call, vault: VaultRow, rows: list[CubeRow]) -> int:
        if not rows:
            return 0
        ids = [row.cube_id for row in rows]

        def choose(store: Store) -> Chosen:
            present = store.cubes(vault.uid, ids)
            # What was made from them stays: their time is over, and nobody asked to forget them.
            return Chosen([present[row.cube_id] for row in rows if present.get(row.cube_id) == row])

        cipher = await self._rt.cipher(vault)
        gone = await self._forgetting.remove(
            replace(call, request_id=""), vault, cipher, choose, reason="grace period over", trigger=Trigger.PURGE
        )
        return gone.receipt.cubes if gone.receipt is not None else 0

    async def _archive(self, call: Call, vault: VaultRow, now_us: int, limit: int) -> int:
        policy = retention_of(vault.settings)
        if policy.archive_below_heat <= 0:
            return 0
        rt = self._rt
        before_us = now_us - round(policy.archive_after_s * 1_000_000)
        rows = await rt.db.read(lambda conn: rt.store(conn).idle(vault.uid, before_us=before_us, after="", limit=limit))
        archived = 0
        for row in rows:
            cold = is_cold(
                row.heat,
                last_use_us=row.last_use_us,
                now_us=now_us,
                half_life_s=policy.half_life_s,
                below=policy.archive_below_heat,
                idle_s=policy.archive_after_s,
            )
            if cold:
                edit = Edit(Trigger.ARCHIVE, reason="cold", by_itself=True)
                archived += await self._change(call, vault, row, edit)
        return archived

    async def _change(self, call: Call, vault: VaultRow, row: CubeRow, edit: Edit) -> int:
        """Change one cube; one that has moved on meanwhile is left."""
        try:
            await self._changer.change(replace(call, request_id=""), f"{vault.name}/cubes/{row.cube_id}", edit)
        except PlatformError as error:
            if error.reason not in _MOVED_ON:
                raise
            return 0
        return 1

    async def _drop_blobs(self, vault: VaultRow, now_us: int) -> int:
        rt = self._rt
        before_us = now_us - round(rt.settings.orphan_blob_s * 1_000_000)
        orphans = await rt.db.read(lambda conn: rt.store(conn).orphans(vault.uid, before_us=before_us, limit=100))
        if orphans:
            keys = [blob.blob_key for blob in orphans]
            await rt.db.write(lambda conn: rt.store(conn).delete_blobs(vault.uid, keys))
            await self._blobs.delete(vault.uid, [(blob.blob_key, blob.segments) for blob in orphans])
        return len(orphans)

    async def _compact(self, vault: VaultRow) -> None:
        """Drop old changes and index tasks."""
        rt = self._rt
        changes = vault.revision - rt.settings.changes_kept
        if changes > vault.changes_floor:
            await rt.db.write(lambda conn: rt.store(conn).compact_changes(vault.uid, through=changes))
        tasks = vault.revision - rt.settings.tasks_kept
        if tasks > vault.tasks_floor:
            await rt.db.write(lambda conn: rt.store(conn).drop_tasks(vault.uid, through=tasks))

    async def _leavings(self) -> None:
        """Drop imports and branches that were cut off, what is left of forgetting, and old request ids."""
        rt = self._rt
        now = rt.clock.now()
        oldest_us = rt.now_us() - _DEAD_IMPORT_US
        for vault_uid, ids in await rt.db.read(lambda conn: rt.store(conn).unfinished_imports(oldest_us)):
            await rt.db.write(bind(rt, methodcaller("remove_cubes", vault_uid, ids)))
        idle_us = rt.now_us() - round(rt.settings.branch_idle_s * 1_000_000)
        for branch in await rt.db.read(lambda conn: rt.store(conn).idle_branches(idle_us)):
            await self._erasing.drop_unfilled(branch, idle_since_us=idle_us)
        await self._forgetting.finish_old()
        await self._errands.go_on_old()
        await rt.db.write(lambda conn: idempotency.sweep(conn, now=now))
