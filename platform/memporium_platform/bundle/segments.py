"""One segment: content, compressed, framed, padded, encrypted; and back, one check at a time."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import Compression
from memporium_platform.bundle import chunked
from memporium_platform.bundle.compression import DecompressionError, compress, decompress
from memporium_platform.bundle.limits import SEGMENT_CONTENT_MAX
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.steps import VerificationStep, rejected, require

if TYPE_CHECKING:
    from memporium_platform.bundle.keys import LineSecret

_LENGTH = 8
_CONTEXT = b"memporium.transfer.v1/segment/"


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A segment to store.

    Attributes:
        data: The object's bytes.
        sha256: Their digest: the object's name.
        key: The key that opens it.
        content_bytes: Size of the content in bytes.
        compression: How the content was compressed.
    """

    data: bytearray
    sha256: bytes
    key: bytes
    content_bytes: int
    compression: Compression.ValueType


def _context(compression: int) -> bytes:
    return _CONTEXT + compression.to_bytes(4)


def seal_segment(content: bytes | bytearray | memoryview, line: LineSecret, *, compressed: bool) -> SealedSegment:
    """Return the segment for `content` (1 byte to 16 MiB)."""
    if not 0 < len(content) <= SEGMENT_CONTENT_MAX:
        raise ValueError("a segment holds 1 byte to 16 MiB")
    compression = Compression.COMPRESSION_ZSTD if compressed else Compression.COMPRESSION_NONE
    body = compress(content) if compressed else content
    made = line.segment_key(body, compression)
    frame = bytearray(padded_size(_LENGTH + len(body)))
    frame[:_LENGTH] = len(body).to_bytes(_LENGTH)
    frame[_LENGTH : _LENGTH + len(body)] = body
    data = chunked.seal(made.key, frame, salt=made.salt, context=_context(compression))
    return SealedSegment(data, sha256(data).digest(), made.key, len(content), compression)


def check_stored(data: bytes, *, digest: bytes, size_bytes: int) -> None:
    """Demand that a stored object is the one that the manifest names.

    Raises:
        PlatformError: BUNDLE_REJECTED at SEGMENT_DIGEST.
    """
    require(len(data) == size_bytes, VerificationStep.SEGMENT_DIGEST, "a segment has another length")
    require(sha256(data).digest() == digest, VerificationStep.SEGMENT_DIGEST, "a segment has another digest")


def decrypt(data: bytes, key: bytes, compression: int) -> memoryview:
    """Return the body of a stored object: its content, still compressed.

    Raises:
        PlatformError: BUNDLE_REJECTED at DECRYPTION.
    """
    try:
        frame = chunked.open_sealed(key, data, context=_context(compression))
    except chunked.ChunkedDecryptionError as err:
        raise rejected(VerificationStep.DECRYPTION, f"a segment does not open ({err})") from err
    length = int.from_bytes(frame[:_LENGTH])
    fits = len(frame) >= _LENGTH and length > 0 and padded_size(_LENGTH + length) == len(frame)
    require(fits, VerificationStep.DECRYPTION, "a segment's frame is malformed")
    padding = len(frame) - _LENGTH - length
    require(frame.count(0, len(frame) - padding) == padding, VerificationStep.DECRYPTION, "a padding is not empty")
    return memoryview(frame)[_LENGTH : _LENGTH + length]


def unpack(body: memoryview, compression: int, *, limit_bytes: int) -> bytes | memoryview:
    """Return the content in `body`; what was not compressed is not copied.

    Raises:
        PlatformError: BUNDLE_REJECTED at DECOMPRESSION.
    """
    limit = min(limit_bytes, SEGMENT_CONTENT_MAX)
    content: bytes | memoryview = body
    if compression == Compression.COMPRESSION_ZSTD:
        try:
            content = decompress(body, limit_bytes=limit)
        except DecompressionError as err:
            raise rejected(VerificationStep.DECOMPRESSION, str(err)) from err
    require(0 < len(content) <= limit, VerificationStep.DECOMPRESSION, "a segment's content is above its cap")
    return content
