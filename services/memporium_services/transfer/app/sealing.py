"""Makes bundles: reads cubes from a vault, seals them segment by segment, and publishes the bundle at the end."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium.transfer.v1 import bundle_pb2
from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium.vault.v1.vault_pb2 import Vault
from memporium_platform.audit import record_in
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import MANIFEST_TYPE, digest_of
from memporium_platform.bundle.keys import KEY, LineSecret
from memporium_platform.bundle.records import RecordError
from memporium_platform.bundle.tensors import TensorFileCheck, TensorFileError
from memporium_platform.bundle.writer import BundleIdentity, BundleWriter
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app import records
from memporium_services.transfer.app.events import Advanced, Sealed
from memporium_services.transfer.domain.bundles import BundleKind, BundleState, line_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from sqlalchemy import Connection

    from memporium.common.v1.digest_pb2 import Digest
    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium_platform.bundle.segments import SealedSegment
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.kernel import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.app.granting import Granting
    from memporium_services.transfer.app.screening import Screen
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.services import Vaults
    from memporium_services.transfer.ports.store import BundleRows, BundleStore

# Largest tensor file in bytes that is sealed.
_BLOB_MAX = 1 << 40
_KINDS = {
    BundleKind.RELEASE: bundle_pb2.BundleKind.BUNDLE_KIND_RELEASE,
    BundleKind.DUMP: bundle_pb2.BundleKind.BUNDLE_KIND_DUMP,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cubes of the vault: of these names, or with any of these tags; none given: all."""

    cubes: Sequence[str] = ()
    tags: Sequence[str] = ()


class Sealing:
    """Seals bundles whose row `Drafts` has made."""

    def __init__(
        self,
        database: Database,
        rows: BundleRows,
        *,
        store: BundleStore,
        vaults: Vaults,
        granting: Granting,
        keys: Keyring,
        clock: Clock,
    ) -> None:
        """Wire the parts."""
        self._database, self._rows, self._store, self._vaults = database, rows, store, vaults
        self._granting, self._keys, self._clock = granting, keys, clock

    async def seal(self, draft: Bundle, selection: Selection, screen: Screen) -> AsyncIterator[Advanced | Sealed]:
        """Seal a bundle; yield how far it is, then the bundle.

        Raises:
            PlatformError: LICENCE_* where a licence forbids it, PII_UNMASKED, FAILED_PRECONDITION for memory that no
                bundle can carry.
        """
        secret = await self._keys.vault_key(draft.org, f"line-{line_key(draft.line)}")
        bundle_key = os.urandom(KEY)
        run = _Run(draft, BundleWriter(LineSecret(secret), bundle_key), self._store)
        async for advanced in self._records(run, selection, screen):
            yield advanced
        screen.check_tensors(run.sources)
        for blob in run.blobs.values():
            await self._tensors(run, blob)
            yield run.advanced()
        yield Sealed(await self._publish(run, bundle_key), dict(screen.findings))

    async def _records(self, run: _Run, selection: Selection, screen: Screen) -> AsyncIterator[Advanced]:
        draft = run.draft
        release = draft.kind is BundleKind.RELEASE
        exported = self._vaults.export(draft.vault, cubes=selection.cubes, tags=selection.tags, redistribute=release)
        async with aclosing(exported) as batches:  # type: ignore[type-var]
            async for batch in batches:
                if isinstance(batch, Vault):
                    await run.add([(BundleRecord(vault=_described(batch, release=release)).SerializeToString(), "")])
                    continue
                if release:
                    for portable in batch:
                        records.without_private_parts(portable.cube)
                    await screen.pass_on(batch)
                for portable in batch:
                    run.note(portable)
                await run.add(
                    [(BundleRecord(cube=portable).SerializeToString(), portable.cube.name) for portable in batch]
                )
                yield run.advanced()
        if not release:
            async for relation in self._vaults.relations(draft.vault):
                await run.add([(BundleRecord(relation=relation).SerializeToString(), "")])
        await run.store(await asyncio.to_thread(lambda: list(run.writer.end_records())))

    async def _tensors(self, run: _Run, blob: Digest) -> None:
        check = TensorFileCheck(size_limit=_BLOB_MAX)
        run.writer.begin_tensors(blob.sha256)

        def take(data: bytes) -> list[SealedSegment]:
            check.feed(data)
            return list(run.writer.add_tensors(data))

        try:
            release = run.draft.kind is BundleKind.RELEASE
            async for data in self._vaults.download(run.draft.vault, blob, redistribute=release):
                await run.store(await asyncio.to_thread(take, data))
            check.finish()
        except TensorFileError as err:
            raise _unfit(run.draft.vault, f"the tensor file {blob.sha256} cannot be sealed: {err}") from err
        await run.store(await asyncio.to_thread(lambda: list(run.writer.end_tensors())))

    async def _publish(self, run: _Run, bundle_key: bytes) -> Bundle:
        draft = run.draft
        before = await self._database.read(lambda conn: _before(self._rows, conn, draft))
        identity = BundleIdentity(
            kind=_KINDS[draft.kind],
            bundle=draft.name,
            publisher=f"orgs/{draft.org}",
            line=draft.line,
            version=draft.version,
            number=draft.number,
            create_time=draft.create_time,
            previous_manifest_sha256=bytes.fromhex(before),
            terms_sha256=draft.terms_sha256,
            lineage=sorted(run.lineage),
        )
        manifest = run.writer.manifest(identity)
        envelope = dsse.sign(manifest, MANIFEST_TYPE, [await self._keys.org_signing_key(draft.org)])
        await self._store.put_documents(
            draft, manifest=envelope, own_grant=await self._granting.own(draft, manifest, bundle_key)
        )
        for digest in run.shared:
            # A version that was deleted meanwhile may have taken a shared segment with it.
            if not await self._store.has_segment(draft, digest):
                raise PlatformError(Reason.CONFLICT, "a shared segment was removed", metadata={"resource": draft.name})
        sealed = replace(
            draft,
            state=BundleState.SEALED,
            manifest_sha256=digest_of(manifest).hex(),
            cube_count=run.cubes,
            segment_count=len(run.named),
            sealed_bytes=sum(size for _, size in run.named),
            new_bytes=run.new_bytes,
        )
        call = current_call()

        def commit(conn: Connection) -> None:
            self._rows.save(conn, sealed)
            self._rows.add_segments(conn, sealed, run.named)
            self._rows.advance(conn, sealed.org, now=self._clock.now())
            details = {"bundle": sealed.name, "manifest": sealed.manifest_sha256, "cubes": str(sealed.cube_count)}
            record_in(conn, call, resource=sealed.name, details=details, now=self._clock.now())

        await self._database.write(commit)
        return sealed


