"""Where the names of cubes stand in a segment of records: read from the bytes, for all records at once.

What is said of a record here holds once the record is known to be plain: then each field stands once, and what is
nested lies within. Of bytes that are not plain nothing that is said holds, but nothing fails either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memporium.cube.v1.cube_pb2 import Cube, Payload
from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium.vault.v1.cubes_pb2 import PortableCube

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

_Places = NDArray[np.int64]
_CONTINUES = 0x80
_VARINT, _LENGTH = 0, 2
_VARINT_BYTES = 10


def _tag(kind: type[Message], field: str) -> int:
    """Return what stands before a message or text that is a field with a number below 16."""
    return kind.DESCRIPTOR.fields_by_name[field].number << 3 | _LENGTH


_NESTED = (_tag(BundleRecord, "cube"), _tag(PortableCube, "cube"), _tag(Cube, "name"))
_PAYLOAD, _TEXT = _tag(Cube, "payload"), _tag(Payload, "plaintext")
_FIELDS = len(Cube.DESCRIPTOR.fields)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the cubes in some records.

    Attributes:
        starts: Where each begins.
        ends: Where it ends.
        seen: Whether it was seen: where a record begins with a cube, that with its name, and surely has no tensor file.
            Of the others nothing is said.
    """

    starts: _Places
    ends: _Places
    seen: NDArray[np.bool_]


def names(content: bytes, bodies: Sequence[int]) -> Names:
    """Look for the names of the cubes in the records of a segment; `bodies`: where each begins, behind its length."""
    data = np.frombuffer(content, np.uint8)
    at = np.array(bodies, np.int64)
    seen = np.ones(len(at), np.bool_)
    ends = at
    for tag in _NESTED:
        seen &= _bytes(data, at) == tag
        outer = ends
        length, at = _numbers(data, at + 1)
        seen &= length > 0
        ends = at + length
    return Names(at, ends, seen & _without_file(data, ends, outer))


def _without_file(data: NDArray[np.uint8], at: _Places, ends: _Places) -> NDArray[np.bool_]:
    """Return which cubes surely have no tensor file: those that have text, or nothing, from `at` to their ends."""
    going = at < ends
    for _ in range(_FIELDS):
        tag = _bytes(data, at)
        going &= (tag != _PAYLOAD) & (tag < _CONTINUES)
        if not going.any():
            break
        number, behind = _numbers(data, at + 1)
        wire = tag & 7
        going &= (wire == _VARINT) | (wire == _LENGTH)
        at = np.where(going, behind + np.where(wire == _LENGTH, number, 0), at)
        going &= at < ends
    length, body = _numbers(data, at + 1)
    text = (_bytes(data, at) == _PAYLOAD) & (length > 0) & (_bytes(data, body) == _TEXT)
    without: NDArray[np.bool_] = (at >= ends) | text
    return without


def _bytes(data: NDArray[np.uint8], at: _Places) -> NDArray[np.uint8]:
    return data.take(at, mode="clip")


def _numbers(data: NDArray[np.uint8], at: _Places) -> tuple[_Places, _Places]:
    """Return the varint at each place, and where it ends."""
    byte = _bytes(data, at)
    number, at = byte.astype(np.int64) & ~_CONTINUES, at + 1
    for index in range(1, _VARINT_BYTES):
        more = byte >= _CONTINUES
        if not more.any():
            break
        byte = np.where(more, _bytes(data, at), 0).astype(np.uint8)
        number |= (byte.astype(np.int64) & ~_CONTINUES) << 7 * index
        at = at + more
    return number, at
