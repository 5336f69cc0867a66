"""Runs the verification of stored bundles: fetches what the pure verifier asks for, and times every check."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from memporium_platform.bundle.documents import Documents
from memporium_platform.bundle.grants import ExpectedAgreement
from memporium_platform.bundle.pipeline import Pipeline
from memporium_platform.bundle.steps import SEGMENT_STEPS
from memporium_platform.bundle.verifier import BundleVerifier, Policy
from memporium_platform.errors import PlatformError
from memporium_services.transfer.app.events import Advanced, Passed, Stopwatch
from memporium_services.transfer.app.keeping import Kept

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from memporium.transfer.v1.bundle_pb2 import Manifest, Part
    from memporium_platform.bundle.content import ContentVerifier
    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.app.deliveries import Deliveries
    from memporium_services.transfer.app.granting import Granting
    from memporium_services.transfer.app.keeping import Shelf
    from memporium_services.transfer.app.publications import Publications
    from memporium_services.transfer.app.signers import SigningKeys
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.services import Terms
    from memporium_services.transfer.ports.store import BundleStore, ImportRows


class Verification:
    """Opens bundles for organisations of this platform."""

    def __init__(
        self,
        database: Database,
        rows: ImportRows,
        *,
        store: BundleStore,
        publications: Publications,
        granting: Granting,
        signing: SigningKeys,
        clock: Clock,
        grant_life_s: int,
        shelf: Shelf,
        deliveries: Callable[[], Deliveries],
    ) -> None:
        """Wire the parts; `deliveries` returns what makes recipients' parts, which in turn verifies by this."""
        self.shelf = shelf
        self.database, self.rows, self.store, self.publications = database, rows, store, publications
        self.granting, self.signing, self.clock, self.grant_life_s = granting, signing, clock, grant_life_s
        self.deliveries = deliveries

    def of(self, bundle: Bundle, org: str, *, terms: Terms | None, newest: bool = False) -> Opening:
        """Return the verification of a bundle for an organisation: its own bundle, or one under an agreement."""
        return Opening(self, bundle, org, terms=terms, newest=newest)


