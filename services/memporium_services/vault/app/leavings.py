"""What is to be deleted outside the tables after memory was removed from them: noted with the removal, done after it.

A crash, or an object store that is away, only delays it: the sweep does it, and so does the same call, made again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from memporium_services.vault.domain.rows import LeavingRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.vault.app.blobs import Blobs
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import Removed, VaultRow
    from memporium_services.vault.ports import Store

# Objects that are deleted by name though they may not be there; of more, it is looked which are.
_UNSEEN = 200
# What this process may be busy with; what is older was left by one that ended.
_OLD_US = 60 * 1_000_000
_AT_ONCE = 100


def archive_key(cipher: VaultCipher, vault_uid: str, cube_uid: str, version: int) -> str:
    """Return the object that holds a payload in the archive tier."""
    return f"{_archive(vault_uid)}{cipher.object_name('payload', cube_uid, str(version))}"


def archived_keys(store: Store, cipher: VaultCipher, vault_uid: str, cube_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the objects that any payload of cubes may ever have been archived in.

    A change that lost against another one may have left an object behind that no row names.
    """
    kept = store.payload_versions(vault_uid, cube_ids)
    return tuple(archive_key(cipher, vault_uid, cube_uid, version) for cube_uid, version in kept)


def leaving_of(
    vault: VaultRow, leaving_id: str, removed: Removed, now_us: int, *, more: Sequence[str] = (), whole: bool = False
) -> LeavingRow:
    """Return what is to be deleted of what was removed; `more` are objects that may be there, `whole`: all there is."""
    objects = () if whole else tuple(dict.fromkeys([*removed.object_keys, *more]))
    blobs = () if whole else tuple((blob.blob_key, blob.segments) for blob in removed.blobs)
    return LeavingRow(leaving_id, vault.org, vault.uid, whole, objects, blobs, now_us)


class Leavings:
    """Deletes what was left."""

    def __init__(self, rt: Runtime, blobs: Blobs) -> None:
        """Work on these ports."""
        self._rt, self._blobs = rt, blobs

    async def finish(self, receipt_id: str) -> bool:
        """Delete what a receipt tells of, as far as that was not done; return whether there was anything."""
        rows = await self._rt.db.read(lambda conn: self._rt.store(conn).leavings_of(receipt_id))
        for row in rows:
            await self._finish(row)
        return bool(rows)

    async def finish_old(self) -> int:
        """Delete what earlier processes left; return how many removals it was of."""
        before_us = self._rt.now_us() - _OLD_US
        rows = await self._rt.db.read(lambda conn: self._rt.store(conn).leavings(before_us, _AT_ONCE))
        for row in rows:
            await self._finish(row)
        return len(rows)

    async def _finish(self, row: LeavingRow) -> None:
        rt = self._rt
        if row.whole:
            await asyncio.to_thread(rt.indexes.destroy, row.vault_uid)
            await rt.keys.destroy_vault_key(row.org, row.vault_uid)
            rt.forget_cipher(row.vault_uid)
        for key in await self._objects(row):
            await rt.objects.delete(key)
        keys = [key for key, _ in row.blobs]
        # A blob that was uploaded again since is another one's.
        again = await rt.db.read(lambda conn: rt.store(conn).blobs(row.vault_uid, keys)) if keys else {}
        await self._blobs.delete(row.vault_uid, [blob for blob in row.blobs if blob[0] not in again])
        await rt.db.write(lambda conn: rt.store(conn).drop_leaving(row.leaving_id))

    async def _objects(self, row: LeavingRow) -> list[str]:
        if not row.whole and len(row.objects) <= _UNSEEN:
            return list(row.objects)
        prefix = f"vaults/{row.vault_uid}/" if row.whole else _archive(row.vault_uid)
        there = [key async for key in self._rt.objects.list(prefix)]
        return there if row.whole else sorted(set(there).intersection(row.objects))


def _archive(vault_uid: str) -> str:
    return f"vaults/{vault_uid}/archive/"