class _Run:
    """One sealing: what went into it so far."""

    def __init__(self, draft: Bundle, writer: BundleWriter, store: BundleStore) -> None:
        self.draft, self.writer, self._store = draft, writer, store
        self.named: list[tuple[str, int]] = []
        self.shared: list[str] = []
        self.blobs: dict[str, Digest] = {}
        self.sources: Counter[str] = Counter()
        self.lineage: set[str] = set()
        self.cubes = self.content_bytes = self.new_bytes = 0

    def note(self, portable: PortableCube) -> None:
        """Count a cube, and note the tensor file that must come along."""
        self.cubes += 1
        self.lineage.update(licence.agreement for licence in portable.cube.governance.licences)
        blob = records.blob_of(portable.cube)
        if blob is not None:
            self.blobs.setdefault(blob.sha256, blob)
            self.sources.update(records.sources_of(portable.cube))

    async def add(self, serialised: list[tuple[bytes, str]]) -> None:
        """Seal records, and store the segments that are full."""
        writer = self.writer

        def take() -> list[SealedSegment]:
            return [segment for record, cube in serialised for segment in writer.add_record(record, cube=cube)]

        try:
            await self.store(await asyncio.to_thread(take))
        except RecordError as err:
            raise _unfit(self.draft.vault, f"a cube cannot be sealed: {err}") from err

    async def store(self, segments: list[SealedSegment]) -> None:
        """Store segments."""
        for segment in segments:
            digest = segment.sha256.hex()
            if await self._store.put_segment(self.draft, digest, bytes(segment.data)):
                self.new_bytes += len(segment.data)
            else:
                self.shared.append(digest)
            self.named.append((digest, len(segment.data)))
            self.content_bytes += segment.content_bytes

    def advanced(self) -> Advanced:
        """Return how far it is."""
        return Advanced(self.cubes, self.content_bytes, len(self.named))


def _before(rows: BundleRows, conn: Connection, draft: Bundle) -> str:
    """Return the digest of the newest manifest of the line that is complete, or ""."""
    page: Iterator[Bundle] = iter(rows.page(conn, draft.org, line=draft.line, before=None, limit=1000))
    complete = [bundle for bundle in page if bundle.manifest_sha256 and bundle.number < draft.number]
    return max(complete, key=lambda bundle: bundle.number).manifest_sha256 if complete else ""


def _described(vault: Vault, *, release: bool) -> Vault:
    """Return what travels of a vault: all that restores it, or for others what they need to use its vectors."""
    if release:
        return Vault(
            display_name=vault.display_name,
            description=vault.description,
            embedding_model=vault.embedding_model,
            embedding_dimensions=vault.embedding_dimensions,
        )
    kept = Vault()
    kept.CopyFrom(vault)
    for field in ("usage", "etag"):
        kept.ClearField(field)
    return kept


def _unfit(vault: str, message: str) -> PlatformError:
    return PlatformError(Reason.FAILED_PRECONDITION, message, metadata={"resource": vault, "state": "unfit"})
