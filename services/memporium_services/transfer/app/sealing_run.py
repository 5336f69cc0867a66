"""One sealing under way: what goes into the common segments, or into the source part, and what was stored of it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING

from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium_platform.bundle.keys import KEY
from memporium_platform.bundle.records import RecordError, encoded
from memporium_platform.bundle.writer import BundleWriter
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app import records
from memporium_services.transfer.app.events import Advanced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.common.v1.digest_pb2 import Digest
    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium_platform.bundle.keys import LineSecret
    from memporium_platform.bundle.segments import SealedSegment
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.store import BundleStore


class Run:
    """What one writer was given, and what came out of it.

    Attributes:
        key: The key of the bundle, or of the part.
        writer: The writer.
        named: Digest and size of the segments, in order.
        shared: Digests of those that were there already.
        blobs: The tensor files that must come along, by digest.
        sources: How many tensor files the text of a cube went into, by the cube's name.
        lineage: Agreements under which memory was licensed to the publisher.
    """

    def __init__(self, draft: Bundle, line: LineSecret, store: BundleStore) -> None:
        """Begin under a fresh key."""
        self.draft, self._store = draft, store
        self.key = os.urandom(KEY)
        self.writer = BundleWriter(line, self.key)
        self.named: list[tuple[str, int]] = []
        self.shared: list[str] = []
        self.blobs: dict[str, Digest] = {}
        self.sources: Counter[str] = Counter()
        self.lineage: set[str] = set()
        self.cubes = self.content_bytes = self.new_bytes = 0

    async def add_cubes(self, cubes: Sequence[PortableCube]) -> None:
        """Seal cubes, and note the tensor files that must come along."""
        for portable in cubes:
            self.lineage.update(licence.agreement for licence in portable.cube.governance.licences)
            blob = records.blob_of(portable.cube)
            if blob is not None:
                self.blobs.setdefault(blob.sha256, blob)
                self.sources.update(records.sources_of(portable.cube))
        self.cubes += len(cubes)
        await self.add([(encoded(BundleRecord(cube=portable)), portable.cube.name) for portable in cubes])

    async def add(self, serialised: list[tuple[bytes, str]]) -> None:
        """Seal records, each with the name of the cube in it; store the segments that are full."""
        writer = self.writer

        def take() -> list[SealedSegment]:
            return [segment for record, cube in serialised for segment in writer.add_record(record, cube=cube)]

        try:
            await self.store(await asyncio.to_thread(take))
        except RecordError as err:
            raise unfit(self.draft.vault, f"a cube cannot be sealed: {err}") from err

    async def end_records(self) -> None:
        """Close the stream of records, and store its last segment."""
        await self.store(await asyncio.to_thread(lambda: list(self.writer.end_records())))

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

    def and_(self, other: Run) -> Advanced:
        """Return how far this one and another are together."""
        return Advanced(
            self.cubes + other.cubes, self.content_bytes + other.content_bytes, len(self.named) + len(other.named)
        )


def unfit(vault: str, message: str) -> PlatformError:
    """Return the error for memory that no bundle can carry."""
    return PlatformError(Reason.FAILED_PRECONDITION, message, metadata={"resource": vault, "state": "unfit"})
