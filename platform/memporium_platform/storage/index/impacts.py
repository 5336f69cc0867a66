"""What each posting of a term adds to its unit's score: computed once, and kept for the terms that come again.

Questions share their frequent words, whose lists are the long ones: to read them from the file, to turn them into
arrays and to weigh each posting takes most of a search by text, and comes to the same until the index changes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from memporium_platform.storage.index.bm25 import impacts_of
from memporium_platform.storage.index.postings import term_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_platform.storage.index.bm25 import Impacts
    from memporium_platform.storage.index.columns import Columns
    from memporium_platform.storage.index.postings import Leg, Postings

# What may be kept of one index: 6 MB at 100,000 units, some thirty of the most frequent terms of a natural text.
_BYTES_A_UNIT, _LEAST_BYTES, _MOST_BYTES = 64, 1 << 16, 32 << 20
# What an entry takes beside its arrays.
_ENTRY_BYTES = 400


class ImpactCache:
    """Impacts of one index, by term, the last ones that were asked for; not safe for concurrent use."""

    def __init__(self, postings: Postings, columns: Columns) -> None:
        """Read from these."""
        self._postings, self._columns = postings, columns
        self._kept: OrderedDict[tuple[Leg, int], Impacts] = OrderedDict()
        self.kept_bytes = 0
        self._begun = False

    @property
    def memory_bytes(self) -> int:
        """What may be kept, from the first search on: a number that changes with each would be added up with each."""
        return self._room() if self._begun else 0

    def of(self, leg: Leg, terms: Mapping[str, int]) -> list[Impacts]:
        """Return the impacts of terms, which are there so many times in the question."""
        return [self._of(leg, term_number(term), weight) for term, weight in terms.items()]

    def clear(self) -> None:
        """Drop all: the index changes, and with it every score."""
        self._kept.clear()
        self.kept_bytes = 0

    def _of(self, leg: Leg, term: int, weight: int) -> Impacts:
        key = leg, term
        known = self._kept.get(key) if weight == 1 else None
        if known is not None:
            self._kept.move_to_end(key)
            return known
        slots, frequencies = self._postings.lists(leg, term)
        columns = self._columns
        found = slots, impacts_of((slots, frequencies, weight), columns.lengths(leg), columns.sizes(leg), len(slots))
        if weight == 1:
            self._keep(key, found)
        return found

    def _room(self) -> int:
        return min(max(_BYTES_A_UNIT * self._columns.used, _LEAST_BYTES), _MOST_BYTES)

    def _keep(self, key: tuple[Leg, int], found: Impacts) -> None:
        self._begun = True
        room, size = self._room(), _size(found)
        # One list must not push out all others.
        if 2 * size > room:
            return
        self._kept[key] = found
        self.kept_bytes += size
        while self.kept_bytes > room:
            _, oldest = self._kept.popitem(last=False)
            self.kept_bytes -= _size(oldest)


def _size(found: Impacts) -> int:
    return found[0].nbytes + found[1].nbytes + _ENTRY_BYTES
