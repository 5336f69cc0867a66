"""Checks 9 to 13 of `docs/bundle-format.md`, section 7: the segments of a manifest or a part."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import zstandard
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from memporium.transfer.v1 import bundle_pb2 as pb
from memporium.transfer.v1.record_pb2 import RecordBatch
from memporium.verify.bundle.contents import padme, place
from memporium.verify.bundle.documents import BundleRefusedError, demand, message
from memporium.verify.bundle.safetensors import TensorFile

if TYPE_CHECKING:
    from memporium.transfer.v1.record_pb2 import BundleRecord

_CONTENT_MAX = 16 << 20
_RECORD_MAX = 8 << 20
_WINDOW_MAX = 8 << 20


def derive(secret: bytes, label: str) -> bytes:
    """Return 32 bytes from a secret for one purpose (section 3)."""
    return HKDFExpand(SHA256(), 32, f"memporium.transfer.v1/{label}\0".encode()).derive(secret)


def outside(segment: pb.Segment, data: bytes) -> None:
    """SEGMENT_DIGEST: what can be told without a key."""
    right = len(data) == segment.size_bytes and hashlib.sha256(data).digest() == segment.sha256
    demand(right, "SEGMENT_DIGEST", "a segment has another length or digest")


class SegmentCheck:
    """Takes the segments of one manifest or part in their order; holds one at a time.

    Attributes:
        file_sha256: SHA-256 of the tensor files that were read, hexadecimal.
    """

    def __init__(self, listed: pb.Manifest | pb.Part, key: bytes) -> None:
        """Begin under the key of the bundle, or of the part."""
        self._listed, self._next = listed, 0
        self._wrap = AESGCM(derive(key, "segment-keys"))
        self._tags = AESGCM(derive(key, "content-tag"))
        self._stream_key, self._blob_key = derive(key, "stream-digest"), derive(key, "blob-tag")
        self._cubes = hmac.new(derive(key, "cubes-tag"), digestmod="sha256")
        self._records = self._cube_count = 0
        self._related = False
        self._files: dict[str, int] = {}
        self.file_sha256: set[str] = set()
        self._stream = -1
        self._begin_until(0)

    def segment(self, data: bytes) -> None:
        """Make every check of the next segment.

        Raises:
            BundleRefusedError: At the check that failed.
        """
        index = self._next
        demand(index < len(self._listed.segments), "SEGMENT_DIGEST", "more segments than there are")
        segment = self._listed.segments[index]
        self._begin_until(segment.stream)
        outside(segment, data)
        content = self._unpack(self._decrypt(index, segment, data), segment)
        self._size += len(content)
        tag = self._tags.encrypt(index.to_bytes(12), b"", content)
        self._digest.update(len(content).to_bytes(8) + tag)
        self._next += 1
        self._left -= 1
        if not self._left:
            self._end_stream()
        if self._stream == 0:
            self._read_records(content)
            if not self._left:
                self._end_records()
        else:
            self._file.feed(content)
            self._file_digest.update(content)
            if not self._left:
                self._file.finish()
                self._end_file()

    def finish(self) -> None:
        """Demand that every segment came, and that every file has a cube."""
        demand(self._next == len(self._listed.segments), "STREAM_DIGEST", "a segment is missing")
        self._begin_until(len(self._listed.streams))
        for stream, sha256, size in self._read:
            demand(self._files.get(sha256) == size, "FORMAT", "a file that no cube refers to, or of another size")
            tag = hmac.digest(self._blob_key, bytes.fromhex(sha256), "sha256")
            demand(tag == self._listed.streams[stream].blob_tag, "FORMAT", "a file under another's name")

    _read: list[tuple[int, str, int]]

    def _begin_until(self, wanted: int) -> None:
        """Go on to a stream; one without segments is closed at once."""
        if self._stream < 0:
            self._read = []
        while self._stream < min(wanted, len(self._listed.streams) - 1):
            self._stream += 1
            self._left = self._listed.streams[self._stream].segment_count
            self._digest = hmac.new(self._stream_key, self._stream.to_bytes(4), "sha256")
            self._size, self._file, self._file_digest = 0, TensorFile(), hashlib.sha256()
            if not self._left:
                self._end_stream()
                self._end_records()

    def _decrypt(self, index: int, segment: pb.Segment, data: bytes) -> memoryview:
        try:
            key = self._wrap.decrypt(index.to_bytes(12), segment.sealed_key, place(index, segment))
            context = b"memporium.transfer.v1/segment/" + int(segment.compression).to_bytes(4)
            opener = Cobblestone256Decryptor(key, context)
            frame = opener.update(data) + opener.finalize()
        except (InvalidTag, ValueError):
            raise BundleRefusedError("DECRYPTION", "a segment does not open") from None
        length = int.from_bytes(frame[:8])
        whole = len(frame) >= 8 and length > 0 and padme(8 + length) == len(frame)  # noqa: PLR2004 - the length itself
        demand(whole and not any(frame[8 + length :]), "DECRYPTION", "a frame or its padding is malformed")
        return memoryview(frame)[8 : 8 + length]

    def _unpack(self, body: memoryview, segment: pb.Segment) -> bytes:
        limit = min(_CONTENT_MAX, self._listed.streams[segment.stream].padded_bytes - self._size)
        if segment.compression == pb.COMPRESSION_NONE:
            demand(len(body) <= limit, "DECOMPRESSION", "a segment is above its cap")
            return bytes(body)
        out, frame = bytearray(), bytes(body)
        try:
            size = zstandard.frame_content_size(frame)
            demand(0 < size <= limit, "DECOMPRESSION", "a frame gives no size, or one above the cap")
            reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX).decompressobj()
            out += reader.decompress(frame)
            demand(reader.eof and not reader.unused_data, "DECOMPRESSION", "not exactly one frame")
        except zstandard.ZstdError:
            raise BundleRefusedError("DECOMPRESSION", "not a zstd frame") from None
        demand(len(out) == size, "DECOMPRESSION", "a frame of another size than it says")
        return bytes(out)

    def _read_records(self, content: bytes) -> None:
        batch = message(RecordBatch, content, "FORMAT")
        for record in batch.records:
            demand(len(content) <= _RECORD_MAX or record.ByteSize() <= _RECORD_MAX, "FORMAT", "a record is too large")
            self._read_record(record)

    def _read_record(self, record: BundleRecord) -> None:
        kind = record.WhichOneof("record")
        first, self._records = self._records == 0, self._records + 1
        if kind == "vault":
            demand(first, "FORMAT", "a vault that is not the first record")
        elif kind == "cube":
            demand(not self._related, "FORMAT", "a cube behind relations")
            cube = record.cube.cube
            self._cube_count += 1
            self._cubes.update(cube.name.encode() + b"\n")
            if cube.payload.WhichOneof("form") in {"activation", "parameter"}:
                blob = (cube.payload.activation if cube.payload.HasField("activation") else cube.payload.parameter).blob
                same = self._files.setdefault(blob.sha256, blob.size_bytes) == blob.size_bytes
                demand(same, "FORMAT", "two cubes give a file different sizes")
        else:
            demand(kind == "relation", "FORMAT", "a record of an unknown kind")
            self._related = True

    def _end_stream(self) -> None:
        stream = self._listed.streams[self._stream]
        right = self._digest.digest() == stream.digest and padme(self._size) == stream.padded_bytes
        demand(right, "STREAM_DIGEST", "a stream has another digest or size")

    def _end_records(self) -> None:
        listed = self._listed
        counts = (self._records, self._cube_count) == (listed.streams[0].record_count, listed.cube_count)
        demand(counts and self._cubes.digest() == listed.cubes_tag, "FORMAT", "other records or cubes than listed")

    def _end_file(self) -> None:
        sha256 = self._file_digest.hexdigest()
        self._read.append((self._stream, sha256, self._size))
        self.file_sha256.add(sha256)
