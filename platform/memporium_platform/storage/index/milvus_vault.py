"""A vault's index in Milvus.

Ids and lengths of the units are kept here as columns, too, so that filters and BM25 are computed as in the embedded
index; they are read anew when another replica has moved the revision on.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pymilvus.exceptions import MilvusException

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.index import milvus_collections as collections
from memporium_platform.storage.index.bm25 import bm25, statistics
from memporium_platform.storage.index.columns import Columns
from memporium_platform.storage.index.opened import LEGS
from memporium_platform.storage.index.postings import Directory, count_terms, unit_row
from memporium_platform.storage.index.ranking import no_hits, top_k

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from pymilvus import MilvusClient

    from memporium_platform.storage.index.bm25 import List
    from memporium_platform.storage.index.vault_index import Hits, IndexEntry, TermStatistics

T = TypeVar("T")

# Allowed units whose vectors are fetched and compared here: exact, and no filter expression is needed.
_FETCHED = 1024


class MilvusVaultIndex:
    """The VaultIndex port on one collection."""

    def __init__(self, client: MilvusClient, name: str, *, dimensions: int) -> None:
        """Keep the collection's name; the store has made it."""
        self._client = client
        self._name = name
        self.dimensions = dimensions
        self._lock = threading.RLock()
        self._columns: Columns | None = None
        self._columns_revision = -1

    @property
    def revision(self) -> int:
        """The vault revision that the index has reached; 0 where it is new."""
        return self._ask(lambda: collections.read_revision(self._client, self._name)[0])

    def apply(self, *, upserts: Sequence[IndexEntry], deletes: Sequence[int], revision: int) -> None:
        """Take in changes; searchable when it returns, and idempotent."""
        entries = {entry.unit_id: entry for entry in upserts}
        rows = [self._row(entry) for entry in entries.values()]

        def run() -> None:
            columns = self._current()
            for start in range(0, len(rows), collections.MOST_ROWS):
                self._client.upsert(self._name, rows[start : start + collections.MOST_ROWS])
            gone = [int(unit_id) for unit_id in deletes if unit_id not in entries]
            for start in range(0, len(gone), collections.MOST_IDS):
                self._client.delete(self._name, ids=gone[start : start + collections.MOST_IDS])
            # Last, so that a crash before it has the changes made again.
            reached = max(revision, self._columns_revision)
            collections.write_revision(self._client, self._name, revision=reached, dimensions=self.dimensions)
            _follow(columns, list(entries.values()), gone)
            self._columns_revision = reached

        self._ask(run)

    def search_dense(self, query: NDArray[np.float32], *, k: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """Return the `k` nearest units by cosine among `allowed` (sorted ids; None: all)."""
        vector = self._check(query)
        return self._ask(lambda: self._dense(vector, k, allowed)) if k > 0 else no_hits()

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
        if not counted or k <= 0:
            return no_hits()

        def ask() -> Hits:
            columns, which = self._current(), LEGS[leg]
            slots, scores = bm25(
                self._lists(columns, counted, leg),
                lengths=columns.lengths(which),
                sizes=columns.sizes(which),
                allowed=_visible(columns, allowed),
                beside=beside,
            )
            return top_k(columns.ids[slots], scores, k)

        return self._ask(ask)

    def term_statistics(
        self, terms: Sequence[str], *, leg: str, allowed: NDArray[np.int64] | None = None
    ) -> TermStatistics:
        """Return what BM25 makes of the `allowed` units, for different `terms`."""
        counted = _counted(terms, leg)

        def ask() -> TermStatistics:
            columns, which = self._current(), LEGS[leg]
            return statistics(
                self._lists(columns, counted, leg) if counted else [],
                lengths=columns.lengths(which),
                sizes=columns.sizes(which),
                allowed=_visible(columns, allowed),
            )

        return self._ask(ask)

    def score_dense(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine of each of `ids`, NaN for those without a vector."""
        vector = self._check(query)
        return self._ask(lambda: self._scores(vector, np.asarray(ids, dtype=np.int64)))

    def _dense(self, query: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None) -> Hits:
        columns = self._current()
        if allowed is None:
            return _hits(self._nearest(query, k, "has_vector == true"), k)
        slots = columns.positions(allowed)
        slots = slots[slots >= 0]
        ids = columns.ids[slots[columns.has_vector[slots]]]
        if len(ids) <= _FETCHED:
            return top_k(ids, self._scores(query, ids), k)
        found: list[tuple[int, float]] = []
        for start in range(0, len(ids), collections.MOST_IDS):
            chunk = ids[start : start + collections.MOST_IDS].tolist()
            found += self._nearest(query, k, f"id in {chunk}")
        return _hits(found, k)

    def _nearest(self, query: NDArray[np.float32], k: int, where: str) -> list[tuple[int, float]]:
        wanted = min(k, collections.MOST_HITS)
        options = {"metric_type": "IP", "params": {"ef": max(128, min(2 * wanted, 32_768))}}
        answer = self._client.search(
            self._name,
            data=[query.tolist()],
            anns_field="dense",
            filter=where,
            limit=wanted,
            search_params=options,
            output_fields=["id"],
        )
        return [(int(hit["id"]), float(hit["distance"])) for hit in answer[0]]

    def _lists(self, columns: Columns, terms: Counter[str], leg: str) -> list[List]:
        answers = self._client.search(
            self._name,
            data=[collections.term_query(term) for term in terms],
            anns_field=leg,
            limit=collections.MOST_HITS,
            search_params={"metric_type": "IP"},
            output_fields=["id"],
        )
        lists: list[List] = []
        for answer, weight in zip(answers, terms.values(), strict=True):
            ids = np.array([hit["id"] for hit in answer], dtype=np.int64)
            frequencies = np.array([hit["distance"] for hit in answer], dtype=np.float32)
            slots = columns.positions(ids)
            known = (slots >= 0) & (frequencies > 0)
            lists.append((slots[known], frequencies[known], weight))
        return lists

    def _scores(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        scores = np.full(len(ids), np.nan, np.float32)
        places = {int(unit_id): place for place, unit_id in enumerate(ids)}
        for start in range(0, len(ids), collections.MOST_ROWS):
            chunk = ids[start : start + collections.MOST_ROWS].tolist()
            for row in self._client.get(self._name, ids=chunk, output_fields=["id", "has_vector", "dense"]):
                if row["has_vector"]:
                    scores[places[int(row["id"])]] = np.asarray(row["dense"], dtype=np.float32) @ query
        return scores

    def _current(self) -> Columns:
        """Return the columns at the revision that Milvus has."""
        revision = collections.read_revision(self._client, self._name)[0]
        if self._columns is None or revision != self._columns_revision:
            self._columns = Columns(self._directory())
            self._columns_revision = revision
        return self._columns

    def _directory(self) -> Directory:
        fields = ["id", "own_length", "context_length", "has_vector"]
        rows: list[tuple[int, int, int, bool]] = []
        last = 0
        # By ascending id in pages, which needs no cursor on the server.
        while True:
            page: list[dict[str, Any]] = self._client.query(
                self._name, filter=f"id > {last}", output_fields=fields, limit=collections.MOST_HITS
            )
            rows += [(row["id"], row["own_length"], row["context_length"], row["has_vector"]) for row in page]
            if len(page) < collections.MOST_HITS:
                break
            last = max(row["id"] for row in page)
        table = np.array(sorted(rows), dtype=np.int64).reshape(-1, 4)
        return Directory(
            slots=np.arange(len(table), dtype=np.int64),
            unit_ids=table[:, 0].copy(),
            own_lengths=table[:, 1].astype(np.float32),
            context_lengths=table[:, 2].astype(np.float32),
            has_vector=table[:, 3].astype(np.bool_),
        )

    def _row(self, entry: IndexEntry) -> dict[str, Any]:
        own, context = count_terms(entry.terms), count_terms(entry.context_terms)
        vector = [0.0] * self.dimensions if entry.vector is None else self._check(entry.vector).tolist()
        return {
            "id": int(entry.unit_id),
            "has_vector": entry.vector is not None,
            "own_length": own.total(),
            "context_length": context.total(),
            "dense": vector,
            "own": collections.sparse(own),
            "context": collections.sparse(context),
        }

    def _check(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        given = np.ascontiguousarray(vector, dtype=np.float32)
        if given.shape != (self.dimensions,) or not np.isfinite(given).all():
            message = f"a vector must have {self.dimensions} finite numbers"
            raise ValueError(message)
        return given

    def _ask(self, fn: Callable[[], T]) -> T:
        with self._lock:
            try:
                return fn()
            except MilvusException as error:
                self._columns = None  # What was half done is read anew.
                raise PlatformError(Reason.UNAVAILABLE, "the index is not available", retry_after_s=1.0) from error


def _counted(terms: Sequence[str], leg: str) -> Counter[str]:
    if leg not in LEGS:
        message = f"leg must be one of {', '.join(LEGS)}"
        raise ValueError(message)
    return Counter(terms)


def _visible(columns: Columns, allowed: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if allowed is None:
        return None
    slots = columns.positions(allowed)
    return slots[slots >= 0]


def _hits(found: list[tuple[int, float]], k: int) -> Hits:
    ids = np.array([unit_id for unit_id, _ in found], dtype=np.int64)
    return top_k(ids, np.array([score for _, score in found], dtype=np.float32), k)


def _follow(columns: Columns, entries: Sequence[IndexEntry], gone: Sequence[int]) -> None:
    known = columns.positions(np.array([*(entry.unit_id for entry in entries), *gone], dtype=np.int64))
    slots = columns.free_slots(len(entries))
    add = [unit_row(slot, entry) for slot, entry in zip(slots, entries, strict=True)]
    columns.change(remove=np.unique(known[known >= 0]).tolist(), add=add)
