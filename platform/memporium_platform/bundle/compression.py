"""zstd within a cap that we check ourselves.

`ZstdDecompressor.decompress(max_output_size=...)` ignores its cap where the frame carries a size. So the size is read
and held against the cap first; a frame whose content is another size than it says does not decompress.
"""

from __future__ import annotations

import threading
from functools import cached_property

import zstandard

LEVEL = 3

# Largest window in bytes that a frame may ask for; level 3 uses at most 2 MiB.
_WINDOW_MAX = 8 * 1024 * 1024


class DecompressionError(Exception):
    """The content is no zstd frame, or larger than allowed."""


class _Contexts(threading.local):
    """The library's contexts hold megabytes and serve one thread at a time; few threads need both."""

    @cached_property
    def compressor(self) -> zstandard.ZstdCompressor:
        return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)

    @cached_property
    def decompressor(self) -> zstandard.ZstdDecompressor:
        return zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)


_contexts = _Contexts()


def compress(content: bytes | bytearray | memoryview) -> bytes:
    """Return `content` as one zstd frame that carries its size."""
    return bytes(_contexts.compressor.compress(content))


def decompress(data: bytes | bytearray | memoryview, *, limit_bytes: int) -> bytes:
    """Return what the frame in `data` holds.

    Raises:
        DecompressionError: Not exactly one whole frame with its size, or more than `limit_bytes`.
    """
    try:
        declared = zstandard.frame_content_size(data)
        if not 0 <= declared <= limit_bytes:
            raise DecompressionError("the frame gives no size, or one above the cap")
        # An output of exactly the declared size is allocated; a longer one fails, since it does not fit.
        content = _contexts.decompressor.decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as err:
        raise DecompressionError("not exactly one whole zstd frame") from err
    if len(content) != declared:
        raise DecompressionError("less content than the frame declares")
    return content
