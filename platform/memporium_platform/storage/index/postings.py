"""The lexical part and the directory of one vault's index: inverted lists in SQLite, scored in numpy.

A term is 64 bits of BLAKE2b of the (already keyed) term; its list is cut into blocks of `BLOCK_SLOTS` slots, so that an
addition appends to one small row and a deletion rewrites one: unlike FTS5 before SQLite 3.43, nothing of a deleted
unit stays behind. See docs/adr/0010-inverted-lists-instead-of-fts5.md.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from memporium_platform.storage.index.vault_index import IndexEntry

FORMAT = 1
# Slots a block: at most 24 KiB a row; smaller ones make frequent terms slow to read, larger ones rare deletes dear.
BLOCK_SLOTS = 4096
_POSTING = np.dtype([("slot", "<u4"), ("frequency", "<u2")])
_MOST = 65535

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS units(
  slot INTEGER PRIMARY KEY, unit_id INTEGER NOT NULL UNIQUE, own_length INTEGER NOT NULL,
  context_length INTEGER NOT NULL, has_vector INTEGER NOT NULL, sequence INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS unit_terms(slot INTEGER PRIMARY KEY, own BLOB NOT NULL, context BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS postings(
  leg INTEGER NOT NULL, term INTEGER NOT NULL, block INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(leg, term, block)) WITHOUT ROWID;
"""
_PRAGMAS = (
    # One process holds an index; without shared memory a vault in use takes two file descriptors.
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    # The index is a cache that says how far it got: a lost tail is written again.
    "PRAGMA synchronous=NORMAL",
    "PRAGMA secure_delete=ON",
    "PRAGMA mmap_size=1073741824",
    "PRAGMA cache_size=-4096",
    "PRAGMA temp_store=MEMORY",
)


