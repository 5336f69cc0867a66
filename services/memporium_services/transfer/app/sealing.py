"""Makes bundles: reads cubes from a vault, seals them segment by segment, and publishes the bundle at the end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium.transfer.v1 import bundle_pb2
from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium.vault.v1.vault_pb2 import Vault
from memporium_platform.audit import record_in
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import MANIFEST_TYPE, PART_TYPE, digest_of
from memporium_platform.bundle.keys import LineSecret
from memporium_platform.bundle.records import encoded
from memporium_platform.bundle.tensors import TensorFileCheck, TensorFileError
from memporium_platform.bundle.writer import BundleIdentity, PartIdentity
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app import records
from memporium_services.transfer.app.events import Sealed
from memporium_services.transfer.app.sealing_run import Run, unfit
from memporium_services.transfer.domain.bundles import BundleKind, BundleState, line_key
from memporium_services.transfer.ports.marking import NoChoice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from sqlalchemy import Connection

    from memporium.common.v1.digest_pb2 import Digest
    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium_platform.bundle.segments import SealedSegment
    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.app.events import Advanced
    from memporium_services.transfer.app.granting import Granting
    from memporium_services.transfer.app.screening import Screen
    from memporium_services.transfer.app.signers import Signers, SigningKeys
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.marking import Choice, Marker
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
        marker: Marker,
        keys: Keyring,
        signing: SigningKeys,
        clock: Clock,
    ) -> None:
        """Wire the parts."""
        self._database, self._rows, self._store, self._vaults = database, rows, store, vaults
        self._granting, self._marker, self._keys, self._signing = granting, marker, keys, signing
        self._clock = clock

    async def seal(self, draft: Bundle, selection: Selection, screen: Screen) -> AsyncIterator[Advanced | Sealed]:
        """Seal a bundle; yield how far it is, then the bundle.

        Raises:
            PlatformError: LICENCE_* where a licence forbids it, PII_UNMASKED, FAILED_PRECONDITION for memory that no
                bundle can carry.
        """
        line = LineSecret(await self._keys.vault_key(draft.org, f"line-{line_key(draft.line)}"))
        run, own = Run(draft, line, self._store), Run(draft, line, self._store)
        choice = self._marker.choice()
        async for advanced in self._records(run, own, selection, screen, choice):
            yield advanced
        screen.check_tensors(run.sources + own.sources)
        for each in (run, own):
            for blob in each.blobs.values():
                await self._tensors(each, blob)
                yield run.and_(own)
        yield Sealed(await self._publish(run, own, choice), dict(screen.findings))

    async def _records(
        self, run: Run, own: Run, selection: Selection, screen: Screen, choice: Choice
    ) -> AsyncIterator[Advanced]:
        draft = run.draft
        release = draft.kind is BundleKind.RELEASE
        exported = self._vaults.export(
            draft.vault,
            cubes=selection.cubes,
            tags=selection.tags,
            redistribute=release,
            onward=(draft.terms_sha256, draft.line) if release else ("", ""),
        )
        async with aclosing(exported) as batches:  # type: ignore[type-var]
            async for batch in batches:
                if isinstance(batch, Vault):
                    await run.add([(encoded(BundleRecord(vault=_described(batch, release=release))), "")])
                    continue
                if release:
                    for portable in batch:
                        records.without_private_parts(portable.cube)
                    await screen.pass_on(batch)
                marked = await asyncio.to_thread(_chosen, choice if release else NoChoice(), batch)
                for each, wanted in ((run, False), (own, True)):
                    await each.add_cubes([one for one, mark in zip(batch, marked, strict=True) if mark is wanted])
                yield run.and_(own)
        if not release:
            async for relation in self._vaults.relations(draft.vault):
                await run.add([(encoded(BundleRecord(relation=relation)), "")])
        for each in (run, own):
            await each.end_records()

    async def _tensors(self, run: Run, blob: Digest) -> None:
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
            raise unfit(run.draft.vault, f"the tensor file {blob.sha256} cannot be sealed: {err}") from err
        await run.store(await asyncio.to_thread(lambda: list(run.writer.end_tensors())))

    async def _publish(self, run: Run, own: Run, choice: Choice) -> Bundle:
        """Sign and store the documents, and let the bundle be seen; again where the keys changed meanwhile."""
        draft = run.draft
        before = await self._database.read(lambda conn: _before(self._rows, conn, draft))
        call = current_call()
        while True:
            signers = await self._signing.of(draft.org)
            manifest = run.writer.manifest(self._identity(run, own, signers, before))
            part = own.writer.part(_own_part(own, signers, manifest)) if own.cubes else b""
            keys = run.key + (own.key if part else b"")
            await self._store.put_documents(
                draft,
                manifest=dsse.sign(manifest, MANIFEST_TYPE, signers.keys),
                own_grant=await self._granting.own(draft, manifest, keys, signers=signers, part=part),
                source_part=dsse.sign(part, PART_TYPE, signers.keys) if part else None,
            )
            for digest in (*run.shared, *own.shared):
                # A version that was deleted meanwhile may have taken a shared segment with it.
                if not await self._store.has_segment(draft, digest):
                    removed = {"resource": draft.name}
                    raise PlatformError(Reason.CONFLICT, "a shared segment was removed", metadata=removed)
            named = [*run.named, *own.named]
            sealed = replace(
                draft,
                state=BundleState.SEALED,
                manifest_sha256=digest_of(manifest).hex(),
                cube_count=run.cubes + own.cubes,
                part_cube_count=own.cubes,
                slots=choice.slots,
                words=choice.words,
                segment_count=len(named),
                sealed_bytes=sum(size for _, size in named),
                new_bytes=run.new_bytes + own.new_bytes,
            )

            def commit(
                conn: Connection,
                number: int = signers.number,
                sealed: Bundle = sealed,
                named: list[tuple[str, int]] = named,
            ) -> bool:
                if self._rows.roots(conn, sealed.org)[-1].number != number:
                    return False
                row = self._rows.get(conn, sealed.org, sealed.bundle_id)
                if row is None or row.state is not BundleState.SEALING:
                    # Nothing was heard of it for too long, and its objects may be gone.
                    given_up = {"resource": sealed.name}
                    raise PlatformError(Reason.CONFLICT, "the sealing was given up meanwhile", metadata=given_up)
                self._rows.save(conn, sealed)
                self._rows.add_segments(conn, sealed, named)
                self._rows.advance(conn, sealed.org, now=self._clock.now())
                details = {"bundle": sealed.name, "manifest": sealed.manifest_sha256, "cubes": str(sealed.cube_count)}
                record_in(conn, call, resource=sealed.name, details=details, now=self._clock.now())
                return True

            if await self._database.write(commit):
                return sealed

    def _identity(self, run: Run, own: Run, signers: Signers, before: str) -> BundleIdentity:
        draft = run.draft
        return BundleIdentity(
            kind=_KINDS[draft.kind],
            suite=signers.suite,
            bundle=draft.name,
            publisher=f"orgs/{draft.org}",
            line=draft.line,
            version=draft.version,
            number=draft.number,
            create_time=draft.create_time,
            previous_manifest_sha256=bytes.fromhex(before),
            terms_sha256=draft.terms_sha256,
            lineage=sorted(run.lineage | own.lineage),
            part_cube_count=own.cubes,
        )


def _chosen(choice: Choice, batch: Sequence[PortableCube]) -> list[bool]:
    return [choice.wants(portable) for portable in batch]


def _own_part(own: Run, signers: Signers, manifest: bytes) -> PartIdentity:
    draft = own.draft
    return PartIdentity(
        kind=bundle_pb2.PartKind.PART_KIND_SOURCE,
        suite=signers.suite,
        publisher=f"orgs/{draft.org}",
        manifest_sha256=digest_of(manifest),
        recipient=f"orgs/{draft.org}",
        create_time=draft.create_time,
    )


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
