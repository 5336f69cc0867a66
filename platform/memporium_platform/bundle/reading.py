"""Reading of records: every check of the format, for little more than parsing them.

A segment's records are parsed some at a time, so that what is parsed and what is written again to compare it stay
within the processor's caches; in one go that takes more than twice as long. Names are read where they stand in the
bytes (`spans`), since a view of a message costs more than parsing it. Where that cannot be, the messages are asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from memporium.transfer.v1.record_pb2 import BundleRecord, RecordBatch
from memporium_platform.bundle import spans
from memporium_platform.bundle.limits import RECORD_MAX
from memporium_platform.bundle.protobuf import is_plain
from memporium_platform.bundle.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium.cube.v1.cube_pb2 import Cube

# Bytes of records that are parsed together.
_PIECE = 128 * 1024
_CONTINUES = 0x80
# Most bytes of a length of 32 bits.
_LENGTH_BYTES = 5
_RECORD = RecordBatch.DESCRIPTOR.fields_by_name["records"].number << 3 | 2
# A tag and a length of two bytes, read at once.
_HEAD = Struct("<BBB")
_WITH_FILES = ("activation", "parameter")


def read(content: bytes | memoryview) -> Iterator[BundleRecord]:
    """Yield the records of one segment that was verified."""
    content = bytes(content)
    start = 0
    for end, _ in _frames(content).cuts:
        yield from RecordBatch.FromString(content[start:end]).records
        start = end


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

    def segment(self, content: bytes, blobs: dict[str, int]) -> Iterator[list[bytes]]:
        """Check the next segment; note files in `blobs`; yield the names of its cubes, some at a time.

        Raises:
            RecordError: Records are malformed, hold what is not known here, are above the cap, of an unknown kind or
                out of their order, or two cubes disagree about a file.
        """
        frames = _frames(content)
        names = spans.names(content, frames.bodies)
        start = first = 0
        for end, last in frames.cuts:
            piece = content[start:end]
            batch = _checked(piece)
            if not self.related and names.seen[first:last].all():
                self.records += last - first
                self.cubes += last - first
                places = zip(names.starts[first:last].tolist(), names.ends[first:last].tolist(), strict=True)
                yield [content[begin:behind] for begin, behind in places]
            else:
                yield self.take(batch, blobs)
            start, first = end, last

    def take(self, batch: RecordBatch, blobs: dict[str, int]) -> list[bytes]:
        """Take in the next records, which were checked; note files in `blobs`; return the names of the cubes.

        Raises:
            RecordError: A record is of an unknown kind or out of its order, or two cubes disagree about a file.
        """
        names: list[bytes] = []
        for record in batch.records:
            kind = record.WhichOneof("record")
            if kind == "cube":
                if self.related:
                    raise RecordError("a cube behind relations")
                _note_file(record.cube.cube, blobs)
                names.append(record.cube.cube.name.encode())
            elif kind == "relation":
                self.related = True
            elif kind is None or self.records:
                raise RecordError("a record is of an unknown kind, or a vault is not the first record")
            self.records += 1
        self.cubes += len(names)
        return names


def _note_file(cube: Cube, blobs: dict[str, int]) -> None:
    form = cube.payload.WhichOneof("form")
    if form in _WITH_FILES:
        blob = getattr(cube.payload, form).blob
        if blobs.setdefault(blob.sha256, blob.size_bytes) != blob.size_bytes:
            raise RecordError("two cubes give a file different sizes")


def _checked(piece: bytes) -> RecordBatch:
    try:
        batch = RecordBatch.FromString(piece)
    except DecodeError as err:
        raise RecordError("the records are malformed") from err
    if not is_plain(batch, piece):
        raise RecordError("the records hold unknown fields, or are not written in the shortest way")
    return batch


@dataclass(frozen=True, slots=True)
class _Frames:
    """Where records begin (behind their lengths), and where a segment may be cut: an end, and the records before it."""

    bodies: list[int]
    cuts: list[tuple[int, int]]


def _frames(content: bytes) -> _Frames:
    """Find the records of a segment.

    Raises:
        RecordError: There is something else, or a record above the cap.
    """
    bodies: list[int] = []
    cuts: list[tuple[int, int]] = []
    head, record = _HEAD.unpack_from, _RECORD
    at, end = 0, len(content)
    last = end - _HEAD.size
    while at < end:
        cut = min(at + _PIECE, end)
        while at < cut:
            length = -1
            if at <= last:
                tag, low, high = head(content, at)
                if tag == record:
                    if low < _CONTINUES:
                        at += 2
                        length = low
                    elif 0 < high < _CONTINUES:
                        at += 3
                        length = low - _CONTINUES + (high << 7)
            if length < 0:
                length, at = _behind_tag(content, at)
            bodies.append(at)
            at += length
        cuts.append((at, len(bodies)))
    if at != end:
        raise RecordError("a record is cut off")
    return _Frames(bodies, cuts)


def _behind_tag(content: bytes, at: int) -> tuple[int, int]:
    """Return the length of the record whose tag is at a place, and where it begins.

    Raises:
        RecordError: There is something else, or a length that is cut off, above the cap, or not in its shortest form.
    """
    if content[at] != _RECORD:
        raise RecordError("something else than records")
    at += 1
    length = shift = 0
    while shift < 7 * _LENGTH_BYTES:
        if at == len(content):
            raise RecordError("a record is cut off")
        byte = content[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            if length > RECORD_MAX or (shift and not byte):
                break
            return length, at
        shift += 7
    raise RecordError("a length above the cap, or not in its shortest form")
