"""One vault's index while it is open: the inverted lists, the vectors and the graph, kept in step.

The SQLite file decides: a change counts once it is committed there, together with the revision. Vectors are written
to free rows before that and removed rows are zeroed after it, so a crash leaves at worst rows that nothing names;
opening after a crash zeroes those. After a crash of the machine the files may disagree, so the index starts anew.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from memporium_platform.storage.index.bm25 import bm25, statistics, summed
from memporium_platform.storage.index.columns import Columns
from memporium_platform.storage.index.columns_file import MIN_UNITS, load_directory, save_directory
from memporium_platform.storage.index.impacts import ImpactCache
from memporium_platform.storage.index.neighbours import CANDIDATES, Neighbours
from memporium_platform.storage.index.postings import FORMAT, Leg, Postings, term_number, unit_row
from memporium_platform.storage.index.ranking import no_hits, top_k
from memporium_platform.storage.index.slab import VectorSlab

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_platform.storage.index.approximate import ApproximateIndex
    from memporium_platform.storage.index.bm25 import List
    from memporium_platform.storage.index.postings import Directory
    from memporium_platform.storage.index.vault_index import Hits, IndexEntry, TermStatistics

_LOG = structlog.get_logger(__name__)

LEGS = {"own": Leg.OWN, "context": Leg.CONTEXT}

# Up to this many rows are compared one by one (about 1 ms of one core at 384 dimensions); beyond it the graph helps.
_EXACT_ROWS = 20_000
# What an open index takes at least: its connection with some pages.
_OPEN_BYTES = 1 << 18
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# What a full disk makes of keeping files; the graph's library raises RuntimeError.
_NOT_KEPT = (OSError, RuntimeError, sqlite3.DatabaseError)


class DamagedIndexError(Exception):
    """The files cannot be used; the index must be built anew."""


class OpenedIndex:
    """The open files and what is held of them in memory; not safe for concurrent use."""

    def __init__(self, folder: Path, *, dimensions: int) -> None:
        """Open what is in the folder, or make it.

        Raises:
            DamagedIndexError: It is of another format or dimension, or the machine crashed while it was in use.
            sqlite3.DatabaseError: The file is damaged, or another process holds it.
        """
        self._dimensions = dimensions
        self._columns_path = folder / "columns.npz"
        # Of half floats, as it was kept before.
        (folder / "graph.usearch").unlink(missing_ok=True)
        self._postings = Postings(folder / "terms.sqlite")
        try:
            meta = self._postings.meta()
            dirty = _check(meta, dimensions)
            self.revision = int(meta.get("revision", 0))
            self._sequence = int(meta.get("sequence", 0))
            self._columns = Columns(self._directory(clean=not dirty))
            self._slab = VectorSlab(folder / "vectors.f32", dimensions=dimensions)
            _check_rows(self._slab, self._columns)
        except BaseException:
            self._postings.close()
            raise
        self._marked = False
        self._impacts = ImpactCache(self._postings, self._columns)
        if dirty:
            self._clear_unnamed()
        self._last_allowed: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        self.neighbours = Neighbours(
            folder / "neighbours.usearch",
            self._slab,
            dimensions=dimensions,
            saved=int(meta.get("graph_sequence", -1)),
        )
        if self.neighbours.kept:
            newer = self._postings.vectors_after(self.neighbours.saved)
            self.neighbours.load(self._columns, newer, sequence=self._sequence)

    @property
    def memory_bytes(self) -> int:
        """About how much memory it takes; vectors are pages of a file, which the system takes back where it must."""
        return self._columns.memory_bytes + self.neighbours.memory_bytes + self._impacts.memory_bytes + _OPEN_BYTES

    @property
    def vector_slots(self) -> NDArray[np.int64]:
        """The slots that have a vector."""
        return np.flatnonzero(self._columns.has_vector)

    @property
    def vector_count(self) -> int:
        """How many units have a vector."""
        return self._columns.vectors

    def vectors(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a copy of the vectors at slots."""
        return np.asarray(self._slab.rows[slots])

    def apply(self, *, upserts: Sequence[IndexEntry], deletes: Sequence[int], revision: int) -> None:
        """Take in changes."""
        if not self._marked:
            self._columns_path.unlink(missing_ok=True)
            self._postings.set_meta(format=FORMAT, dimensions=self._dimensions, open_boot=_boot_id())
            self._marked = True
        entries = {entry.unit_id: entry for entry in upserts}
        known = self._columns.positions(np.array([*entries, *deletes], dtype=np.int64))
        remove = np.unique(known[known >= 0]).tolist()
        slots = self._columns.free_slots(len(entries))
        add = [unit_row(slot, entry) for slot, entry in zip(slots, entries.values(), strict=True)]
        self._slab.reserve(max((slot + 1 for slot in slots), default=0))
        with_vector: list[int] = []
        for slot, entry in zip(slots, entries.values(), strict=True):
            if entry.vector is not None:
                self._slab.rows[slot] = entry.vector
                with_vector.append(slot)
        self._impacts.clear()
        self._sequence += 1
        self.revision = max(self.revision, revision)
        self._postings.change(remove=remove, add=add, sequence=self._sequence, revision=self.revision)
        self._columns.change(remove=remove, add=add)
        self._last_allowed = None
        self._slab.clear(np.array(remove, dtype=np.int64))
        self.neighbours.follow(removed=remove, added=with_vector, sequence=self._sequence)

    def fold(self, count: int) -> None:
        """Put up to `count` of the vectors that wait into the graph."""
        self.neighbours.fold(count, sequence=self._sequence)

    def dense(self, query: NDArray[np.float32], *, k: int, allowed: NDArray[np.int64] | None) -> Hits:
        """Return the nearest units."""
        has_vector = self._columns.has_vector
        slots: NDArray[np.int64] | None = None
        count = self.vector_count
        if allowed is not None:
            slots = self._allowed_slots(allowed)
            slots = slots[has_vector[slots]]
            count = len(slots)
        if self.neighbours.graph is not None and count > _EXACT_ROWS and k * CANDIDATES * 8 < count:
            near = self.neighbours.near(query, k=k, slots=slots, columns=self._columns, most=_EXACT_ROWS)
            if len(near) >= k:
                return top_k(self._columns.ids[near], self._scores(query, near), k)
        if slots is None:
            slots = np.flatnonzero(has_vector)
        return top_k(self._columns.ids[slots], self._scores(query, slots), k) if len(slots) else no_hits()

    def terms(
        self,
        terms: Mapping[str, int],
        *,
        leg: str,
        k: int,
        allowed: NDArray[np.int64] | None,
        beside: TermStatistics | None = None,
    ) -> Hits:
        """Return the best units by BM25."""
        which = LEGS[leg]
        if allowed is None and beside is None:
            slots, scores = summed(self._impacts.of(which, terms), self._columns.used)
            return top_k(self._columns.ids[slots], scores, k)
        slots, scores = bm25(
            self._lists(terms, which),
            lengths=self._columns.lengths(which),
            sizes=self._columns.sizes(which),
            allowed=None if allowed is None else self._allowed_slots(allowed),
            beside=beside,
        )
        return top_k(self._columns.ids[slots], scores, k)

    def statistics(self, terms: Mapping[str, int], *, leg: str, allowed: NDArray[np.int64] | None) -> TermStatistics:
        """Return what BM25 computes with."""
        which = LEGS[leg]
        return statistics(
            self._lists(terms, which),
            lengths=self._columns.lengths(which),
            sizes=self._columns.sizes(which),
            allowed=None if allowed is None else self._allowed_slots(allowed),
        )

    def _lists(self, terms: Mapping[str, int], which: Leg) -> list[List]:
        return [(*self._postings.lists(which, term_number(term)), weight) for term, weight in terms.items()]

    def score(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine of each id; NaN where there is no vector."""
        slots = self._columns.positions(ids)
        found = np.flatnonzero(slots >= 0)
        found = found[self._columns.has_vector[slots[found]]]
        scores = np.full(len(ids), np.nan, np.float32)
        if len(found):
            scores[found] = self._scores(query, slots[found])
        return scores

    def use_graph(self, graph: ApproximateIndex) -> None:
        """Take a graph that was built aside into use, brought up to date, and keep it on the disk."""
        self.neighbours.use(graph, self._columns, sequence=self._sequence)
        try:
            self._keep_graph()
        except _NOT_KEPT as error:
            _LOG.warning("index.graph_not_kept", cause=str(error))

    def close(self) -> None:
        """Leave files that open again without any repair; on a full disk, ones that are repaired when they open."""
        try:
            if self.neighbours.graph is not None and self.neighbours.saved != self._sequence:
                self._keep_graph()
            if self._columns.used >= MIN_UNITS and not self._columns_path.exists():
                save_directory(self._columns_path, self._columns.directory(), sequence=self._sequence)
            if self._marked:
                self._slab.flush()
                self._postings.set_meta(open_boot="")
        except _NOT_KEPT as error:
            _LOG.warning("index.not_kept", cause=str(error))
        finally:
            self._postings.close()

    def abandon(self) -> None:
        """Close the files as they are, after a change that failed: what is in memory may not be what is in them."""
        self._postings.close()

    def _keep_graph(self) -> None:
        self.neighbours.save()
        self._postings.set_meta(graph_sequence=self.neighbours.saved)

    def _directory(self, *, clean: bool) -> Directory:
        """Return what the index holds; from the file of an index that was closed and not changed since."""
        kept = load_directory(self._columns_path, sequence=self._sequence) if clean else None
        return kept or self._postings.directory()

    def _allowed_slots(self, allowed: NDArray[np.int64]) -> NDArray[np.int64]:
        # One search asks several legs with the same array.
        if self._last_allowed is None or self._last_allowed[0] is not allowed:
            slots = self._columns.positions(allowed)
            self._last_allowed = allowed, slots[slots >= 0]
        return self._last_allowed[1]

    def _scores(self, query: NDArray[np.float32], slots: NDArray[np.int64]) -> NDArray[np.float32]:
        used = self._columns.used
        # One pass over the file beats gathering where most rows are wanted. The slots are in any order: of ids, say.
        if len(slots) * 3 > used:
            return np.asarray((self._slab.rows[:used] @ query)[slots])
        return np.asarray(np.take(self._slab.rows, slots, axis=0) @ query)

    def _clear_unnamed(self) -> None:
        rows = self._slab.rows
        unnamed = np.ones(len(rows), np.bool_)
        unnamed[self.vector_slots] = False
        left = np.flatnonzero(unnamed)
        # Only rows that hold something are written: the rest of the file may be a hole.
        self._slab.clear(left[rows[left].any(axis=1)])


def _check(meta: Mapping[str, str], dimensions: int) -> bool:
    """Return whether the process before this one ended without closing the index."""
    if not meta:
        return False
    if meta.get("format") != str(FORMAT) or meta.get("dimensions") != str(dimensions):
        raise DamagedIndexError("another format or dimension")
    boot = meta.get("open_boot", "")
    if boot and boot != _boot_id():
        raise DamagedIndexError("the machine stopped while the index was in use")
    return bool(boot)


def _check_rows(slab: VectorSlab, columns: Columns) -> None:
    if len(slab.rows) < columns.used:
        raise DamagedIndexError("vectors are missing")


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # Not Linux: every end without closing counts as one of the machine.
        return f"unknown-{id(object())}"
