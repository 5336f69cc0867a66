"""The embedded index: a folder a vault below one root; the vaults used last are open."""

from __future__ import annotations

import resource
import shutil
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from memporium_platform.storage.index.embedded_vault import GRAPH_FROM, EmbeddedVaultIndex
from memporium_platform.storage.index.keys import check_key

if TYPE_CHECKING:
    from pathlib import Path

# Vaults open at once; an open one takes two file descriptors and some 50 bytes of memory a unit.
MAX_OPEN = 1000
MAX_BYTES = 4 << 30
_DESCRIPTORS_EACH = 4


class EmbeddedIndexStore:
    """The IndexStore port on local files."""

    def __init__(
        self,
        root: Path,
        *,
        max_open: int = MAX_OPEN,
        max_bytes: int = MAX_BYTES,
        graph_from: int = GRAPH_FROM,
    ) -> None:
        """Keep the root.

        Args:
            root: Holds a folder for each vault.
            max_open: Vaults open at once; fewer where the process may not open as many files.
            max_bytes: Memory of open vaults together; beyond, those used least are closed. The one in use never is.
            graph_from: Vectors from which on a vault keeps an approximate graph.
        """
        self._root = root
        self._graph_from = graph_from
        self._max_bytes = max_bytes
        self._max_open = max(1, min(max_open, _descriptors(max_open * _DESCRIPTORS_EACH) // _DESCRIPTORS_EACH))
        self._lock = threading.Lock()
        # A handle that someone holds, or that is open, stays the only one of its vault: the lock is in it.
        self._handles: WeakValueDictionary[str, EmbeddedVaultIndex] = WeakValueDictionary()
        self._recent: OrderedDict[int, EmbeddedVaultIndex] = OrderedDict()

    def open(self, key: str, *, dimensions: int) -> EmbeddedVaultIndex:
        """Return the vault's index, made where there is none; one of another dimension starts anew."""
        folder = self._folder(key)
        with self._lock:
            handle = self._handles.get(key)
            if handle is not None and handle.dimensions == dimensions:
                return handle
            if handle is not None:
                self._recent.pop(id(handle), None)
            fresh = EmbeddedVaultIndex(folder, dimensions=dimensions, graph_from=self._graph_from, touch=self._touched)
            self._handles[key] = fresh
        if handle is not None:
            handle.destroy()
        return fresh

    def destroy(self, key: str) -> None:
        """Remove every trace of the vault's index."""
        folder = self._folder(key)
        with self._lock:
            handle = self._handles.pop(key, None)
            if handle is not None:
                self._recent.pop(id(handle), None)
        if handle is not None:
            handle.destroy()
        else:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            handles = list(self._recent.values())
            self._recent.clear()
        for handle in handles:
            handle.close()

    def _folder(self, key: str) -> Path:
        return self._root / check_key(key)

    def _touched(self, handle: EmbeddedVaultIndex) -> None:
        """Note a use; close the least used beyond the limit. What is open is always among the recent ones."""
        with self._lock:
            self._recent[id(handle)] = handle
            self._recent.move_to_end(id(handle))
            surplus = [self._recent.popitem(last=False)[1] for _ in range(len(self._recent) - self._max_open)]
            kept = sum(one.memory_bytes for one in self._recent.values()) if handle.grew else 0
            while kept > self._max_bytes and len(self._recent) > 1:
                oldest = self._recent.popitem(last=False)[1]
                surplus.append(oldest)
                kept -= oldest.memory_bytes
        # Outside of the store's lock, and without waiting, for the caller holds its handle's lock.
        for oldest in surplus:
            if not oldest.close_if_idle():
                with self._lock:
                    self._recent[id(oldest)] = oldest


def _descriptors(wanted: int) -> int:
    """Raise the process's limit of open files if that is allowed; return how many of them the index may use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 2 * wanted:
        best = 2 * wanted if hard == resource.RLIM_INFINITY else min(2 * wanted, hard)
        if best > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
            soft = best
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, soft // 2)
