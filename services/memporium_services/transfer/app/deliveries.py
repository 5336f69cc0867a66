"""Parts of recipients: made from the source part at the first delivery, marked, and kept for the later ones."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from memporium.transfer.v1.bundle_pb2 import PartKind
from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import PART_TYPE
from memporium_platform.bundle.keys import KEY, LineSecret, derive
from memporium_platform.bundle.reading import read
from memporium_platform.bundle.records import encoded
from memporium_platform.bundle.tensors import TensorFileCheck
from memporium_platform.bundle.writer import BundleWriter, PartIdentity
from memporium_platform.crypto import sealed
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app import records
from memporium_services.transfer.ports.marking import Copy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator

    from memporium.transfer.v1.bundle_pb2 import Manifest
    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium_platform.bundle.segments import SealedSegment
    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_services.transfer.app.signers import SigningKeys
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.marking import Marker, Marks
    from memporium_services.transfer.ports.services import Terms
    from memporium_services.transfer.ports.store import BundleStore

# Largest tensor file in bytes that is marked: it is held in memory whole.
_MARKED_FILE_MAX = 1 << 30


@dataclass(frozen=True, slots=True)
class Delivered:
    """A recipient's part: its envelope, and the key that opens it."""

    envelope: bytes
    key: bytes


class Opening(Protocol):
    """A publisher's verification of its own bundle: documents, contents, then the streams that parts are made of."""

    part_files: dict[int, str]

    @property
    def manifest(self) -> Manifest:
        """The verified manifest."""

    def documents(self) -> AsyncIterator[object]:
        """Verify the documents."""

    def contents(self) -> AsyncIterator[object]:
        """Verify every segment."""

    def part_stream(self, index: int) -> AsyncGenerator[bytes | memoryview]:
        """Yield the content of the part's stream at an index."""


class Deliveries:
    """Makes and keeps recipients' parts."""

    def __init__(
        self,
        store: BundleStore,
        marker: Marker,
        *,
        keys: Keyring,
        signing: SigningKeys,
        clock: Clock,
        open_own: Callable[[Bundle], Opening],
    ) -> None:
        """Wire the parts; `open_own` verifies a bundle for its publisher."""
        self._store, self._marker, self._keys, self._signing = store, marker, keys, signing
        self._clock, self._open_own = clock, open_own
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, bundle: Bundle, terms: Terms) -> Delivered | None:
        """Return the part of an agreement's consumer; None where the bundle has no parts.

        Raises:
            PlatformError: BUNDLE_REJECTED, where the source part is not what the publisher stored.
        """
        if not bundle.part_cube_count:
            return None
        wrapping = await self._keys.vault_key(bundle.org, f"parts-{bundle.bundle_id}")
        # Of two deliveries at once the second finds what the first made: a recipient has one marked copy.
        async with self._locks.setdefault(f"{bundle.name}\n{terms.name}", asyncio.Lock()):
            kept = await self._store.part(bundle, terms.name)
            if kept is None:
                kept = await self._make(bundle, terms, wrapping)
        envelope, wrapped = kept
        return Delivered(envelope, sealed.open(wrapping, wrapped, _aad(bundle, terms)))

    async def _make(self, bundle: Bundle, terms: Terms, wrapping: bytes) -> tuple[bytes, bytes]:
        marks = await self._marker.marks(
            Copy(
                bundle=bundle.name,
                line=bundle.line,
                manifest_sha256=bundle.manifest_sha256,
                agreement=terms.name,
                recipient=terms.consumer,
            )
        )
        opening = self._open_own(bundle)
        async for _ in opening.documents():
            pass
        async for _ in opening.contents():
            pass
        key = os.urandom(KEY)
        # A line of its own: nothing of a marked copy is shared with another.
        writer = BundleWriter(LineSecret(derive(key, "part-line")), key)
        making = _Making(marks, writer)
        files = {opening.part_files[index]: index for index in opening.part_files}
        await self._cubes(bundle, terms, making, opening, files)
        await self._put(bundle, terms, writer.end_records())
        for digest, data in making.files.items():
            writer.begin_tensors(digest)
            await self._put(bundle, terms, await asyncio.to_thread(_all, writer.add_tensors(data)))
            await self._put(bundle, terms, writer.end_tensors())
        identity = PartIdentity(
            kind=PartKind.PART_KIND_RECIPIENT,
            suite=opening.manifest.suite,
            publisher=f"orgs/{bundle.org}",
            manifest_sha256=bytes.fromhex(bundle.manifest_sha256),
            recipient=terms.consumer,
            agreement=terms.name,
            mark_commitment=marks.commitment,
            create_time=self._clock.now(),
        )
        envelope = dsse.sign(writer.part(identity), PART_TYPE, (await self._signing.of(bundle.org)).keys)
        wrapped = sealed.seal(wrapping, key, _aad(bundle, terms))
        await self._store.put_part(bundle, terms.name, envelope=envelope, wrapped_key=wrapped)
        return envelope, wrapped

    async def _cubes(
        self, bundle: Bundle, terms: Terms, making: _Making, opening: Opening, files: dict[str, int]
    ) -> None:
        async with aclosing(opening.part_stream(0)) as contents:
            async for content in contents:
                cubes = [record.cube for record in read(content)]
                for portable in cubes:
                    blob = records.blob_of(portable.cube)
                    if blob is not None and blob.sha256 in files:
                        data = await _whole(opening, files[blob.sha256])
                        await asyncio.to_thread(making.file, portable, data)
                await self._put(bundle, terms, await asyncio.to_thread(making.add, cubes))
        await self._put(bundle, terms, making.more())

    async def _put(self, bundle: Bundle, terms: Terms, segments: Iterable[SealedSegment]) -> None:
        for segment in segments:
            await self._store.put_part_segment(bundle, terms.name, segment.sha256.hex(), bytes(segment.data))


