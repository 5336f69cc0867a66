"""Makes a bundle: content goes in, sealed segments come out as soon as they are full, the manifest at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memporium.transfer.v1.bundle_pb2 import BundleKind, Manifest, Part, PartKind, Segment, Stream, StreamKind, Suite
from memporium_platform.bundle.cutting import ByteSegments
from memporium_platform.bundle.documents import FORMAT, merkle_root, place, stamp
from memporium_platform.bundle.keys import BundleKey, LineSecret, StreamDigest
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.records import RecordSegments
from memporium_platform.bundle.segments import SealedSegment, seal_segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from memporium_platform.bundle.limits import SegmentSizes

_SUITE = Suite.SUITE_MCB1_ED25519_X25519_AES256GCM


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
    suite: Suite.ValueType = _SUITE
    previous_manifest_sha256: bytes = b""
    terms_sha256: str = ""
    expire_time: datetime | None = None
    lineage: Sequence[str] = ()
    part_cube_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartIdentity:
    """What a part says beside its content; the fields are those of the Part."""

    kind: PartKind.ValueType
    publisher: str
    manifest_sha256: bytes
    recipient: str
    create_time: datetime
    suite: Suite.ValueType = _SUITE
    agreement: str = ""
    mark_commitment: bytes = b""


class BundleWriter:
    """Writes the stream of records, then any number of tensor files, then the manifest, or a part.

    Holds one segment's content at a time. The order of calls: `add_record`*, `end_records`, then for each file
    `begin_tensors`, `add_tensors`*, `end_tensors`, then `manifest` or `part`.
    """

    def __init__(self, line: LineSecret, bundle_key: bytes, *, sizes: SegmentSizes | None = None) -> None:
        """Begin a bundle of a line, or a part, under a key of its own (32 fresh random bytes)."""
        self._line, self._sizes = line, sizes
        self._key = BundleKey(bundle_key)
        self._records = RecordSegments(line.cut_key, sizes)
        self._bytes = ByteSegments(line.cut_key, sizes)
        self._streams: list[Stream] = []
        self._segments: list[Segment] = []
        self._cubes, self._cubes_tag = 0, self._key.cubes_tag()
        self._names: list[str] = []
        self._digest: StreamDigest
        self._content_bytes = 0
        self._begin(StreamKind.STREAM_KIND_CUBES)

    def add_record(self, record: bytes, *, cube: str = "") -> Sequence[SealedSegment]:
        """Take in one record, and the name of the cube in it; return the segments that are full.

        Raises:
            RecordError: The record is above its cap.
        """
        full = self._records.add(record)
        self._streams[-1].record_count += 1
        if cube:
            self._cubes += 1
            self._names.append(cube)
        return [self._seal(content) for content in full] if full else ()

    def end_records(self) -> Iterator[SealedSegment]:
        """Close the stream of records; yield its last segment, if there is one."""
        for content in self._records.finish():
            yield self._seal(content)
        self._end()

    def begin_tensors(self, blob_sha256: str) -> None:
        """Begin the stream of the tensor file with this digest (hexadecimal), to which a cube refers."""
        self._bytes = ByteSegments(self._line.cut_key, self._sizes)
        self._begin(StreamKind.STREAM_KIND_TENSORS, self._key.blob_tag(blob_sha256))

    def add_tensors(self, data: bytes | memoryview) -> Iterator[SealedSegment]:
        """Take in the file's next bytes; yield the segments that are full."""
        return self._sealed(self._bytes.add(data))

    def end_tensors(self) -> Iterator[SealedSegment]:
        """Close the file's stream; yield its last segment."""
        yield from self._sealed(self._bytes.finish())
        self._end()

    def manifest(self, identity: BundleIdentity) -> bytes:
        """Return the serialised Manifest, to be signed as it is."""
        manifest = Manifest(
            kind=identity.kind,
            suite=identity.suite,
            bundle=identity.bundle,
            publisher=identity.publisher,
            line=identity.line,
            version=identity.version,
            number=identity.number,
            previous_manifest_sha256=identity.previous_manifest_sha256,
            terms_sha256=identity.terms_sha256,
            create_time=stamp(identity.create_time),
            lineage=sorted(set(identity.lineage)),
            part_cube_count=identity.part_cube_count,
            **self._contents(),
        )
        if identity.expire_time is not None:
            manifest.expire_time.CopyFrom(stamp(identity.expire_time))
        return manifest.SerializeToString()

    def part(self, identity: PartIdentity) -> bytes:
        """Return the serialised Part, to be signed as it is."""
        part = Part(
            kind=identity.kind,
            suite=identity.suite,
            publisher=identity.publisher,
            manifest_sha256=identity.manifest_sha256,
            recipient=identity.recipient,
            agreement=identity.agreement,
            mark_commitment=identity.mark_commitment,
            create_time=stamp(identity.create_time),
            **self._contents(),
        )
        return part.SerializeToString()

    def _contents(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "streams": self._streams,
            "segments": self._segments,
            "merkle_root": merkle_root(self._segments),
            "total_padded_bytes": sum(stream.padded_bytes for stream in self._streams),
            "cube_count": self._cubes,
            "cubes_tag": self._cubes_tag.digest(),
        }

    def _begin(self, kind: StreamKind.ValueType, blob_tag: bytes = b"") -> None:
        self._digest = self._key.stream_digest(len(self._streams))
        self._content_bytes = 0
        self._streams.append(Stream(kind=kind, blob_tag=blob_tag))

    def _end(self) -> None:
        stream = self._streams[-1]
        stream.digest = self._digest.digest()
        stream.padded_bytes = padded_size(self._content_bytes)

    def _sealed(self, contents: Iterable[bytes]) -> Iterator[SealedSegment]:
        return map(self._seal, contents)

    def _seal(self, content: bytes) -> SealedSegment:
        self._cubes_tag.update(name.encode() for name in self._names)
        self._names.clear()
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
        self._digest.update(index, content)
        self._content_bytes += len(content)
        stream.segment_count += 1
        return sealed
