"""Makes a bundle: content goes in, sealed segments come out as soon as they are full, the manifest at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import BundleKind, Manifest, Segment, Stream, StreamKind, Suite
from memporium_platform.bundle.documents import FORMAT, merkle_root, place, stamp
from memporium_platform.bundle.keys import BundleKey, LineSecret
from memporium_platform.bundle.limits import TENSOR_SEGMENT
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.records import RecordSegments
from memporium_platform.bundle.segments import SealedSegment, seal_segment

if TYPE_CHECKING:
    import hmac
    from collections.abc import Iterator, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleIdentity:
    """What a manifest says beside its content; the fields are those of the Manifest."""

    kind: BundleKind.ValueType
    bundle: str
    publisher: str
    line: str
    version: str
    number: int
    create_time: datetime
    previous_manifest_sha256: bytes = b""
    terms_sha256: str = ""
    expire_time: datetime | None = None


class BundleWriter:
    """Writes the stream of records, then any number of tensor files, then the manifest.

    Holds one segment's content at a time. The order of calls: `add_record`*, `end_records`, then for each file
    `begin_tensors`, `add_tensors`*, `end_tensors`, then `manifest`.
    """

    def __init__(self, line: LineSecret, bundle_key: bytes) -> None:
        """Begin a bundle of a line under a bundle key of its own (32 fresh random bytes)."""
        self._line = line
        self._key = BundleKey(bundle_key)
        self._records = RecordSegments(line.cut_key)
        self._streams: list[Stream] = []
        self._segments: list[Segment] = []
        self._pending = bytearray()
        self._record_count = 0
        self._digest: hmac.HMAC
        self._content_bytes = 0
        self._begin(StreamKind.STREAM_KIND_CUBES)

    def add_record(self, record: bytes) -> Sequence[SealedSegment]:
        """Take in one record; return the segments that are full.

        Raises:
            RecordError: The record is above its cap.
        """
        self._record_count += 1
        full = self._records.add(record)
        return [self._seal(content) for content in full] if full else ()

    def end_records(self) -> Iterator[SealedSegment]:
        """Close the stream of records; yield its last segment, if there is one."""
        for content in self._records.finish():
            yield self._seal(content)
        self._streams[-1].record_count = self._record_count
        self._end()

    def begin_tensors(self, blob_sha256: str) -> None:
        """Begin the stream of the tensor file with this digest (hexadecimal)."""
        self._begin(StreamKind.STREAM_KIND_TENSORS, blob_sha256)

    def add_tensors(self, data: bytes) -> Iterator[SealedSegment]:
        """Take in the file's next bytes; yield the segments that are full."""
        view, at = memoryview(data), 0
        if self._pending:
            at = TENSOR_SEGMENT - len(self._pending)
            self._pending += view[:at]
            if len(self._pending) == TENSOR_SEGMENT:
                yield self._seal_pending()
        # What is there in one piece is sealed where it lies.
        while len(view) - at >= TENSOR_SEGMENT:
            yield self._seal(view[at : at + TENSOR_SEGMENT])
            at += TENSOR_SEGMENT
        self._pending += view[at:]

    def end_tensors(self) -> Iterator[SealedSegment]:
        """Close the file's stream; yield its last segment."""
        if self._pending:
            yield self._seal_pending()
        self._end()

    def manifest(self, identity: BundleIdentity, *, cube_count: int) -> bytes:
        """Return the serialised Manifest, to be signed as it is."""
        manifest = Manifest(
            format=FORMAT,
            suite=Suite.SUITE_MCB1_ED25519_X25519_AES256GCM,
            kind=identity.kind,
            bundle=identity.bundle,
            publisher=identity.publisher,
            line=identity.line,
            version=identity.version,
            number=identity.number,
            previous_manifest_sha256=identity.previous_manifest_sha256,
            streams=self._streams,
            segments=self._segments,
            merkle_root=merkle_root(self._segments),
            total_padded_bytes=sum(stream.padded_bytes for stream in self._streams),
            cube_count=cube_count,
            terms_sha256=identity.terms_sha256,
            create_time=stamp(identity.create_time),
        )
        if identity.expire_time is not None:
            manifest.expire_time.CopyFrom(stamp(identity.expire_time))
        return manifest.SerializeToString()

    def _begin(self, kind: StreamKind.ValueType, blob_sha256: str = "") -> None:
        self._digest = self._key.stream_digest(len(self._streams))
        self._content_bytes = 0
        self._streams.append(Stream(kind=kind, blob_sha256=blob_sha256))

    def _end(self) -> None:
        stream = self._streams[-1]
        stream.digest = self._digest.digest()
        stream.padded_bytes = padded_size(self._content_bytes)

    def _seal_pending(self) -> SealedSegment:
        content, self._pending = self._pending, bytearray()
        return self._seal(content)

    def _seal(self, content: bytes | bytearray | memoryview) -> SealedSegment:
        stream = self._streams[-1]
        sealed = seal_segment(content, self._line, compressed=stream.kind == StreamKind.STREAM_KIND_CUBES)
        segment = Segment(
            sha256=sealed.sha256,
            size_bytes=len(sealed.data),
            stream=len(self._streams) - 1,
            compression=sealed.compression,
        )
        index = len(self._segments)
        segment.sealed_key = self._key.seal_segment_key(index, sealed.key, place=place(index, segment))
        self._segments.append(segment)
        self._digest.update(content)
        self._content_bytes += len(content)
        stream.segment_count += 1
        return sealed
