"""What was opened lately: units and metadata in clear, in memory alone, so that they are not opened for each search.

What is kept never changes: a unit by its id, metadata by its cube's version. Whether it may be shown is asked of the
store each time. It is dropped when anything of its vault is forgotten, when others need the room, and after a while.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

# Seconds that something is kept: what another process forgets is not held for longer.
_LIFE_S = 600.0
# What an entry takes beside its content.
_OVERHEAD_BYTES = 512
# Things that stay for one more round, at most, each time that room is made.
_MOST_STAYING = 1024

_Key = tuple[str, "Hashable"]


class _Entry:
    __slots__ = ("size", "thing", "time", "used")

    def __init__(self, thing: Any, size: int, time: float) -> None:
        self.thing = thing
        self.size = size
        self.time = time
        self.used = False


class OpenedCache:
    """Keeps what is used, up to a number of bytes. Safe to use from several threads.

    What came first goes first, but stays for one more round if it was used since the last one: to note that takes a
    search, which uses hundreds of things, a third of the time that putting each in its place by last use would.
    """

    def __init__(self, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep up to `max_bytes`; 0: nothing."""
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        # Counts what was forgotten, by vault: what was opened before must not come in after.
        self._forgotten: dict[str, int] = {}

    def state(self, vault_uid: str) -> int:
        """Return how often something of the vault was forgotten: ask before opening, and give it to `put`."""
        return self._forgotten.get(vault_uid, 0)

    def get(self, vault_uid: str, keys: Iterable[Hashable]) -> dict[Hashable, Any]:
        """Return what is kept of these things, by key."""
        found: dict[Hashable, Any] = {}
        oldest = self._clock() - _LIFE_S
        with self._lock:
            kept = self._kept
            for key in keys:
                entry = kept.get((vault_uid, key))
                if entry is None:
                    continue
                if entry.time < oldest:
                    self._remove((vault_uid, key))
                    continue
                entry.used = True
                found[key] = entry.thing
        return found

    def put(self, vault_uid: str, things: Mapping[Hashable, tuple[Any, int]], *, state: int) -> None:
        """Keep things with their sizes, unless something of the vault was forgotten since `state` was asked for."""
        now = self._clock()
        with self._lock:
            if self._max_bytes <= 0 or self._forgotten.get(vault_uid, 0) != state:
                return
            kept = self._kept
            for key, (thing, size) in things.items():
                whole = vault_uid, key
                if whole in kept:
                    self._remove(whole)
                kept[whole] = _Entry(thing, size + _OVERHEAD_BYTES, now)
                self._bytes += size + _OVERHEAD_BYTES
            self._make_room()

    def forget(self, vault_uid: str) -> None:
        """Drop everything of a vault."""
        with self._lock:
            self._forgotten[vault_uid] = self._forgotten.get(vault_uid, 0) + 1
            for key in [key for key in self._kept if key[0] == vault_uid]:
                self._remove(key)

    def _make_room(self) -> None:
        kept, staying = self._kept, _MOST_STAYING
        while self._bytes > self._max_bytes:
            first = next(iter(kept))
            entry = kept[first]
            if entry.used and staying:
                entry.used = False
                kept.move_to_end(first)
                staying -= 1
            else:
                self._remove(first)

    def _remove(self, key: _Key) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
