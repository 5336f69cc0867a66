"""A vault's index that several threads use: one lock, opened when needed, its graph built in the background."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import structlog

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.full_disk import disk_full, full_disk
from memporium_platform.storage.index.approximate import ApproximateIndex
from memporium_platform.storage.index.opened import LEGS, DamagedIndexError, OpenedIndex
from memporium_platform.storage.index.ranking import no_hits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from memporium_platform.storage.index.vault_index import Hits, IndexEntry, TermStatistics

T = TypeVar("T")

# Vectors from which on a graph is kept. Below, comparing with all of them takes under 3 ms and is exact.
GRAPH_FROM = 50_000
# Fewer new vectors are compared one by one for good; from here on they are put into the graph, some at a time.
_FOLD_FROM, _FOLD_CHUNK, _FOLD_PAUSE_S = 256, 2, 0.001
_BUILD_CHUNK = 512
_NOT_OPENED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}
_LOG = structlog.get_logger(__name__)


class EmbeddedVaultIndex:
    """The VaultIndex port on local files."""

    def __init__(
        self, folder: Path, *, dimensions: int, graph_from: int, touch: Callable[[EmbeddedVaultIndex], None]
    ) -> None:
        """Keep where the files are.

        Args:
            folder: Of this vault alone.
            dimensions: Length of its vectors.
            graph_from: Vectors from which on a graph is kept.
            touch: Told of each use, while the lock is held, so that the least used can be closed.
        """
        self._folder = folder
        self.dimensions = dimensions
        self._graph_from = graph_from
        self._touch = touch
        self._lock = threading.RLock()
        self._opened: OpenedIndex | None = None
        self._destroyed = False
        self._builder: threading.Thread | None = None
        self._folding: threading.Thread | None = None
        # As of its last use.
        self.memory_bytes = 0
        # Whether it took more than at the use before.
        self.grew = False

    @property
    def revision(self) -> int:
        """The vault revision that the index has reached; 0 where it is new."""
        return self._use(lambda opened: opened.revision)

    def apply(self, *, upserts: Sequence[IndexEntry], deletes: Sequence[int], revision: int) -> None:
        """Take in changes; searchable when it returns, and idempotent."""
        for entry in upserts:
            if entry.vector is not None:
                self._check(entry.vector)
        self._use(lambda opened: opened.apply(upserts=upserts, deletes=deletes, revision=revision))

    def search_dense(self, query: NDArray[np.float32], *, k: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """Return the `k` nearest units by cosine among `allowed` (sorted ids; None: all)."""
        vector = self._check(query)
        return self._use(lambda opened: opened.dense(vector, k=k, allowed=allowed)) if k > 0 else no_hits()

    def search_terms(
        self,
        terms: Sequence[str],
        *,
        leg: str,
        k: int,
        allowed: NDArray[np.int64] | None = None,
        beside: TermStatistics | None = None,
    ) -> Hits:
        """Return the `k` best units by BM25 for any of `terms`; `leg` is `own` or `context`."""
        counted = _counted(terms, leg)
        return self._use(lambda opened: opened.terms(counted, leg=leg, k=k, allowed=allowed, beside=beside))

    def term_statistics(
        self, terms: Sequence[str], *, leg: str, allowed: NDArray[np.int64] | None = None
    ) -> TermStatistics:
        """Return what BM25 makes of the `allowed` units, for different `terms`."""
        counted = _counted(terms, leg)
        return self._use(lambda opened: opened.statistics(counted, leg=leg, allowed=allowed))

    def score_dense(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine of each of `ids`, NaN for those without a vector."""
        vector = self._check(query)
        return self._use(lambda opened: opened.score(vector, np.asarray(ids, dtype=np.int64)))

    def wait_for_graph(self, timeout_s: float) -> bool:
        """Wait until no graph is being built; return whether one is in use."""
        builder = self._builder
        if builder is not None:
            builder.join(timeout_s)
        with self._lock:
            return self._opened is not None and self._opened.neighbours.graph is not None

    def close(self) -> None:
        """Close the files; the next use opens them again."""
        with self._lock:
            opened, self._opened, self.memory_bytes = self._opened, None, 0
            if opened is not None:
                opened.close()

    def close_if_idle(self) -> bool:
        """Close the files unless a thread is using them; return whether they are closed. Never waits."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self.close()
        finally:
            self._lock.release()
        return True

    def destroy(self) -> None:
        """Remove the files; the handle is of no use afterwards."""
        with self._lock:
            self._destroyed = True
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _use(self, fn: Callable[[OpenedIndex], T]) -> T:
        with self._lock:
            opened = self._opened = self._opened or self._open()
            before, self.memory_bytes = self.memory_bytes, opened.memory_bytes
            self.grew = self.memory_bytes > before
            self._touch(self)
            try:
                result = fn(opened)
            except (sqlite3.DatabaseError, OSError) as error:
                raise self._failed(error) from error
            self._build_if_large(opened)
            self._fold_if_late(opened)
            return result

    def _open(self) -> OpenedIndex:
        if self._destroyed:
            raise PlatformError(Reason.UNAVAILABLE, "the index was removed", retry_after_s=0.1)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return OpenedIndex(self._folder, dimensions=self.dimensions)
        except (DamagedIndexError, sqlite3.DatabaseError, OSError) as error:
            if _held(error):
                message = "another process holds the index"
                raise PlatformError(Reason.UNAVAILABLE, message, retry_after_s=1.0) from error
            if _whole(error):
                raise _unavailable(error) from error
            _LOG.warning("index.starts_anew", index=self._folder.name, cause=str(error))
        shutil.rmtree(self._folder)
        self._folder.mkdir(mode=0o700)
        return OpenedIndex(self._folder, dimensions=self.dimensions)

    def _failed(self, error: sqlite3.DatabaseError | OSError) -> PlatformError:
        """Close a failed index; one whose file is damaged starts anew with its next use, at revision 0."""
        _LOG.error("index.failed", index=self._folder.name, cause=str(error))
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.abandon()
        if not isinstance(error, (sqlite3.OperationalError, OSError)):
            shutil.rmtree(self._folder, ignore_errors=True)
        return _unavailable(error)

    def _check(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        given = np.ascontiguousarray(vector, dtype=np.float32)
        if given.shape != (self.dimensions,) or not np.isfinite(given).all():
            message = f"a vector must have {self.dimensions} finite numbers"
            raise ValueError(message)
        return given

    def _build_if_large(self, opened: OpenedIndex) -> None:
        neighbours = opened.neighbours
        if neighbours.graph is not None or neighbours.missed is not None or opened.vector_count < self._graph_from:
            return
        neighbours.missed = set()
        slots = opened.vector_slots
        self._builder = threading.Thread(target=self._build, args=(opened, slots), name="index-graph", daemon=True)
        self._builder.start()

    def _fold_if_late(self, opened: OpenedIndex) -> None:
        if opened.neighbours.late_count < _FOLD_FROM or (self._folding is not None and self._folding.is_alive()):
            return
        # Not a daemon: the interpreter may not end within the graph's code.
        self._folding = threading.Thread(target=self._fold, args=(opened,), name="index-fold")
        self._folding.start()

    def _fold(self, opened: OpenedIndex) -> None:
        """Put the new vectors of an open index into its graph, a few at a time: searches go between."""
        while True:
            with self._lock:
                if self._opened is not opened or not opened.neighbours.late_count:
                    return
                opened.fold(_FOLD_CHUNK)
            # The lock is not fair: without a pause nobody else would get it.
            time.sleep(_FOLD_PAUSE_S)

    def _build(self, opened: OpenedIndex, slots: NDArray[np.int64]) -> None:
        """Build the graph of an open index aside; searches stay exact meanwhile."""
        graph = ApproximateIndex(dimensions=self.dimensions)
        for start in range(0, len(slots), _BUILD_CHUNK):
            chunk = slots[start : start + _BUILD_CHUNK]
            with self._lock:
                if self._opened is not opened:
                    return
                vectors = opened.vectors(chunk)
            graph.add(chunk, vectors)
        with self._lock:
            if self._opened is opened:
                opened.use_graph(graph)
                _LOG.info("index.graph_built", index=self._folder.name, vectors=len(slots))


def _counted(terms: Sequence[str], leg: str) -> Counter[str]:
    if leg not in LEGS:
        message = f"leg must be one of {', '.join(LEGS)}"
        raise ValueError(message)
    return Counter(terms)


def _held(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return (code & 0xFF) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _whole(error: Exception) -> bool:
    """Tell whether the files could not be opened for want of room or rights: what is in them is in order."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return disk_full(error) or isinstance(error, OSError) or code in _NOT_OPENED


def _unavailable(error: Exception) -> PlatformError:
    if disk_full(error):
        return full_disk()
    return PlatformError(Reason.UNAVAILABLE, "the index is not available", retry_after_s=1.0)
