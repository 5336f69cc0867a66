"""Takes a stream of cubes in as one.

An import stays hidden until its last transaction, which makes all of it visible, removes what a new release no longer
has, and bumps the revision once. One that breaks off leaves nothing but hidden rows, removed at once or, after a crash,
by the sweep.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

from memporium_platform import audit, idempotency
from memporium_services.vault.app.arriving import There, choose, look_at, there
from memporium_services.vault.app.drafting import Origin, draft_cubes
from memporium_services.vault.app.embedding_uses import EmbedUses
from memporium_services.vault.app.importing import Import, drop_hidden, publish, stage
from memporium_services.vault.app.leavings import leaving_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Connection

    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium.vault.v1.vault_service_pb2 import ImportCubesHeader
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.follower import IndexFollower, Waiting
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import Removed, VaultRow


@dataclass(slots=True)
class Imported:
    """What an import did; `kept_as` are the vault's ids of a restore's cubes where they came under others."""

    imported: int = 0
    deduplicated: int = 0
    removed: int = 0
    embedded: int = 0
    revision: int = 0
    kept_as: dict[str, str] = field(default_factory=dict)


class TransferStreams:
    """Cubes on their way in."""

    def __init__(self, rt: Runtime, follower: IndexFollower, forgetting: Forgetting) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower
        self._forgetting = forgetting

    async def take_in(
        self, call: Call, header: ImportCubesHeader, batches: AsyncIterator[Sequence[PortableCube]]
    ) -> Imported:
        """Take cubes in, all or none.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, BLOB_MISSING, QUOTA_EXCEEDED, MODEL_MISMATCH; LICENCE_* where
                licensed memory would be embedded by another model than its own.
        """
        rt = self._rt
        vault = await rt.vault(header.parent, field="header.parent")
        cipher = await rt.cipher(vault)
        work = Import(import_id=rt.new_id(), replaces=header.replace)
        counts, embeds = Imported(), EmbedUses(rt, call)
        try:
            async for cubes in batches:
                drafts = await self._draft(call, vault, cipher, header, cubes, work, counts, embeds)
                vault, work = await self._stage(vault, cipher, drafts, work)
            removed, waiting = await self._publish(call, vault, cipher, work, counts, restore=header.restore)
        except BaseException:
            await self._drop(vault, work)
            await embeds.lease.release()
            raise
        # What an earlier call of the same request took in was counted by that one.
        await (embeds.lease.release() if removed is None else embeds.lease.commit())
        if removed is not None:
            await self._forgetting.clean(vault, removed)
        if waiting is not None:
            self._follower.offer(vault.uid, counts.revision, waiting)
            await self._follower.follow(vault, counts.revision)
        return counts

    async def _stage(
        self, vault: VaultRow, cipher: VaultCipher, drafts: Sequence[Draft], work: Import
    ) -> tuple[VaultRow, Import]:
        rt = self._rt
        return await rt.db.write(lambda conn: stage(rt, rt.store(conn), vault, cipher, drafts, work))

    async def _publish(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        work: Import,
        counts: Imported,
        *,
        restore: bool,
    ) -> tuple[Removed | None, Waiting | None]:
        rt = self._rt
        now_us = rt.now_us()

        def run(conn: Connection) -> tuple[Removed | None, Waiting | None, str]:
            store = rt.store(conn)
            done = publish(store, vault, cipher, work, now_us=now_us)
            store.note_leaving(leaving_of(vault, work.import_id, done.removed, now_us, more=work.objects))
            details = {"cubes": str(done.cubes), "removed": str(done.gone)}
            audit.record_in(conn, call, resource=vault.name, details=details)
            kept = {
                "imported": done.cubes,
                "deduplicated": work.deduplicated,
                "removed": done.gone,
                "embedded": counts.embedded,
                "revision": done.revision,
                "kept_as": work.names.others() if restore else {},
            }
            return replace(done.removed, receipt_id=work.import_id), done.waiting, orjson.dumps(kept).decode()

        def recall(_conn: Connection, kept: str) -> tuple[Removed | None, Waiting | None, str]:
            return None, None, kept

        removed, waiting, kept = await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda done: done[2], recall=recall
            )
        )
        for name, value in orjson.loads(kept).items():
            setattr(counts, name, value)
        if removed is None:
            await self._drop(vault, work)
        return removed, waiting

    async def _draft(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        header: ImportCubesHeader,
        cubes: Sequence[PortableCube],
        work: Import,
        counts: Imported,
        embeds: EmbedUses,
    ) -> list[Draft]:
        rt, author = self._rt, call.principal.name
        arrived = await asyncio.to_thread(look_at, rt, cipher, header, cubes, author=author)
        found = There({})
        # An empty vault has nothing of what comes; what an unfinished import has staged does not count.
        if vault.cubes:
            found = await rt.db.read(lambda conn: there(rt.store(conn), vault, arrived, replaces=work.replaces))
        wanted = await asyncio.to_thread(choose, vault, cipher, header, arrived, found=found, work=work)
        # A publisher that names no model leaves it to the vault.
        if header.embedding_model not in {"", vault.embedding_model}:
            await embeds.permit(wanted)
        counts.embedded += sum(len(one.units or ()) for one in wanted if one.vectors is None)
        origin = Origin(
            author,
            rt.now_us(),
            change="import",
            reason=header.reason,
            import_id=work.import_id,
            analysed=work.entries is not None,
            # A pack is read-only: nothing will ever be told as a duplicate of its cubes.
            compared=not vault.agreement,
        )
        drafts = await draft_cubes(rt, vault, cipher, wanted, origin)
        work.names.drafted(vault, drafts)
        return drafts

    async def _drop(self, vault: VaultRow, work: Import) -> None:
        """Remove what an import has staged."""
        staged = sorted(work.staged)
        if staged:
            rt = self._rt
            await rt.db.write(lambda conn: drop_hidden(rt.store(conn), vault.uid, staged, work.import_id))
