"""PAYLOAD of a manifest or a part: it agrees with itself and keeps to the caps (section 4 of the specification)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from memporium.transfer.v1 import bundle_pb2 as pb
from memporium.verify.bundle.documents import demand

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP = "PAYLOAD"
_NUMBER_MAX = 1 << 53
_CONTENT_MAX = 1 << 42
_OBJECT_MAX = 19 << 20
_SHA256, _SEALED_KEY = 32, 48
SUITES = {pb.SUITE_MCB1_ED25519_X25519_AES256GCM, pb.SUITE_MCB1_HYBRID_AES256GCM}


def padme(size: int) -> int:
    """Return the least Padme size that is not below `size` (section 2)."""
    if size < 2:  # noqa: PLR2004 - the formula needs a logarithm above zero
        return size
    e = size.bit_length() - 1
    low = max(e - e.bit_length(), 0)
    return -(-size // (1 << low)) * (1 << low)


def place(index: int, segment: pb.Segment) -> bytes:
    """Return the description of a segment at its place (section 3)."""
    numbers = segment.stream.to_bytes(4) + int(segment.compression).to_bytes(4)
    return index.to_bytes(8) + segment.sha256 + segment.size_bytes.to_bytes(8) + numbers


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of RFC 6962, section 2.1, by its recursive definition."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


def check_manifest(manifest: pb.Manifest) -> None:
    """Demand that a manifest agrees with itself."""
    demand(manifest.format == "MCB1" and manifest.suite in SUITES, _STEP, "another format or suite")
    demand(manifest.kind in {pb.BUNDLE_KIND_RELEASE, pb.BUNDLE_KIND_DUMP}, _STEP, "a kind that is not allowed")
    named = manifest.publisher and manifest.line and manifest.bundle.startswith(f"{manifest.publisher}/")
    demand(named, _STEP, "a name is missing, or the bundle is not its publisher's")
    demand(0 < manifest.number <= _NUMBER_MAX, _STEP, "the number is out of range")
    demand(len(manifest.previous_manifest_sha256) in {0, _SHA256}, _STEP, "a digest is malformed")
    demand(list(manifest.lineage) == sorted(set(manifest.lineage)), _STEP, "the lineage is out of order")
    in_range = 0 <= manifest.part_cube_count <= _NUMBER_MAX
    release = manifest.kind == pb.BUNDLE_KIND_RELEASE
    demand(in_range and (release or not manifest.part_cube_count), _STEP, "a number of cubes in parts")
    _check_listed(manifest)


def check_part(part: pb.Part) -> None:
    """Demand that a part agrees with itself."""
    demand(part.format == "MCB1" and part.suite in SUITES, _STEP, "another format or suite")
    demand(part.kind in {pb.PART_KIND_SOURCE, pb.PART_KIND_RECIPIENT}, _STEP, "a kind that is not allowed")
    demand(part.publisher and part.recipient, _STEP, "a name is missing")
    digests = len(part.manifest_sha256) == _SHA256 and len(part.mark_commitment) in {0, _SHA256}
    demand(digests, _STEP, "a digest is malformed")
    _check_listed(part)


def _check_listed(listed: pb.Manifest | pb.Part) -> None:
    demand(listed.streams and len(listed.cubes_tag) == _SHA256, _STEP, "no stream, or a malformed tag")
    order: list[int] = []
    for index, stream in enumerate(listed.streams):
        _check_stream(stream, first=index == 0)
        demand(0 <= stream.segment_count <= len(listed.segments), _STEP, "more segments than there are")
        order += [index] * stream.segment_count
        demand(len(order) <= len(listed.segments), _STEP, "more segments than there are")
    demand([segment.stream for segment in listed.segments] == order, _STEP, "segments out of order")
    tags = [stream.blob_tag for stream in listed.streams]
    demand(len(tags) == len(set(tags)), _STEP, "a file stands twice")
    total = sum(stream.padded_bytes for stream in listed.streams)
    demand(total == listed.total_padded_bytes <= _CONTENT_MAX, _STEP, "the total is wrong")
    demand(0 <= listed.cube_count <= listed.streams[0].record_count, _STEP, "the number of cubes is wrong")
    for segment in listed.segments:
        plain = listed.streams[segment.stream].kind == pb.STREAM_KIND_TENSORS
        stored = pb.COMPRESSION_NONE if plain else pb.COMPRESSION_ZSTD
        demand(segment.compression == stored, _STEP, "a segment is stored in another way")
        sizes = (len(segment.sha256), len(segment.sealed_key)) == (_SHA256, _SEALED_KEY)
        demand(sizes and 0 < segment.size_bytes <= _OBJECT_MAX, _STEP, "a segment is malformed")
    leaves = [place(index, segment) for index, segment in enumerate(listed.segments)]
    demand(merkle_root(leaves) == listed.merkle_root, _STEP, "the Merkle root is wrong")


def _check_stream(stream: pb.Stream, *, first: bool) -> None:
    kind = pb.STREAM_KIND_CUBES if first else pb.STREAM_KIND_TENSORS
    demand(stream.kind == kind and len(stream.digest) == _SHA256, _STEP, "a stream is malformed")
    if first:
        demand(not stream.blob_tag and 0 <= stream.record_count <= _NUMBER_MAX, _STEP, "a stream is malformed")
    else:
        file = len(stream.blob_tag) == _SHA256 and stream.segment_count > 0 and stream.record_count == 0
        demand(file, _STEP, "a stream is malformed")
    padded = 0 <= stream.padded_bytes <= _CONTENT_MAX and padme(stream.padded_bytes) == stream.padded_bytes
    demand(padded, _STEP, "a stream's size is not padded")
