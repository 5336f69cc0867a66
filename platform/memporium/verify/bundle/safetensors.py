"""FORMAT of a tensor file (end of section 7): numbers alone, all finite, no byte unaccounted for."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from memporium.verify.bundle.documents import BundleRefusedError, demand

_HEADER_MAX = 1 << 20
# Type of a number: its bytes, and how numpy reads it where it can be other than finite.
_TYPES: dict[str, tuple[int, str]] = {
    "F64": (8, "<f8"),
    "F32": (4, "<f4"),
    "F16": (2, "<f2"),
    "BF16": (2, "<u2"),
    "F8_E4M3": (1, "u1"),
    "I64": (8, ""),
    "I32": (4, ""),
    "I16": (2, ""),
    "I8": (1, ""),
    "U8": (1, ""),
    "BOOL": (1, ""),
}


class TensorFile:
    """Reads a file in pieces of any size."""

    def __init__(self) -> None:
        """Begin a file."""
        self._head = bytearray()
        self._tensors: list[tuple[int, int, str]] | None = None
        self._at = 0
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Take in the next piece."""
        if self._tensors is None:
            self._head += piece
            length = int.from_bytes(self._head[:8], "little")
            demand(len(self._head) < 8 or 2 <= length <= _HEADER_MAX, "FORMAT", "the header's length")  # noqa: PLR2004
            if len(self._head) < 8 or len(self._head) < 8 + length:  # noqa: PLR2004 - the length itself
                return
            self._tensors = _tensors(bytes(self._head[8 : 8 + length]))
            piece = bytes(self._head[8 + length :])
        data = self._rest + piece
        while data:
            demand(self._tensors, "FORMAT", "bytes behind the last tensor")
            _, end, dtype = self._tensors[0]
            width = _TYPES[dtype][0]
            here = data[: end - self._at]
            whole = len(here) // width * width
            _finite(here[:whole], dtype)
            self._at += whole
            if self._at < end:
                self._rest = here[whole:]
                return
            data = data[whole:]
            self._tensors.pop(0)
        self._rest = b""

    def finish(self) -> None:
        """Take in the end."""
        demand(self._tensors == [] and not self._rest, "FORMAT", "the file ends elsewhere than its header says")


def _finite(data: bytes, dtype: str) -> None:
    read_as = _TYPES[dtype][1]
    if not read_as:
        return
    numbers = np.frombuffer(data, dtype=read_as)
    if dtype == "BF16":  # the upper half of a number of 32 bits
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    finite = (numbers & 0x7F) != 0x7F if dtype == "F8_E4M3" else np.isfinite(numbers)  # noqa: PLR2004 - the one NaN
    demand(bool(np.all(finite)), "FORMAT", "a number is not finite")


def _tensors(header: bytes) -> list[tuple[int, int, str]]:
    try:
        parsed = json.loads(header, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BundleRefusedError("FORMAT", "the header is no JSON") from None
    demand(isinstance(parsed, dict) and len(parsed) <= 65_536, "FORMAT", "the header is no object")  # noqa: PLR2004
    texts = parsed.pop("__metadata__", {})
    demand(isinstance(texts, dict) and all(isinstance(t, str) for t in texts.values()), "FORMAT", "the metadata")
    tensors = sorted(_tensor(name, entry) for name, entry in parsed.items())
    ends = [0, *(end for _, end, _ in tensors)]
    demand([start for start, _, _ in tensors] == ends[:-1], "FORMAT", "holes, or tensors that overlap")
    return [tensor for tensor in tensors if tensor[1] > tensor[0]]


def _tensor(name: str, entry: Any) -> tuple[int, int, str]:
    right = len(name) <= 512 and isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}  # noqa: PLR2004
    demand(right, "FORMAT", "an entry is malformed")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    demand(isinstance(dtype, str) and dtype in _TYPES, "FORMAT", "a type that is not allowed")
    demand(_numbers(shape) and len(shape) <= 8 and _numbers(offsets) and len(offsets) == 2, "FORMAT", "a shape")  # noqa: PLR2004
    demand(offsets[1] - offsets[0] == math.prod(shape) * _TYPES[dtype][0], "FORMAT", "a shape and its bytes disagree")
    return offsets[0], offsets[1], dtype


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 1 << 53 for number in value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