class Leg(IntEnum):
    """Which terms of a unit: its own, or those around it, too."""

    OWN = 0
    CONTEXT = 1


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit to store at `slot`."""

    slot: int
    unit_id: int
    own: Counter[int]
    context: Counter[int]
    has_vector: bool


@dataclass(frozen=True, slots=True)
class Directory:
    """All units as columns: (n,) arrays by ascending slot."""

    slots: NDArray[np.int64]
    unit_ids: NDArray[np.int64]
    own_lengths: NDArray[np.float32]
    context_lengths: NDArray[np.float32]
    has_vector: NDArray[np.bool_]


# Most terms come again and again: some 10 MB.
@lru_cache(maxsize=65_536)
def term_number(term: str) -> int:
    """Return the 64-bit number a term is stored under."""
    return int.from_bytes(blake2b(term.encode(), digest_size=8).digest(), "little", signed=True)


def count_terms(terms: Iterable[str]) -> Counter[int]:
    """Return how often each term occurs, by number."""
    return Counter(map(term_number, terms))


def unit_row(slot: int, entry: IndexEntry) -> UnitRow:
    """Return the row of an entry that goes to `slot`."""
    return UnitRow(
        slot=slot,
        unit_id=entry.unit_id,
        own=count_terms(entry.terms),
        context=count_terms(entry.context_terms),
        has_vector=entry.vector is not None,
    )


class Postings:
    """The file; not safe for concurrent use."""

    def __init__(self, path: Path) -> None:
        """Open the file and hold it; make it where there is none.

        Raises:
            sqlite3.DatabaseError: The file is damaged, or another process holds it.
        """
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        try:
            for pragma in _PRAGMAS:
                self._connection.execute(pragma)
            self._connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def meta(self) -> dict[str, str]:
        """Return the notes on the index."""
        return dict(self._connection.execute("SELECT key, value FROM meta"))

    def set_meta(self, **values: str | int) -> None:
        """Store notes on the index."""
        rows = [(key, str(value)) for key, value in values.items()]
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", rows)

    def directory(self) -> Directory:
        """Return all units."""
        rows = self._connection.execute(
            "SELECT slot, unit_id, own_length, context_length, has_vector FROM units ORDER BY slot"
        ).fetchall()
        table = np.fromiter(chain.from_iterable(rows), np.int64, 5 * len(rows)).reshape(-1, 5)
        return Directory(
            slots=table[:, 0].copy(),
            unit_ids=table[:, 1].copy(),
            own_lengths=table[:, 2].astype(np.float32),
            context_lengths=table[:, 3].astype(np.float32),
            has_vector=table[:, 4].astype(np.bool_),
        )

    def vectors_after(self, sequence: int) -> NDArray[np.int64]:
        """Return the slots with vectors that came after a sequence."""
        query = "SELECT slot FROM units WHERE sequence > ? AND has_vector ORDER BY slot"
        return np.array([slot for (slot,) in self._connection.execute(query, (sequence,))], dtype=np.int64)

    def change(self, *, remove: Sequence[int], add: Sequence[UnitRow], sequence: int, revision: int) -> None:
        """Remove the units at slots and add others, in one transaction."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            self._remove(remove)
            self._add(add, sequence)
            self.set_meta(revision=revision, sequence=sequence)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        if remove:
            # The log still holds the pages as they were.
            execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def lists(self, leg: Leg, term: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the slots that have a term, and how often each has it."""
        rows = self._connection.execute(
            "SELECT data FROM postings WHERE leg = ? AND term = ? ORDER BY block", (int(leg), term)
        ).fetchall()
        found = np.frombuffer(b"".join(row[0] for row in rows), dtype=_POSTING)
        return found["slot"].astype(np.int64), found["frequency"].astype(np.float32)

    def _remove(self, slots: Sequence[int]) -> None:
        execute = self._connection.execute
        touched: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        for slot in slots:
            row = execute("SELECT own, context FROM unit_terms WHERE slot = ?", (slot,)).fetchone()
            for leg, terms in zip(Leg, row, strict=True):
                for term in np.frombuffer(terms, dtype="<i8").tolist():
                    touched[int(leg), term, slot // BLOCK_SLOTS].append(slot)
        for key, gone in touched.items():
            (data,) = execute("SELECT data FROM postings WHERE leg=? AND term=? AND block=?", key).fetchone()
            entries = np.frombuffer(data, dtype=_POSTING)
            left = entries[~np.isin(entries["slot"], gone)]
            if len(left):
                execute("UPDATE postings SET data=? WHERE leg=? AND term=? AND block=?", (left.tobytes(), *key))
            else:
                execute("DELETE FROM postings WHERE leg=? AND term=? AND block=?", key)
        several = [(slot,) for slot in slots]
        self._connection.executemany("DELETE FROM unit_terms WHERE slot = ?", several)
        self._connection.executemany("DELETE FROM units WHERE slot = ?", several)

    def _add(self, rows: Sequence[UnitRow], sequence: int) -> None:
        many = self._connection.executemany
        many(
            "INSERT INTO units VALUES(?, ?, ?, ?, ?, ?)",
            [
                (row.slot, row.unit_id, row.own.total(), row.context.total(), int(row.has_vector), sequence)
                for row in rows
            ],
        )
        many(
            "INSERT INTO unit_terms VALUES(?, ?, ?)",
            [(row.slot, *(np.fromiter(c, "<i8", len(c)).tobytes() for c in (row.own, row.context))) for row in rows],
        )
        # `||` makes text of blobs; cast back, the bytes are the same, zeros included.
        many(
            "INSERT INTO postings VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " data = CAST(postings.data || excluded.data AS BLOB)",
            chain(
                _lists(Leg.OWN, rows, [row.own for row in rows]),
                _lists(Leg.CONTEXT, rows, [row.context for row in rows]),
            ),
        )


def _lists(leg: Leg, rows: Sequence[UnitRow], counted: Sequence[Counter[int]]) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield what is added to each block of each list: leg, term, block and postings by slot."""
    sizes = [len(one) for one in counted]
    total = sum(sizes)
    if not total:
        return
    terms = np.fromiter(chain.from_iterable(counted), np.int64, total)
    postings = np.empty(total, _POSTING)
    postings["slot"] = np.repeat(np.array([row.slot for row in rows], np.int64), sizes)
    frequencies = np.fromiter(chain.from_iterable(one.values() for one in counted), np.int64, total)
    postings["frequency"] = np.minimum(frequencies, _MOST)
    order = np.lexsort((postings["slot"], terms))
    terms, postings = terms[order], postings[order]
    blocks = (postings["slot"] // BLOCK_SLOTS).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, (terms[1:] != terms[:-1]) | (blocks[1:] != blocks[:-1])])
    data, width = postings.tobytes(), _POSTING.itemsize
    ends = [*starts[1:].tolist(), total]
    for start, end, term, block in zip(
        starts.tolist(), ends, terms[starts].tolist(), blocks[starts].tolist(), strict=True
    ):
        yield int(leg), term, block, data[start * width : end * width]
