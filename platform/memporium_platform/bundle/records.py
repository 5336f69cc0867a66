"""Records of a bundle's first stream: how they are written, cut into segments, and read again.

The content of a segment is a serialised `RecordBatch`, so one call parses it. A writer appends records as they come:
the field's tag, the record's length as a varint, the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from memporium.transfer.v1.record_pb2 import BundleRecord, RecordBatch
from memporium_platform.bundle.cutting import CutDraw
from memporium_platform.bundle.limits import RECORD_MAX, SegmentSizes
from memporium_platform.bundle.protobuf import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TAG = b"\x0a"
_WITH_FILES = frozenset({"activation", "parameter"})
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


def parse(content: bytes | memoryview) -> RecordBatch:
    """Return the records of one segment.

    Raises:
        RecordError: They are malformed, hold what is not known here, or one is above the cap.
    """
    try:
        batch = RecordBatch.FromString(bytes(content))
    except DecodeError as err:
        raise RecordError("the records are malformed") from err
    if not is_plain(batch, len(content)):
        raise RecordError("the records hold unknown fields, or are not written in the shortest way")
    if len(content) > RECORD_MAX and any(record.ByteSize() > RECORD_MAX for record in batch.records):
        raise RecordError("a record is above the cap")
    return batch


@dataclass(slots=True)
class RecordOrder:
    """What was read so far: the vault comes first, then cubes, then relations.

    Attributes:
        records: Number of records.
        cubes: Number of cubes.
        related: Whether a relation has come.
    """

    records: int = 0
    cubes: int = 0
    related: bool = False

    def take(self, batch: RecordBatch, blobs: dict[str, int]) -> list[str]:
        """Take in the records of the next segment; note files in `blobs`; return the names of the cubes.

        Raises:
            RecordError: A record is of an unknown kind or out of its order, or two cubes disagree about a file.
        """
        names: list[str] = []
        note, first = names.append, not self.records
        for record in batch.records:
            kind = record.WhichOneof("record")
            if kind == "cube":
                cube = record.cube.cube
                note(cube.name)
                form = cube.payload.WhichOneof("form")
                if form in _WITH_FILES:
                    blob = getattr(cube.payload, form).blob
                    if blobs.setdefault(blob.sha256, blob.size_bytes) != blob.size_bytes:
                        raise RecordError("two cubes give a file different sizes")
                if self.related:
                    raise RecordError("a cube behind relations")
            elif kind == "relation":
                self.related = True
            elif kind is None or not first:
                raise RecordError("a record is of an unknown kind, or a vault is not the first record")
            first = False
        self.records += len(batch.records)
        self.cubes += len(names)
        return names


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
