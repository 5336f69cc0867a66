"""Checks of a safetensors file that comes in pieces: plain numbers alone, all finite, no byte unaccounted for.

The format is a little-endian length, a JSON header and the numbers. Pickles, GGUF and archives fail at the header.
"""

from __future__ import annotations

import json
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

HEADER_MAX = 1024 * 1024
_TENSORS_MAX = 65_536
_DIMENSIONS_MAX = 8
_NAME_MAX = 512
_LENGTH = 8
# Bytes of numbers that are looked at together: what is made of them on the way stays within the processor's caches,
# which takes half the time, and little memory is needed beside them.
_LOOK = 256 * 1024

# Allowed types: bytes of one number and, for numbers that can be NaN or infinite, the bits of their exponent.
_TYPES: dict[str, tuple[int, int]] = {
    "F64": (8, 0x7FF0000000000000),
    "F32": (4, 0x7F800000),
    "F16": (2, 0x7C00),
    "BF16": (2, 0x7F80),
    # No infinities: the one pattern that is no number has all other bits set.
    "F8_E4M3": (1, 0x7F),
    "I64": (8, 0),
    "I32": (4, 0),
    "I16": (2, 0),
    "I8": (1, 0),
    "U8": (1, 0),
    "BOOL": (1, 0),
}
_UNSIGNED: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}


class TensorFileError(Exception):
    """The file is not one that we load."""


class TensorFileCheck:
    """Reads a file in pieces of any size and refuses it as soon as something is wrong."""

    def __init__(self, *, size_limit: int) -> None:
        """Begin a file of at most `size_limit` bytes."""
        self._limit = size_limit
        self._head = bytearray()
        self._header_end: int | None = None
        self._spans: list[tuple[int, int, int, int]] = []
        self._size = 0
        self._next_span = 0
        self._carry = b""

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Take in the next piece.

        Raises:
            TensorFileError: Something is wrong with the file so far.
        """
        data = memoryview(piece)
        if self._header_end is None:
            self._head += data
            data = memoryview(self._try_header())
        if data:
            self._numbers(data)

    def finish(self) -> None:
        """Take in the end.

        Raises:
            TensorFileError: The file is cut or longer than its header says.
        """
        end = self._spans[-1][1] if self._spans else 0
        if self._header_end is None or self._size != end or self._carry:
            raise TensorFileError("the file does not end where its header says")

    def _try_header(self) -> bytes:
        """Read the header once it is there; return what lies behind it."""
        if len(self._head) < _LENGTH:
            return b""
        length = int.from_bytes(self._head[:_LENGTH], "little")
        if not 2 <= length <= HEADER_MAX:  # noqa: PLR2004 - the shortest JSON object
            raise TensorFileError("the header's length is not allowed")
        if len(self._head) < _LENGTH + length:
            return b""
        self._header_end = _LENGTH + length
        self._spans = _spans(bytes(self._head[_LENGTH : self._header_end]))
        if self._spans and self._header_end + self._spans[-1][1] > self._limit:
            raise TensorFileError("the tensors are above the cap")
        rest = bytes(self._head[self._header_end :])
        self._head.clear()
        return rest

    def _numbers(self, data: memoryview) -> None:
        """Look at the numbers in `data`, which follow those before."""
        if self._carry:
            data = memoryview(self._carry + data)
        start = self._size - len(self._carry)
        self._size += len(data) - len(self._carry)
        self._carry = b""
        while data:
            if self._next_span == len(self._spans):
                raise TensorFileError("bytes behind the last tensor")
            _, end, width, exponent = self._spans[self._next_span]
            here = data[: end - start]
            whole = len(here) - len(here) % width
            _finite(here[:whole], width=width, exponent=exponent)
            if start + whole < end:
                self._carry = bytes(here[whole:])
                return
            data, start = data[whole:], end
            self._next_span += 1


def _finite(data: memoryview, *, width: int, exponent: int) -> None:
    if exponent and data:
        numbers = np.frombuffer(data, dtype=_UNSIGNED[width])
        bits, count = numbers.dtype.type(exponent), _LOOK // width
        for start in range(0, len(numbers), count):
            if bool(np.any((numbers[start : start + count] & bits) == bits)):
                raise TensorFileError("a number is not finite")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TensorFileError("a name stands twice in the header")
    return found


def _spans(header: bytes) -> list[tuple[int, int, int, int]]:
    """Return start, end, width and exponent bits of every tensor that has numbers, in order and without holes."""
    try:
        parsed = json.loads(header, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as err:
        raise TensorFileError("the header is no JSON") from err
    if not isinstance(parsed, dict) or len(parsed) > _TENSORS_MAX:
        raise TensorFileError("the header is no object of an allowed size")
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TensorFileError("the metadata are not texts")
    spans = sorted(_span(name, entry) for name, entry in parsed.items())
    if spans and spans[0][0] != 0:
        raise TensorFileError("a hole before the first tensor")
    if any(before[1] != after[0] for before, after in pairwise(spans)):
        raise TensorFileError("tensors overlap or leave holes")
    return [span for span in spans if span[1] > span[0]]


def _span(name: str, entry: Any) -> tuple[int, int, int, int]:
    if len(name) > _NAME_MAX or not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise TensorFileError("an entry of the header is malformed")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _TYPES:
        raise TensorFileError("a type of numbers is not allowed")
    if not (_naturals(shape) and len(shape) <= _DIMENSIONS_MAX and _naturals(offsets) and len(offsets) == 2):  # noqa: PLR2004 - a start and an end
        raise TensorFileError("a shape or an offset is not allowed")
    width, exponent = _TYPES[dtype]
    if offsets[1] - offsets[0] != prod(shape) * width:
        raise TensorFileError("a shape and its bytes disagree")
    return offsets[0], offsets[1], width, exponent


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 1 << 53 for number in value)