class Opening:
    """One verification: `documents`, then `contents`; then `stream` as often as wanted, and `close`.

    Contents that were kept come as they were verified; what did not fit into memory is read and verified anew.

    Attributes:
        content_bytes: Size of each stream's content in bytes, once `contents` has ended.
        files: SHA-256 of the file in each stream of tensors, hexadecimal, once `contents` has ended.
        part_bytes: As `content_bytes`, of the part's streams.
        part_files: As `files`, of the part's streams.
    """

    def __init__(self, shared: Verification, bundle: Bundle, org: str, *, terms: Terms | None, newest: bool) -> None:
        """Begin."""
        self._shared, self._bundle, self._org, self._terms, self._newest = shared, bundle, org, terms, newest
        self._verifier: BundleVerifier | None = None
        self._kept: list[Kept] = []
        self.content_bytes: list[int] = []
        self.files: dict[int, str] = {}
        self.part_bytes: list[int] = []
        self.part_files: dict[int, str] = {}

    @property
    def manifest(self) -> Manifest:
        """The verified manifest."""
        return self._opened.manifest

    @property
    def part(self) -> Part | None:
        """The verified part; None where there is none."""
        return self._opened.part

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the manifest's bytes, hexadecimal."""
        return self._opened.manifest_sha256.hex()

    @property
    def _opened(self) -> BundleVerifier:
        if self._verifier is None:
            raise RuntimeError("the documents are not verified")
        return self._verifier

    async def documents(self) -> AsyncIterator[Passed]:
        """Verify the documents and remember their numbers; yield each check that was passed.

        Raises:
            PlatformError: BUNDLE_REJECTED at the check that failed.
        """
        shared, bundle = self._shared, self._bundle
        trust = await shared.granting.trust_root(bundle.org)
        publisher = f"orgs/{bundle.org}"
        seen = await shared.database.read(
            lambda conn: shared.rows.seen(conn, self._org, publisher, trust=trust.fingerprint, line=bundle.line)
        )
        terms = self._terms
        policy = Policy(
            trust=trust,
            publisher=publisher,
            now=shared.clock.now(),
            bundle=bundle.name,
            recipient=await shared.signing.recipient(self._org),
            agreement=ExpectedAgreement(terms.name, terms_sha256=terms.sha256) if terms else ExpectedAgreement(),
            seen=seen,
            newest=self._newest,
        )
        verifier = BundleVerifier(policy)
        checks = verifier.documents(await self._received())
        began = time.perf_counter()
        while (step := await asyncio.to_thread(next, checks, None)) is not None:
            now = time.perf_counter()
            yield Passed(step, now - began)
            began = now
        new = verifier.seen
        await shared.database.write(
            lambda conn: shared.rows.remember(
                conn, self._org, publisher, trust=trust.fingerprint, line=verifier.manifest.line, new=new
            )
        )
        self._verifier = verifier

    async def _received(self) -> Documents:
        shared, bundle, part = self._shared, self._bundle, None
        manifest = await shared.store.manifest(bundle)
        if self._terms is None:
            grant = await shared.store.own_grant(bundle)
            part = await shared.store.source_part(bundle) if bundle.part_cube_count else None
        else:
            delivered = await shared.deliveries().of(bundle, self._terms)
            life_s = shared.grant_life_s
            grant = await shared.granting.for_recipient(bundle, self._terms, life_s=life_s, delivered=delivered)
            part = delivered.envelope if delivered else None
        # After the grant: a snapshot must know the revocation epoch that the grant names.
        published = await shared.publications.current(bundle.org)
        return Documents(manifest, published.snapshot, published.signed_time, grant, part)

    def close(self) -> None:
        """Let go of what was kept."""
        for kept in self._kept:
            kept.drop()
        self._kept = []

    async def contents(self, *, keep: bool = False) -> AsyncIterator[Advanced | Passed]:
        """Verify every segment; yield how far it is, then the checks that were passed.

        With `keep`, what fits into memory stays there until `close`, and comes out of `stream` once all was verified.
        """
        watch, opened = Stopwatch(), self._opened
        listed: list[Manifest | Part] = [self.manifest, *([self.part] if self.part else [])]
        verifiers = [verifier for verifier in (opened.content(), opened.part_content()) if verifier is not None]
        done = Advanced(total_segments=sum(len(one.segments) for one in listed))
        sizes = [[0] * len(one.streams) for one in listed]
        self.close()
        self._kept = [Kept(self._shared.shelf, one if keep else None) for one in listed]
        for one, verifier, size, kept in zip(listed, verifiers, sizes, self._kept, strict=True):
            for_part = one is not self.manifest
            index = 0
            wanted = range(len(one.segments))
            async for piece in self._verified(verifier, wanted, watch, of_part=for_part):
                stream, length = one.segments[index].stream, len(piece)
                kept.add(stream, piece)
                # The next content then takes its place in memory, which saves a third of decompressing it.
                del piece
                size[stream] += length
                index += 1
                done = Advanced(0, done.content_bytes + length, done.segments + 1, done.total_segments)
                yield done
            verifier.finish()
        for kept in self._kept:
            kept.release()
        self.content_bytes, self.files = sizes[0], verifiers[0].files
        if self.part is not None:
            self.part_bytes, self.part_files = sizes[1], verifiers[1].files
        detail = f"{done.segments} segments, {done.content_bytes} bytes"
        for step in SEGMENT_STEPS:
            yield Passed(step, watch.spent_s.get(step, 0.0), detail)

    def stream(self, index: int) -> AsyncGenerator[bytes | memoryview]:
        """Yield the content of the stream at an index, segment by segment, each verified."""
        held = self._kept[0].of(index) if self._kept else None
        if held is not None:
            return _each(held)
        wanted = _segments_of(self.manifest, index)
        return self._verified(self._opened.content(), wanted, Stopwatch(), of_part=False)

    def part_stream(self, index: int) -> AsyncGenerator[bytes | memoryview]:
        """Yield the content of the part's stream at an index, segment by segment, each verified."""
        held = self._kept[1].of(index) if len(self._kept) > 1 else None
        if held is not None:
            return _each(held)
        verifier, part = self._opened.part_content(), self.part
        if verifier is None or part is None:
            raise RuntimeError("the bundle has no part")
        return self._verified(verifier, _segments_of(part, index), Stopwatch(), of_part=True)

    async def _verified(
        self, content: ContentVerifier, wanted: Sequence[int], watch: Stopwatch, *, of_part: bool
    ) -> AsyncGenerator[bytes | memoryview]:
        """Yield contents, one after the other, while the next segment is opened and the one behind it fetched."""
        segments = self.part.segments if of_part and self.part else self.manifest.segments
        store, bundle, terms = self._shared.store, self._bundle, self._terms

        def fetch(index: int) -> asyncio.Task[bytes]:
            digest = segments[index].sha256.hex()
            if of_part and terms is not None:
                return asyncio.ensure_future(store.part_segment(bundle, terms.name, digest))
            return asyncio.ensure_future(store.segment(bundle, digest))

        if not wanted:
            return
        pipeline = Pipeline(content, count=len(wanted), timer=watch.of)
        ahead = fetch(wanted[0])
        try:
            for position, index in enumerate(wanted, 1):
                try:
                    data = await ahead
                except PlatformError:
                    await asyncio.to_thread(pipeline.rest)  # what is wrong with the one before comes first
                    raise
                if position < len(wanted):
                    ahead = fetch(wanted[position])
                done = await asyncio.to_thread(pipeline.put, index, data)
                if done is not None:
                    yield done
                # Its place in memory is then free for the next content.
                del done, data
            last = await asyncio.to_thread(pipeline.rest)
            if last is not None:
                yield last
        finally:
            ahead.cancel()
            await asyncio.to_thread(pipeline.close)


async def _each(contents: Sequence[bytes | memoryview]) -> AsyncGenerator[bytes | memoryview]:
    for content in contents:
        yield content


def _segments_of(listed: Manifest | Part, index: int) -> range:
    first = sum(stream.segment_count for stream in listed.streams[:index])
    return range(first, first + listed.streams[index].segment_count)