class _Making:
    """A part that is being made: the marked tensor files wait until the cubes are written."""

    def __init__(self, marks: Marks, writer: BundleWriter) -> None:
        self._marks, self._writer = marks, writer
        self.files: dict[str, bytes] = {}

    def file(self, portable: PortableCube, data: bytes) -> None:
        """Mark the file of a cube and let the cube refer to what came out."""
        marked = self._marks.file(portable, data)
        check = TensorFileCheck(size_limit=_MARKED_FILE_MAX)
        check.feed(marked)
        check.finish()
        blob = records.blob_of(portable.cube)
        if blob is not None:
            blob.sha256, blob.size_bytes = sha256(marked).hexdigest(), len(marked)
            self.files[blob.sha256] = marked

    def add(self, cubes: list[PortableCube]) -> list[SealedSegment]:
        """Mark cubes and write them; return the segments that are full."""
        return self._write(self._marks.cubes(cubes))

    def more(self) -> list[SealedSegment]:
        """Write what this copy alone has."""
        return self._write(self._marks.more())

    def _write(self, cubes: Iterable[PortableCube]) -> list[SealedSegment]:
        return [
            segment
            for portable in cubes
            for segment in self._writer.add_record(encoded(BundleRecord(cube=portable)), cube=portable.cube.name)
        ]


def _all(segments: Iterator[SealedSegment]) -> list[SealedSegment]:
    return list(segments)


async def _whole(opening: Opening, index: int) -> bytes:
    data = bytearray()
    async with aclosing(opening.part_stream(index)) as contents:
        async for content in contents:
            data += content
            if len(data) > _MARKED_FILE_MAX:
                raise PlatformError(
                    Reason.FAILED_PRECONDITION,
                    "a tensor file is too large to be marked",
                    metadata={"resource": "file", "state": "too large"},
                )
    return bytes(data)


def _aad(bundle: Bundle, terms: Terms) -> bytes:
    return f"memporium part key {bundle.name}\n{terms.name}".encode()
