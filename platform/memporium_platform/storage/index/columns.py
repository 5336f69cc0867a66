"""What is known of a vault's units by slot, in memory: ids, lengths, which have vectors, which slots are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.storage.index.postings import Directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memporium_platform.storage.index.postings import UnitRow

_FIRST_ROWS = 64
# Ids that came since all were sorted: looked up one by one; beyond, all are sorted again, 0.1 s for a million.
_MOST_RECENT = 20_000


class Columns:
    """Columns with room to grow; rows from `used` on are empty, as are those with id 0."""

    def __init__(self, directory: Directory) -> None:
        """Take over the stored directory."""
        self.used = int(directory.slots[-1]) + 1 if len(directory.slots) else 0
        room = max(self.used, _FIRST_ROWS)
        self._ids = np.zeros(room, np.int64)
        self._lengths = np.zeros((2, room), np.float32)
        self._has_vector = np.zeros(room, np.bool_)
        self._ids[directory.slots] = directory.unit_ids
        self._lengths[0, directory.slots] = directory.own_lengths
        self._lengths[1, directory.slots] = directory.context_lengths
        self._has_vector[directory.slots] = directory.has_vector
        self._free = np.flatnonzero(self.ids == 0).tolist()
        self._sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        self._recent: dict[int, int] = {}
        self.vectors = int(np.count_nonzero(self._has_vector))
        self._documents = np.count_nonzero(self._lengths, axis=1)
        self._terms = self._lengths.sum(axis=1, dtype=np.float64).astype(np.int64)

    def directory(self) -> Directory:
        """Return what it holds, as it was taken over."""
        slots = np.flatnonzero(self.ids)
        own, context = self._lengths[:, slots]
        return Directory(slots, self._ids[slots], own, context, self._has_vector[slots])

    @property
    def memory_bytes(self) -> int:
        """About how much memory the columns take."""
        return self._ids.nbytes + self._lengths.nbytes + self._has_vector.nbytes + 16 * self.used

    @property
    def ids(self) -> NDArray[np.int64]:
        """Unit ids by slot; 0: free."""
        return self._ids[: self.used]

    def lengths(self, leg: int) -> NDArray[np.float32]:
        """Number of terms by slot."""
        return self._lengths[leg, : self.used]

    def sizes(self, leg: int) -> tuple[int, int]:
        """Return how many slots have terms, and how many terms they have together."""
        return int(self._documents[leg]), int(self._terms[leg])

    @property
    def has_vector(self) -> NDArray[np.bool_]:
        """Which slots have a vector."""
        return self._has_vector[: self.used]

    def free_slots(self, count: int) -> list[int]:
        """Return slots for `count` new units: free ones first, then new ones; nothing is taken yet."""
        again = self._free[:count]
        return again + list(range(self.used, self.used + count - len(again)))

    def positions(self, unit_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slot of each id, -1 for those that are not here."""
        if self._sorted is None or len(self._recent) > _MOST_RECENT:
            order = np.argsort(self.ids, kind="stable")
            order = order[np.searchsorted(self.ids[order], 1) :]
            self._sorted, self._recent = (self.ids[order], order), {}
        known, slots = self._sorted
        found = np.full(len(unit_ids), -1, np.int64)
        if len(known):
            places = slots[np.minimum(np.searchsorted(known, unit_ids), len(known) - 1)]
            # The slot may hold another unit by now.
            found = np.where(self._ids[places] == unit_ids, places, -1)
        if self._recent:
            recent = self._recent
            missing = np.flatnonzero(found < 0)
            found[missing] = [recent.get(unit_id, -1) for unit_id in unit_ids[missing].tolist()]
        return found

    def change(self, *, remove: Sequence[int], add: Sequence[UnitRow]) -> None:
        """Follow a change that is committed."""
        gone = list(remove)
        self._count(gone, -1)
        for unit_id in self._ids[gone].tolist():
            self._recent.pop(unit_id, None)
        self._ids[gone] = 0
        self._lengths[:, gone] = 0
        self._has_vector[gone] = False
        self._grow(max((row.slot + 1 for row in add), default=0))
        for row in add:
            self._ids[row.slot] = row.unit_id
            self._lengths[0, row.slot] = row.own.total()
            self._lengths[1, row.slot] = row.context.total()
            self._has_vector[row.slot] = row.has_vector
            self._recent[row.unit_id] = row.slot
        self._count([row.slot for row in add], 1)
        if gone or self._free:
            taken = {row.slot for row in add}
            self._free = [slot for slot in self._free if slot not in taken] + gone

    def _count(self, slots: Sequence[int], sign: int) -> None:
        some = list(slots)
        self.vectors += sign * int(np.count_nonzero(self._has_vector[some]))
        self._documents += sign * np.count_nonzero(self._lengths[:, some], axis=1)
        self._terms += sign * self._lengths[:, some].sum(axis=1, dtype=np.float64).astype(np.int64)

    def _grow(self, used: int) -> None:
        if used > len(self._ids):
            room = max(used, 2 * len(self._ids))
            extra = room - len(self._ids)
            self._ids = np.pad(self._ids, (0, extra))
            self._lengths = np.pad(self._lengths, ((0, 0), (0, extra)))
            self._has_vector = np.pad(self._has_vector, (0, extra))
        self.used = max(self.used, used)
