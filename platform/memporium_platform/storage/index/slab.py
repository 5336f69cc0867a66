"""Vectors of one vault in a memory-mapped file: row `slot` is the unit's vector, a row of zeros is empty."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Rows of a new slab: 24 KiB at 384 dimensions, so a thousand small vaults stay small.
_FIRST_ROWS = 16
_FLOAT_BYTES = 4
# The file system cannot promise room, so that a full disk is found out when it is written to.
_NO_PROMISES = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class VectorSlab:
    """An (n, dimensions) float32 matrix in a file that grows by doubling."""

    def __init__(self, path: Path, *, dimensions: int) -> None:
        """Map the file; make it where there is none."""
        self._path = path
        self._dimensions = dimensions
        self._row_bytes = dimensions * _FLOAT_BYTES
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        rows = path.stat().st_size // self._row_bytes
        self._map: NDArray[np.float32] = self._mapped(rows)
        # Rows for which there is room on the disk for certain; those of a file may be holes.
        self._certain = 0

    @property
    def rows(self) -> NDArray[np.float32]:
        """The whole matrix: a view of the file, valid until the next `reserve`."""
        return self._map

    def reserve(self, rows: int) -> None:
        """Make room for at least `rows` rows; before any row is written to.

        Raises:
            OSError: The disk is full; the rows are as they were.
        """
        have = grown = len(self._map)
        if rows > have:
            # Doubling up to 64 Ki rows, then by a half: fewer than log n remaps, at most a third empty.
            grown = max(rows, _FIRST_ROWS, have * 2 if have < 1 << 16 else have + have // 2)
        if grown > self._certain:
            self._allocate(have, grown)
            self._certain = grown
        if grown > have:
            self._map = self._mapped(grown)

    def clear(self, slots: NDArray[np.int64]) -> None:
        """Overwrite rows with zeros."""
        if len(slots):
            self._map[slots] = 0.0

    def flush(self) -> None:
        """Bring the file to the disk."""
        if isinstance(self._map, np.memmap):
            self._map.flush()

    def _allocate(self, have: int, rows: int) -> None:
        """Take the room on the disk: a mapped page that finds none when it is written to ends the whole process."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.posix_fallocate(descriptor, 0, rows * self._row_bytes)
        except OSError as error:
            if error.errno in _NO_PROMISES:
                os.ftruncate(descriptor, rows * self._row_bytes)
                return
            os.ftruncate(descriptor, have * self._row_bytes)
            raise
        finally:
            os.close(descriptor)

    def _mapped(self, rows: int) -> NDArray[np.float32]:
        if not rows:  # An empty file cannot be mapped.
            return np.empty((0, self._dimensions), np.float32)
        return np.memmap(self._path, dtype=np.float32, mode="r+", shape=(rows, self._dimensions))
