"""Memory for tensors that are about to be written whole, used again when nothing looks at what lay there before.

Fresh memory costs a fault for each page and the system's clearing of it: 3 ms for 47 MB in huge pages, 25 in small
ones, beside 5 for decrypting what is written there, and much more where a virtual machine has to ask its host for it.
So what is no longer needed is kept for the next tensors, within limits.

What is lent is a view of one object, which every tensor and view over it keeps alive: when that goes, nothing can look
at the memory any more, and only then it is lent again. Whoever takes a buffer writes all of it before anybody else sees
it; what lay behind its end is cleared. Each organisation gets back its own alone: how long a load takes must not tell
it what others have let go of.
"""

from __future__ import annotations

import mmap
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from memporium_services.inference.ports import Blob

# Below it there is no huge page to fill, and ordinary memory is as good.
_HUGE_PAGE_BYTES = 2 << 20
_ADVICE = getattr(mmap, "MADV_HUGEPAGE", None)
# Sizes of buffers are rounded up to so many in each doubling, so that what is of about the same size fits.
_SIZES_A_DOUBLING = 8
_MOST = 16
# What is spare for longer goes back to the system.
_IDLE_S = 60.0


@dataclass(slots=True, eq=False)
class _Buffer:
    """A mapping of an owner's; behind `used` it is all zero. `since` when it is spare."""

    mapping: mmap.mmap
    owner: str
    used: int = 0
    since: float = 0.0


class Buffers:
    """Lends buffers, and keeps those that come back."""

    def __init__(
        self, most_bytes: int = 0, *, most: int = _MOST, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep at most so many spare bytes in so many spare buffers; 0: none, all memory is fresh."""
        self._most_bytes, self._most, self._seconds = most_bytes, most, seconds
        self._spare: list[_Buffer] = []
        self._lent: list[weakref.finalize[..., Any]] = []
        # A buffer may come back at any time in any thread, also in one that holds the lock.
        self._lock = threading.RLock()

    @property
    def spare_bytes(self) -> int:
        """Bytes that wait to be lent again."""
        return sum(len(one.mapping) for one in tuple(self._spare))

    def take(self, size_bytes: int, owner: str = "") -> Blob:
        """Return writable memory of so many bytes, to be written whole: what it holds before is not defined.

        Args:
            size_bytes: As long as this.
            owner: The organisation that it is for: what others let go of is not lent to it.
        """
        if size_bytes < _HUGE_PAGE_BYTES or _ADVICE is None:
            return bytearray(size_bytes)
        wanted = _rounded(size_bytes)
        buffer = self._found(wanted, owner) or _Buffer(_mapped(wanted), owner)
        if buffer.used > size_bytes:
            with memoryview(buffer.mapping) as view:
                view[size_bytes : buffer.used] = bytes(buffer.used - size_bytes)
        buffer.used = size_bytes
        # Tensors and views refer to this array, or to views of it, never to the mapping: it goes last.
        lent = np.frombuffer(buffer.mapping, dtype=np.uint8, count=size_bytes)
        if self._most_bytes:
            back = weakref.finalize(lent, self._back, buffer)
            back.atexit = False
            with self._lock:
                self._lent.append(back)
        return lent.data

    def forget(self, *, but: Iterable[Blob] = ()) -> None:
        """Lend nothing again that may hold what is to be forgotten.

        What is spare goes back to the system at once, what is lent as soon as nobody looks at it any more, but for the
        blobs `but`: those come back as others do.
        """
        kept = {id(one.obj) for one in but if isinstance(one, memoryview)}
        with self._lock:
            self._spare.clear()
            for back in tuple(self._lent):
                found = back.peek()
                if found is None or id(found[0]) not in kept:
                    back.detach()
            self._lent = [back for back in self._lent if back.alive]

    def give_back_idle(self) -> None:
        """Give back to the system what has been spare for long."""
        oldest = self._seconds() - _IDLE_S
        with self._lock:
            while self._spare and self._spare[0].since < oldest:
                self._spare.pop(0)

    def _found(self, size_bytes: int, owner: str) -> _Buffer | None:
        with self._lock:
            # Those that came back last lie nearest to the processor.
            for one in reversed(tuple(self._spare)):
                if one.owner == owner and len(one.mapping) == size_bytes and one in self._spare:
                    self._spare.remove(one)
                    return one
        return None

    def _back(self, buffer: _Buffer) -> None:
        buffer.since = self._seconds()
        with self._lock:
            self._lent = [back for back in self._lent if back.alive]
            self._spare.append(buffer)
            while len(self._spare) > self._most or self.spare_bytes > self._most_bytes:
                # The owner's oldest, if need be this one: nobody's goes for what another lets go of.
                self._spare.remove(next(one for one in self._spare if one.owner == buffer.owner))


def _rounded(size_bytes: int) -> int:
    """Return the size of the buffer for so many bytes: whole huge pages, which the system then aligns, too."""
    step = max(_HUGE_PAGE_BYTES, (1 << (size_bytes - 1).bit_length()) // 2 // _SIZES_A_DOUBLING)
    return -(-size_bytes // step) * step


def _mapped(size_bytes: int) -> mmap.mmap:
    found = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):
        # A system without huge pages: ordinary ones do.
        found.madvise(_ADVICE or 0)
    return found
