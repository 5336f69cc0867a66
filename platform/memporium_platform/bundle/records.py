"""Records of a bundle's first stream: how they are written and cut into segments; `reading` reads them again.

The content of a segment is a serialised `RecordBatch`. A writer appends records as they come: the field's tag, the
record's length as a varint, the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium_platform.bundle.cutting import CutDraw
from memporium_platform.bundle.limits import RECORD_MAX, SegmentSizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TAG = b"\x0a"
_CONTINUES = 0x80


class RecordError(Exception):
    """A record is larger than its cap, or a stream of records is malformed."""


def delimited(record: bytes) -> bytes:
    """Return `record` as it stands in a segment.

    Raises:
        RecordError: It is larger than `RECORD_MAX`.
    """
    length = len(record)
    if length > RECORD_MAX:
        raise RecordError(f"a record of {length} bytes is above the cap of {RECORD_MAX}")
    # Most records are such.
    if _CONTINUES <= length < _CONTINUES << 7:
        return b"\x0a%c%c%b" % (length & 0x7F | _CONTINUES, length >> 7, record)
    prefix = bytearray(_TAG)
    while length >= _CONTINUES:
        prefix.append(length & 0x7F | _CONTINUES)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + record


def encoded(record: BundleRecord) -> bytes:
    """Return a record's bytes: equal records have equal ones, so that a new version shares their segments."""
    return record.SerializeToString(deterministic=True)


class RecordSegments:
    """Gathers records into the contents of segments; a segment ends where a record ends."""

    def __init__(self, cut_key: bytes, sizes: SegmentSizes | None = None) -> None:
        """Begin a stream; `cut_key` (32 bytes) decides where segments end."""
        self._sizes = sizes or SegmentSizes()
        self._draw = CutDraw(cut_key, self._sizes)
        self._pending = bytearray()

    def add(self, record: bytes) -> Sequence[bytes]:
        """Take in a record; return the segments' contents that are complete, none or one, seldom two."""
        piece = delimited(record)
        pending = self._pending
        done = [self._take()] if pending and len(pending) + len(piece) > self._sizes.most else []
        pending += piece
        if len(pending) >= self._sizes.least and self._draw.cuts(piece, length=len(pending), weight=len(piece)):
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


def cube_name(record: bytes) -> str:
    """Return the name of the cube in a serialised record, or "" where it holds none."""
    return BundleRecord.FromString(record).cube.cube.name
