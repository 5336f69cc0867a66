"""The signed documents of a bundle: their types, how they are made, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.transfer.v1.bundle_pb2 import (
    BundleKind,
    Compression,
    Envelope,
    Manifest,
    Part,
    PartKind,
    StreamKind,
    Suite,
)
from memporium_platform.bundle import merkle
from memporium_platform.bundle.keys import position
from memporium_platform.bundle.limits import (
    BUNDLE_CONTENT_MAX,
    NUMBER_MAX,
    SEGMENT_OBJECT_MAX,
)
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.protobuf import is_plain
from memporium_platform.bundle.steps import VerificationStep, rejected, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.transfer.v1.bundle_pb2 import Segment

FORMAT = "MCB1"
SUITES = frozenset({Suite.SUITE_MCB1_ED25519_X25519_AES256GCM, Suite.SUITE_MCB1_HYBRID_AES256GCM})

MANIFEST_TYPE = "application/vnd.memporium.mcb1.manifest+protobuf"
GRANT_TYPE = "application/vnd.memporium.mcb1.grant+protobuf"
PART_TYPE = "application/vnd.memporium.mcb1.part+protobuf"
SNAPSHOT_TYPE = "application/vnd.memporium.mcb1.snapshot+protobuf"
SIGNED_TIME_TYPE = "application/vnd.memporium.mcb1.signed-time+protobuf"

_DIGEST = 32
_SEALED_KEY = 48
_STEP = VerificationStep.PAYLOAD
M = TypeVar("M", bound=Message)

# The one way in which each kind of stream is stored.
STORED_AS = {
    StreamKind.STREAM_KIND_CUBES: Compression.COMPRESSION_ZSTD,
    StreamKind.STREAM_KIND_TENSORS: Compression.COMPRESSION_NONE,
}


def stamp(time: datetime) -> Timestamp:
    """Return `time` for a document."""
    value = Timestamp()
    value.FromDatetime(time)
    return value


def moment(value: Timestamp) -> datetime:
    """Return the time in a document, aware, in UTC.

    Raises:
        PlatformError: BUNDLE_REJECTED at PAYLOAD, for a time that no calendar has.
    """
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as err:
        raise rejected(_STEP, "a time is out of range") from err


def decode(kind: type[M], data: bytes) -> M:
    """Return the document in `data`; unknown fields refuse it.

    Raises:
        PlatformError: BUNDLE_REJECTED at PAYLOAD.
    """
    try:
        document = kind.FromString(data)
    except DecodeError as err:
        raise rejected(_STEP, f"not a {kind.DESCRIPTOR.name}") from err
    plain = is_plain(document, data)
    require(plain, _STEP, f"the {kind.DESCRIPTOR.name} has unknown fields, or is not written in the shortest way")
    return document


def payload(envelope: Envelope, payload_type: str, kind: type[M]) -> M:
    """Return the document in a verified envelope.

    Raises:
        PlatformError: BUNDLE_REJECTED at PAYLOAD, where type, format or bytes are wrong.
    """
    require(envelope.payload_type == payload_type, _STEP, "the payload has another type")
    return decode(kind, envelope.payload)


def check_format(format_: str, suite: int | None = None) -> None:
    """Demand this format and an allowed suite.

    Raises:
        PlatformError: BUNDLE_REJECTED at PAYLOAD.
    """
    require(format_ == FORMAT, _STEP, "another format")
    require(suite is None or suite in SUITES, _STEP, "the suite is not allowed")


def place(index: int, segment: Segment) -> bytes:
    """Return the description of a segment at its place."""
    return position(
        index,
        sha256_=segment.sha256,
        size_bytes=segment.size_bytes,
        stream=segment.stream,
        compression=segment.compression,
    )


def merkle_root(segments: Sequence[Segment]) -> bytes:
    """Return the root over the segments at their places."""
    return merkle.root([place(index, segment) for index, segment in enumerate(segments)])


def check_manifest(manifest: Manifest) -> None:
    """Demand that a manifest agrees with itself and keeps to the caps.

    Raises:
        PlatformError: BUNDLE_REJECTED at PAYLOAD.
    """
    check_format(manifest.format, manifest.suite)
    kinds = (BundleKind.BUNDLE_KIND_RELEASE, BundleKind.BUNDLE_KIND_DUMP)
    require(manifest.kind in kinds, _STEP, "the kind is not allowed")
    require(manifest.bundle and manifest.publisher and manifest.line, _STEP, "a name is missing")
    require(manifest.bundle.startswith(f"{manifest.publisher}/"), _STEP, "the bundle is not its publisher's")
    require(0 < manifest.number <= NUMBER_MAX, _STEP, "the number is out of range")
    require(len(manifest.previous_manifest_sha256) in {0, _DIGEST}, _STEP, "a digest is malformed")
    require(sorted(set(manifest.lineage)) == list(manifest.lineage), _STEP, "the lineage is not in order")
    require(0 <= manifest.part_cube_count <= NUMBER_MAX, _STEP, "a count is out of range")
    release = manifest.kind == BundleKind.BUNDLE_KIND_RELEASE
    require(release or not manifest.part_cube_count, _STEP, "a dump has parts")
    _check_contents(manifest)


def check_part(part: Part) -> None:
    """Demand that a part agrees with itself and keeps to the caps.

    Raises:
        PlatformError: BUNDLE_REJECTED at PAYLOAD.
    """
    check_format(part.format, part.suite)
    kinds = (PartKind.PART_KIND_SOURCE, PartKind.PART_KIND_RECIPIENT)
    require(part.kind in kinds, _STEP, "the kind of the part is not allowed")
    require(part.publisher and part.recipient, _STEP, "a name is missing")
    require(len(part.manifest_sha256) == _DIGEST, _STEP, "a digest is malformed")
    require(len(part.mark_commitment) in {0, _DIGEST}, _STEP, "a commitment is malformed")
    _check_contents(part)


def _check_contents(sealed: Manifest | Part) -> None:
    require(len(sealed.cubes_tag) == _DIGEST, _STEP, "the tag of the cubes is malformed")
    _check_streams(sealed)
    _check_segments(sealed)
    require(merkle_root(sealed.segments) == sealed.merkle_root, _STEP, "the Merkle root is wrong")


def _check_streams(sealed: Manifest | Part) -> None:
    require(sealed.streams, _STEP, "no stream")
    for index, stream in enumerate(sealed.streams):
        kind = StreamKind.STREAM_KIND_TENSORS if index else StreamKind.STREAM_KIND_CUBES
        require(stream.kind == kind, _STEP, "the streams are out of order")
        named = len(stream.blob_tag) == _DIGEST and stream.segment_count > 0 if index else not stream.blob_tag
        require(named and len(stream.digest) == _DIGEST, _STEP, "a stream is malformed")
        counted = 0 <= stream.record_count <= NUMBER_MAX and not (index and stream.record_count)
        require(counted, _STEP, "a count is out of range")
        require(0 <= stream.padded_bytes <= BUNDLE_CONTENT_MAX, _STEP, "a stream is above its cap")
        require(padded_size(stream.padded_bytes) == stream.padded_bytes, _STEP, "a stream's size is not padded")
    tags = [stream.blob_tag for stream in sealed.streams]
    require(len(set(tags)) == len(tags), _STEP, "a file stands twice")
    total = sum(stream.padded_bytes for stream in sealed.streams)
    require(total == sealed.total_padded_bytes <= BUNDLE_CONTENT_MAX, _STEP, "the total size is wrong")
    require(0 <= sealed.cube_count <= sealed.streams[0].record_count, _STEP, "the number of cubes is wrong")


def _check_segments(sealed: Manifest | Part) -> None:
    expected: list[int] = []
    for index, stream in enumerate(sealed.streams):
        require(0 <= stream.segment_count <= len(sealed.segments), _STEP, "the segments are not as many as said")
        expected += [index] * stream.segment_count
        require(len(expected) <= len(sealed.segments), _STEP, "the segments are not as many as said")
    require([segment.stream for segment in sealed.segments] == expected, _STEP, "the segments are out of order")
    for segment in sealed.segments:
        kind = sealed.streams[segment.stream].kind
        require(segment.compression == STORED_AS[kind], _STEP, "a segment is stored in another way")
        require(0 < segment.size_bytes <= SEGMENT_OBJECT_MAX, _STEP, "a segment is above its cap")
        require(len(segment.sha256) == _DIGEST and len(segment.sealed_key) == _SEALED_KEY, _STEP, "malformed segment")


@dataclass(frozen=True, slots=True)
class Documents:
    """What is received beside the segments: serialised envelopes.

    Attributes:
        manifest: Of the Manifest.
        snapshot: Of the Snapshot.
        signed_time: Of the SignedTime.
        grant: Of the Grant; None where only the outside of a bundle is verified.
        part: Of the Part that the grant names; None where it names none.
    """

    manifest: bytes
    snapshot: bytes
    signed_time: bytes
    grant: bytes | None = None
    part: bytes | None = None


def digest_of(data: bytes) -> bytes:
    """Return SHA-256 of a document's bytes."""
    return sha256(data).digest()
