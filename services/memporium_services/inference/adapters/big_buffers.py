"""Memory for tensors that are about to be written whole.

Fresh memory costs a fault for each page, which for ordinary pages takes longer than decrypting what is written there:
45 ms for 94 MB. Huge pages take the most of it away, where the system gives them.
"""

from __future__ import annotations

import mmap
from contextlib import suppress

# Below it there is no huge page to fill.
_HUGE_PAGE_BYTES = 2 << 20
_ADVICE = getattr(mmap, "MADV_HUGEPAGE", None)


def room(size_bytes: int) -> bytearray | mmap.mmap:
    """Return writable memory of so many bytes, all zero."""
    if size_bytes < _HUGE_PAGE_BYTES or _ADVICE is None:
        return bytearray(size_bytes)
    found = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):
        # A system without huge pages: ordinary ones do.
        found.madvise(_ADVICE)
    return found
