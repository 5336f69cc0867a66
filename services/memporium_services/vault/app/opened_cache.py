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

_Key = tuple[str, "Hashable"]


class OpenedCache:
    """Keeps the things used last, up to a number of bytes. Safe to use from several threads."""

    def __init__(self, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep up to `max_bytes`; 0: nothing."""
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[_Key, tuple[Any, int, float]] = OrderedDict()
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
                whole = vault_uid, key
                entry = kept.get(whole)
                if entry is None:
                    continue
                if entry[2] < oldest:
                    self._remove(whole)
                    continue
                kept.move_to_end(whole)
                found[key] = entry[0]
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
                kept[whole] = thing, size + _OVERHEAD_BYTES, now
                self._bytes += size + _OVERHEAD_BYTES
            while self._bytes > self._max_bytes:
                self._remove(next(iter(self._kept)))

    def forget(self, vault_uid: str) -> None:
        """Drop everything of a vault."""
        with self._lock:
            self._forgotten[vault_uid] = self._forgotten.get(vault_uid, 0) + 1
            for key in [key for key in self._kept if key[0] == vault_uid]:
                self._remove(key)

    def _remove(self, key: _Key) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1]
