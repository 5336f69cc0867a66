"""Tensor files as arrays, without any library of tensors: read as float32, written back in the file's own numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.bundle.tensors import TensorFileCheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_LENGTH = 8
_PLAIN = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I8": "i1"}


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class TensorFile:
    """A safetensors file in memory."""

    def __init__(self, data: bytes) -> None:
        """Check and open a file.

        Raises:
            TensorFileError: It is none, or holds what no tensor file may.
        """
        check = TensorFileCheck(size_limit=len(data))
        check.feed(data)
        check.finish()
        self._data = data
        length = int.from_bytes(data[:_LENGTH], "little")
        header = json.loads(data[_LENGTH : _LENGTH + length])
        self.metadata: dict[str, str] = header.pop("__metadata__", {})
        base = _LENGTH + length
        self._entries = {
            name: _Entry(entry["dtype"], tuple(entry["shape"]), *(base + at for at in entry["data_offsets"]))
            for name, entry in header.items()
        }

    def names(self) -> list[str]:
        """Return the tensors that can be read, in the order of their names."""
        return sorted(name for name, entry in self._entries.items() if entry.dtype in {*_PLAIN, "BF16"})

    def whole_numbers(self, name: str) -> bool:
        """Return whether a tensor holds whole numbers, to be multiplied by a scale."""
        return self._entries[name].dtype == "I8"

    def read(self, name: str) -> Array:
        """Return a tensor as float32, in its own shape."""
        entry = self._entries[name]
        raw = self._data[entry.start : entry.end]
        if entry.dtype == "BF16":
            numbers = (np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        else:
            numbers = np.frombuffer(raw, _PLAIN[entry.dtype]).astype(np.float32)
        return numbers.reshape(entry.shape)

    def replaced(self, tensors: Mapping[str, Array]) -> bytes:
        """Return the file with other numbers in some tensors, everything else byte for byte as it was."""
        out = bytearray(self._data)
        for name, numbers in tensors.items():
            entry = self._entries[name]
            out[entry.start : entry.end] = _stored(numbers, entry.dtype)
        return bytes(out)


def _stored(numbers: Array, dtype: str) -> bytes:
    if dtype == "BF16":
        bits = np.ascontiguousarray(numbers, dtype=np.float32).view(np.uint32)
        rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        return rounded.astype("<u2").tobytes()
    if dtype == "I8":
        return np.clip(np.rint(numbers), -127, 127).astype("i1").tobytes()
    return numbers.astype(_PLAIN[dtype]).tobytes()


def packed(tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a safetensors file of float32 tensors."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    parts: list[bytes] = []
    at = 0
    for name, numbers in tensors.items():
        raw = numbers.astype("<f4").tobytes()
        shape: Sequence[int] = numbers.shape
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + len(raw)]}
        parts.append(raw)
        at += len(raw)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return b"".join([len(head).to_bytes(_LENGTH, "little"), head, *parts])
