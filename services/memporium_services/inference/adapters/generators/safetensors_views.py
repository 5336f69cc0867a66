"""safetensors files read without copying: every tensor is a view of the file's own bytes.

The library copies each tensor out of the bytes; a KV cache is then copied once more to where the model computes. Here
the second copy is the only one. The header is checked as the format demands (huggingface/safetensors, README "Format"),
since the bytes may come from another organisation.
"""

from __future__ import annotations

import json
import mmap
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from pathlib import Path

_HEADER_LENGTH_BYTES = 8
# The format's own limit.
_MAX_HEADER_BYTES = 100_000_000
_DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn,
    "U8": torch.uint8,
}


@dataclass(frozen=True)
class TensorFile:
    """The tensors of a file, by name, and its metadata. The tensors share the file's memory: never write to them."""

    tensors: dict[str, Any]
    metadata: dict[str, str]


def map_file(path: Path) -> mmap.mmap:
    """Return a file's bytes as they lie in the page cache, without reading them; for `view`, which reads what is used.

    The mapping is private: should anything write to it, the file stays as it is.
    """
    with path.open("rb") as file:
        found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    with suppress(OSError):
        # Read from the disk in huge pages, where the system and the file system have them: small ones cost more to map,
        # each time, than their numbers to convert. Advice to read ahead (MADV_WILLNEED) would read in small ones.
        found.madvise(getattr(mmap, "MADV_HUGEPAGE", mmap.MADV_WILLNEED))
    return found


def view(data: bytearray | mmap.mmap | memoryview) -> TensorFile:
    """Return the tensors in `data`.

    Raises:
        PlatformError: INTEGRITY_FAILURE, where the bytes are no safetensors file.
    """
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, RuntimeError) as err:
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the blob is no valid safetensors file") from err


def _parse(data: bytearray | mmap.mmap | memoryview) -> TensorFile:
    if len(data) < _HEADER_LENGTH_BYTES:
        raise ValueError("too short")
    header_bytes = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
    begin = _HEADER_LENGTH_BYTES + header_bytes
    if header_bytes > _MAX_HEADER_BYTES or begin > len(data):
        raise ValueError("header too long")
    header = json.loads(bytes(data[_HEADER_LENGTH_BYTES:begin]))
    metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
    tensors = {name: _tensor(data, begin, entry) for name, entry in header.items()}
    return TensorFile(tensors, metadata)


def _tensor(data: bytearray | mmap.mmap | memoryview, begin: int, entry: dict[str, Any]) -> Any:
    dtype, shape = _DTYPES[entry["dtype"]], [int(size) for size in entry["shape"]]
    first, last = (int(offset) for offset in entry["data_offsets"])
    count = 1
    for size in shape:
        if size < 0:
            raise ValueError("negative size")
        count *= size
    if not 0 <= first <= last <= len(data) - begin or last - first != count * dtype.itemsize:
        raise ValueError("offsets out of range")
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype, count=count, offset=begin + first).reshape(shape)
