"""The neighbour graph of an open index: which slots are in it, which wait for it, and how much is on the disk."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.storage.index.approximate import ApproximateIndex
from memporium_platform.storage.index.ranking import sorted_distinct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from memporium_platform.storage.index.columns import Columns
    from memporium_platform.storage.index.slab import VectorSlab

# So many new vectors may wait for their place in the graph, compared one by one meanwhile: 2 ms. To link one takes
# 0.2 ms alone, and many times that beside busy threads: too long for whoever writes.
LATE_MAX = 4096
# Candidates of the graph for each hit wanted; the slab then ranks them exactly. The graph is searched as broadly as it
# is asked for candidates, and where many are wanted that is broad enough with half as many for each: of 23,576
# sentences the 256 nearest are among 512 candidates at .997 and among 1,024 at .9995, in two fifths of the time.
CANDIDATES = 4
_CANDIDATES_OF_MANY = 2
_LEAST_CANDIDATES, _FEW_CANDIDATES = 64, 400


class Neighbours:
    """Follows the changes of one index; not safe for concurrent use.

    Attributes:
        graph: None: none is in use.
        missed: Slots that changed while a graph is being built; None: none is.
        saved: The last sequence of which all slots are in the graph on the disk.
    """

    def __init__(self, path: Path, slab: VectorSlab, *, dimensions: int, saved: int) -> None:
        """Begin without a graph.

        Args:
            path: Where it is kept.
            slab: The vectors.
            dimensions: Length of the vectors.
            saved: As the notes on the index say it; -1: nothing is.
        """
        self._path, self._slab, self._dimensions = path, slab, dimensions
        self.graph: ApproximateIndex | None = None
        self.missed: set[int] | None = None
        self.saved = saved
        # Slots that have yet to be put into the graph, and the last sequence of which all slots are in it.
        self._late: dict[int, None] = {}
        self._whole = -1

    @property
    def kept(self) -> bool:
        """Whether there is a graph on the disk."""
        return self._path.exists()

    @property
    def memory_bytes(self) -> int:
        """About how much memory it takes."""
        return self.graph.memory_bytes if self.graph is not None else 0

    @property
    def late_count(self) -> int:
        """How many vectors wait for their place in the graph."""
        return len(self._late)

    def load(self, columns: Columns, newer: NDArray[np.int64], *, sequence: int) -> None:
        """Take the kept graph into use, where it is worth it.

        Args:
            columns: What the index holds.
            newer: Slots with vectors that came after the graph was kept.
            sequence: Of the index.
        """
        graph = ApproximateIndex.load(self._path, dimensions=self._dimensions)
        live = np.flatnonzero(columns.has_vector)
        if graph is None or len(newer) > len(live) // 5:
            self._path.unlink(missing_ok=True)
            return
        there = graph.slots
        has = np.zeros(max(columns.used, int(there.max(initial=-1)) + 1), np.bool_)
        has[there] = True
        has[live] = False
        graph.remove(np.flatnonzero(has))
        has[:] = True
        has[there] = False
        behind = np.union1d(newer, live[has[live]])
        self.graph = graph
        # To link them here would keep whoever searches first waiting for minutes.
        self._late = dict.fromkeys(behind.tolist())
        self._whole = self.saved if self._late else sequence

    def use(self, graph: ApproximateIndex, columns: Columns, *, sequence: int) -> None:
        """Take a graph that was built aside into use, brought up to date."""
        missed = np.array(sorted(self.missed or ()), dtype=np.int64)
        self.missed = None
        live = missed[columns.has_vector[missed]]
        graph.remove(missed)
        graph.add(live, np.asarray(self._slab.rows[live]))
        self.graph = graph
        self._late, self._whole = {}, sequence

    def follow(self, *, removed: Sequence[int], added: Sequence[int], sequence: int) -> None:
        """Follow a change of slots with vectors, whose sequence is that of the index now."""
        if self.missed is not None:
            self.missed.update(removed, added)
        if removed:
            # The saved graph holds what was removed.
            self._path.unlink(missing_ok=True)
        if self.graph is not None:
            self.graph.remove(np.array(removed, dtype=np.int64))
            for slot in removed:
                self._late.pop(slot, None)
            self._late.update(dict.fromkeys(added))
            # After opening more may wait; they are worked off, not all by the first who writes.
            self.fold(min(max(0, len(self._late) - LATE_MAX), 2 * len(added)), sequence=sequence)

    def fold(self, count: int, *, sequence: int) -> None:
        """Put up to `count` of the vectors that wait into the graph."""
        if self.graph is None:
            return
        slots = np.fromiter(islice(self._late, count), np.int64)
        self.graph.add(slots, np.asarray(self._slab.rows[slots]))
        for slot in slots.tolist():
            del self._late[slot]
        if not self._late:
            self._whole = sequence

    def near(
        self, query: NDArray[np.float32], *, k: int, slots: NDArray[np.int64] | None, columns: Columns, most: int
    ) -> NDArray[np.int64]:
        """Return slots near the query, some `k` and more and no more than about `most`, among `slots`.

        Args:
            query: (d,) vector.
            k: How many are wanted.
            slots: Those that may be found; None: all that have a vector.
            columns: What the index holds.
            most: Bound of what the graph is asked for.
        """
        if self.graph is None:
            return np.empty(0, np.int64)
        wanted = breadth(k)
        late = np.fromiter(self._late, np.int64, len(self._late))
        if slots is None:
            near = self.graph.candidates(query, wanted)
            return sorted_distinct(np.concatenate([near[columns.has_vector[near]], late]))
        # The rarer the allowed ones, the more candidates it takes to meet enough of them.
        near = self.graph.candidates(query, min(2 * wanted * columns.vectors // len(slots), most))
        may = np.zeros(columns.used, np.bool_)
        may[slots] = True
        return sorted_distinct(np.concatenate([near[may[near]], late[may[late]]]))

    def save(self) -> None:
        """Keep the graph on the disk; the notes on the index must say `saved` afterwards."""
        if self.graph is not None:
            self.graph.save(self._path)
            self.saved = self._whole


def breadth(k: int) -> int:
    """Return how many candidates the graph is asked for where `k` hits are wanted."""
    return max(min(CANDIDATES * k, _FEW_CANDIDATES), _CANDIDATES_OF_MANY * k, _LEAST_CANDIDATES)
