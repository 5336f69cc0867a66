"""zstd within a cap that we count ourselves.

`ZstdDecompressor.decompress(max_output_size=...)` ignores its cap where the frame carries a size, so a reader is used
and every byte counted.
"""

from __future__ import annotations

import zstandard

LEVEL = 3

# Largest window in bytes that a frame may ask for; level 3 uses at most 2 MiB.
_WINDOW_MAX = 8 * 1024 * 1024
_READ = 1024 * 1024


class DecompressionError(Exception):
    """The content is no zstd frame, or larger than allowed."""


def compress(content: bytes | bytearray | memoryview) -> bytes:
    """Return `content` as one zstd frame that carries its size."""
    return bytes(zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(content))


def decompress(data: bytes | bytearray | memoryview, *, limit_bytes: int) -> bytes:
    """Return what the frame in `data` holds.

    Raises:
        DecompressionError: Not exactly one whole frame with its size, or more than `limit_bytes`.
    """
    frame = bytes(data)
    try:
        declared = zstandard.frame_content_size(frame)
        if not 0 <= declared <= limit_bytes:
            raise DecompressionError("the frame gives no size, or one above the cap")
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX).stream_reader(frame, read_across_frames=True)
        pieces: list[bytes] = []
        left = declared
        while piece := reader.read(min(_READ, left + 1)):
            left -= len(piece)
            if left < 0:
                raise DecompressionError("more content than the frame declares")
            pieces.append(piece)
    except zstandard.ZstdError as err:
        raise DecompressionError("not a zstd frame") from err
    if left:
        raise DecompressionError("less content than the frame declares")
    return b"".join(pieces)
