"""Streams of records, each behind its length as a varint, and where to cut them into segments.

A segment always ends at the end of a record. Where, depends on the records' own bytes under a secret key: the same
records make the same segments in the next version, and the sizes of the segments tell nothing about known texts.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from memporium_platform.bundle.limits import (
    RECORD_MAX,
    SEGMENT_CONTENT_MAX,
    SEGMENT_CONTENT_MIN,
    SEGMENT_CONTENT_TARGET,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_VARINT_BYTES_MAX = 4
_CONTINUES = 0x80


class RecordError(Exception):
    """A record is larger than its cap, or a stream of records is malformed."""


def delimited(record: bytes) -> bytes:
    """Return `record` behind its length.

    Raises:
        RecordError: It is larger than `RECORD_MAX`.
    """
    if len(record) > RECORD_MAX:
        raise RecordError(f"a record of {len(record)} bytes is above the cap of {RECORD_MAX}")
    return _varint(len(record)) + record


def _varint(length: int) -> bytes:
    if length < _CONTINUES:
        return bytes((length,))
    # Most records are such.
    if length < _CONTINUES << 7:
        return bytes((length & 0x7F | _CONTINUES, length >> 7))
    prefix = bytearray()
    while length >= _CONTINUES:
        prefix.append(length & 0x7F | _CONTINUES)
        length >>= 7
    prefix.append(length)
    return bytes(prefix)


def split(content: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Yield the records of one segment.

    Raises:
        RecordError: A length is not the shortest varint, above the cap, or beyond the segment's end.
    """
    data, position = bytes(content), 0
    size = len(data)
    while position < size:
        length = data[position]
        position += 1
        if length & _CONTINUES:
            length, position = _continued(data, position, length & 0x7F)
        if length > RECORD_MAX:
            raise RecordError("a record is above the cap")
        end = position + length
        if end > size:
            raise RecordError("cut within a record")
        yield data[position:end]
        position = end


def _continued(data: bytes, position: int, length: int) -> tuple[int, int]:
    """Return the length whose low seven bits are given and whose rest is at `position`, and where it ends."""
    for shift in range(7, 7 * _VARINT_BYTES_MAX, 7):
        if position == len(data):
            raise RecordError("cut within a length")
        byte = data[position]
        position += 1
        length |= (byte & 0x7F) << shift
        if not byte & _CONTINUES:
            if byte == 0:
                raise RecordError("a length is not the shortest varint")
            return length, position
    raise RecordError("a length is too long")


class RecordSegments:
    """Gathers records into the contents of segments."""

    def __init__(self, cut_key: bytes) -> None:
        """Begin a stream; `cut_key` (32 bytes) decides where segments end."""
        self._cut_key = cut_key
        self._pending = bytearray()

    def add(self, record: bytes) -> Sequence[bytes]:
        """Take in a record; return the segments' contents that are complete, none or one, seldom two."""
        piece = delimited(record)
        done = [self._take()] if len(self._pending) + len(piece) > SEGMENT_CONTENT_MAX else []
        self._pending += piece
        if len(self._pending) >= SEGMENT_CONTENT_MIN and self._cuts_after(piece):
            done.append(self._take())
        return done

    def finish(self) -> Iterator[bytes]:
        """Yield what is left, if anything is."""
        if self._pending:
            yield self._take()

    def _take(self) -> bytes:
        content = bytes(self._pending)
        self._pending.clear()
        return content

    def _cuts_after(self, piece: bytes) -> bool:
        # A record ends a segment with a chance in proportion to its size, so that segments beyond the least size are
        # `TARGET - MIN` longer on average, whatever the sizes of the records are.
        draw = int.from_bytes(blake2b(piece, digest_size=8, key=self._cut_key).digest())
        return draw * (SEGMENT_CONTENT_TARGET - SEGMENT_CONTENT_MIN) < len(piece) << 64
