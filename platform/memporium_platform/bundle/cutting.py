"""Where streams are cut into segments: content-defined, after FastCDC, with secret cuts.

A segment ends where the content itself says so, under the line's secret key: what did not change makes the same
segments in the next version, and the lengths of the segments tell nothing about known content. Before the target length
a cut is half as likely as it would be without a preference, beyond it twice as likely (FastCDC's normalisation), so
lengths gather about the target. Only writers cut; a reader takes any segments.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from memporium_platform.bundle.limits import SegmentSizes

if TYPE_CHECKING:
    from collections.abc import Iterator

# A cut in bytes is drawn from so many bytes before it.
_WINDOW = 64
# One in so many bytes looks like a cut at first sight, if bytes are random (a power of two).
_FIRST_SIGHT_BITS = 8
_SLICE = 1 << 20
_DRAW = 1 << 64


class CutDraw:
    """Draws by lot, under a key, whether a stream is cut behind some bytes."""

    def __init__(self, cut_key: bytes, sizes: SegmentSizes) -> None:
        """Draw with 32 secret bytes."""
        self._keyed, self._sizes = blake2b(digest_size=8, key=cut_key), sizes
        self._span = sizes.target - sizes.least

    def cuts(self, window: bytes | bytearray, *, length: int, weight: int) -> bool:
        """Return whether a segment of `length` bytes ends behind `window`, which stands for `weight` bytes."""
        keyed = self._keyed.copy()  # cheaper than to key it anew
        keyed.update(window)
        draw = int.from_bytes(keyed.digest())
        if length < self._sizes.target:
            return draw * 2 * self._span < weight * _DRAW
        return draw * self._span < 2 * weight * _DRAW


class ByteSegments:
    """Cuts a stream of bytes that has no records, such as a tensor file."""

    def __init__(self, cut_key: bytes, sizes: SegmentSizes | None = None) -> None:
        """Begin a stream."""
        self._sizes = sizes or SegmentSizes()
        self._draw = CutDraw(cut_key, self._sizes)
        secret = blake2b(b"first sight", digest_size=9, key=cut_key).digest()
        self._byte, self._factor = secret[0], np.uint64(int.from_bytes(secret[1:]) | 1)
        self._bits = max(0, self._sizes.target.bit_length() - 15)
        self._pending = bytearray()
        self._looked = 0

    def add(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Take in the next bytes; yield the contents that are complete."""
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            self._pending += view[start : start + _SLICE]
            while end := self._cut():
                content = bytes(memoryview(self._pending)[:end])
                del self._pending[:end]
                self._looked = 0
                yield content

    def finish(self) -> Iterator[bytes]:
        """Yield what is left, if anything is."""
        if self._pending:
            yield bytes(self._pending)
            self._pending.clear()

    def _cut(self) -> int:
        """Return where the pending bytes are cut, or 0 where they are not yet."""
        sizes, have = self._sizes, len(self._pending)
        first, last = max(self._looked, sizes.least), min(have, sizes.most)
        weight = 1 << (_FIRST_SIGHT_BITS + self._bits + 1)
        for end in self._candidates(first, last):
            window = self._pending[end - _WINDOW : end]
            if self._draw.cuts(window, length=end, weight=weight):
                return end
        self._looked = max(self._looked, last + 1 if last >= first else 0)
        return sizes.most if have >= sizes.most else 0

    def _candidates(self, first: int, last: int) -> list[int]:
        """Return the lengths from `first` to `last` at which the bytes before look like a cut."""
        if last < first or first < _WINDOW:
            return []
        content: np.ndarray[Any, np.dtype[np.uint8]] = np.frombuffer(self._pending, dtype=np.uint8)
        ends = np.flatnonzero(content[first - 1 : last] == self._byte) + first
        if self._bits and len(ends):
            words = np.zeros(len(ends), dtype=np.uint64)
            for back in range(1, 9):
                words = (words << np.uint64(8)) | content[ends - back]
            ends = ends[(words * self._factor) >> np.uint64(64 - self._bits) == 0]
        return [int(end) for end in ends]
