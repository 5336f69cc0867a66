"""Zeroes what SQLite leaves of deleted rows in the free space of pages.

`secure_delete` overwrites a row that is deleted. But when a page splits, rows move to another page and their old bytes
stay in the gap between the page's cell pointers and its cells; if such a row is deleted later, only the moved copy is
overwritten (about 1 row of 100 in a test that deletes at random). VACUUM would help and needs a copy of the whole
database, in memory here; this writes only the gaps that hold something, while readers go on: nobody reads a gap.

File format: https://www.sqlite.org/fileformat2.html, 1.6 "B-tree Pages".
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_INTERIOR = frozenset({0x02, 0x05})
_LEAF = frozenset({0x0A, 0x0D})
_FILE_HEADER_BYTES = 100
_CHUNK_PAGES = 1024

# Descriptors stay open for the life of the process: closing any descriptor of a file drops all POSIX locks that the
# process has on it, those of SQLite included.
_DESCRIPTORS: dict[tuple[int, int], int] = {}
_LOCK = threading.Lock()


def zero_gaps(path: Path) -> int:
    """Zero the gaps of all pages and bring the file to the disk; return how many pages held something.

    The caller holds the write lock, the log is empty, and no connection may write a page that it read before.
    """
    descriptor = _descriptor(path)
    head = os.pread(descriptor, _FILE_HEADER_BYTES, 0)
    page_bytes = int.from_bytes(head[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    size = os.fstat(descriptor).st_size
    changed = 0
    for start in range(0, size, _CHUNK_PAGES * page_bytes):
        chunk = memoryview(os.pread(descriptor, _CHUNK_PAGES * page_bytes, start))
        for offset in range(0, len(chunk), page_bytes):
            gap = _gap(chunk[offset : offset + page_bytes], _FILE_HEADER_BYTES if start + offset == 0 else 0)
            if gap is None:
                continue
            low, high = gap
            if bytes(chunk[offset + low : offset + high]) != bytes(high - low):
                os.pwrite(descriptor, bytes(high - low), start + offset + low)
                changed += 1
    if changed:
        os.fsync(descriptor)
    return changed


def _gap(page: memoryview, header: int) -> tuple[int, int] | None:
    """Return where the unallocated space of a b-tree page begins and ends; None for other pages.

    Overflow and free-list pages begin with a page number, whose first byte is 0 below 64 GiB.
    """
    kind = page[header]
    if kind in _LEAF:
        low = header + 8
    elif kind in _INTERIOR:
        low = header + 12
    else:
        return None
    low += 2 * int.from_bytes(page[header + 3 : header + 5], "big")
    high = int.from_bytes(page[header + 5 : header + 7], "big") or 65536
    return (low, high) if low < high <= len(page) else None


def _descriptor(path: Path) -> int:
    status = path.stat()
    identity = status.st_dev, status.st_ino
    with _LOCK:
        if identity not in _DESCRIPTORS:
            _DESCRIPTORS[identity] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        return _DESCRIPTORS[identity]
