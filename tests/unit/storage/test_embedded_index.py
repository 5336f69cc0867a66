from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memporium_platform.storage.index import impacts as impacts_module
from memporium_platform.storage.index import neighbours as neighbours_module
from memporium_platform.storage.index import opened as opened_module
from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from memporium_platform.storage.index.postings import term_number
from memporium_platform.storage.index.vault_index import IndexEntry
from support.index_units import D, index_entry, vectors

if TYPE_CHECKING:
    from pathlib import Path


def _everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_of_a_deleted_unit_is_left_in_the_files(tmp_path: Path) -> None:
    rows = vectors(600)
    store = EmbeddedIndexStore(tmp_path, graph_from=200)
    index = store.open("v", dimensions=D)
    index.apply(upserts=[index_entry(i + 1, f"common w{i}", row) for i, row in enumerate(rows)], deletes=[], revision=1)
    assert index.wait_for_graph(30)
    store.close()
    before = _everything(tmp_path)
    index.apply(upserts=[], deletes=list(range(1, 301)), revision=2)
    after_delete = _everything(tmp_path)
    store.close()
    after_close = _everything(tmp_path)
    gone, kept = rows[7], rows[500]
    exact, coarse = (lambda row: row.tobytes()), (lambda row: np.rint(row * 127).astype(np.int8).tobytes())
    term = term_number("w7").to_bytes(8, "little", signed=True)
    for needle in (exact(gone), coarse(gone), term):
        assert needle in before
        assert needle not in after_delete
        assert needle not in after_close
    assert exact(kept) in after_close
    assert coarse(kept) in after_close
    assert b"common" not in before


def test_the_graph_stays_in_step_and_finds_what_exact_search_finds(tmp_path: Path) -> None:
    rows = vectors(3000)
    store = EmbeddedIndexStore(tmp_path, graph_from=1000)
    index = store.open("v", dimensions=D)
    for start in range(0, 2000, 500):
        upserts = [index_entry(i + 1, "w", rows[i]) for i in range(start, start + 500)]
        index.apply(upserts=upserts, deletes=[], revision=start + 1)
    # Changes while the graph may still be under way, and after.
    index.apply(upserts=[index_entry(5, "w", rows[2500])], deletes=[1, 2, 3], revision=5000)
    assert index.wait_for_graph(30)
    index.apply(upserts=[index_entry(6, "w", rows[2600])], deletes=[4], revision=5001)
    live = {i + 1: rows[i] for i in range(2000)} | {5: rows[2500], 6: rows[2600]}
    for gone in (1, 2, 3, 4):
        del live[gone]
    ids = np.array(sorted(live), dtype=np.int64)
    matrix = np.array([live[int(unit_id)] for unit_id in ids])

    def check() -> None:
        found = 0
        for query in vectors(40, seed=3):
            expected = set(ids[np.argsort(-(matrix @ query))[:10]].tolist())
            found += len(expected & set(index.search_dense(query, k=10).ids.tolist()))
        assert found >= 390
        for unit_id in (5, 6, 1500):
            assert index.search_dense(live[unit_id], k=1).ids.tolist() == [unit_id]

    opened_module_limit = opened_module._EXACT_ROWS
    opened_module._EXACT_ROWS = 50
    try:
        check()
        store.close()
        assert (tmp_path / "v" / "neighbours.usearch").exists()
        check()
        assert index.wait_for_graph(0)
        allowed = ids[::3]
        hits = index.search_dense(matrix[9], k=10, allowed=allowed)
        assert len(hits.ids) == 10
        assert set(hits.ids.tolist()) <= set(allowed.tolist())
    finally:
        opened_module._EXACT_ROWS = opened_module_limit


def test_new_vectors_are_found_before_and_after_they_are_in_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened_module, "_EXACT_ROWS", 50)
    monkeypatch.setattr(neighbours_module, "LATE_MAX", 300)
    rows, numbers = vectors(4000), np.random.default_rng(5)
    store = EmbeddedIndexStore(tmp_path, graph_from=500)
    index = store.open("v", dimensions=D)
    live: dict[int, np.ndarray] = {}
    for revision in range(1, 31):
        new = {revision * 100 + i: rows[(revision * 100 + i) % 4000] for i in range(100)}
        gone = numbers.choice(sorted(live), size=min(len(live), 30), replace=False).tolist() if live else []
        # Some are written anew, too.
        new |= {unit_id: rows[numbers.integers(4000)] for unit_id in gone[:10]}
        index.apply(
            upserts=[index_entry(unit_id, "w", row) for unit_id, row in new.items()],
            deletes=gone[10:],
            revision=revision,
        )
        live = {unit_id: row for unit_id, row in live.items() if unit_id not in gone} | new
        if revision == 8:
            assert index.wait_for_graph(30)
        if revision in {15, 22}:  # Closed with some still on their way into the graph.
            store.close()
        for unit_id in [*new][::9]:
            [nearest] = index.search_dense(new[unit_id], k=1).ids.tolist()
            assert nearest in live
            assert np.allclose(live[nearest], new[unit_id])
    ids = np.array(sorted(live))
    matrix = np.array([live[unit_id] for unit_id in ids.tolist()])
    found = 0
    for query in vectors(40, seed=3):
        expected = set(ids[np.argsort(-(matrix @ query))[:10]].tolist())
        hits = index.search_dense(query, k=10).ids.tolist()
        assert set(hits) <= live.keys()
        found += len(expected & set(hits))
    assert found >= 380
    allowed = ids[::2]
    newest = int(allowed[-1])
    assert newest in index.search_dense(live[newest], k=2, allowed=allowed).ids.tolist()
    until = time.monotonic() + 60
    while index._opened is not None and index._opened.neighbours.late_count >= 256 and time.monotonic() < until:
        time.sleep(0.01)
    assert index._opened is not None
    assert index._opened.neighbours.late_count < 256


@pytest.mark.parametrize(
    ("k", "asked"), [(1, 64), (10, 64), (25, 100), (100, 400), (150, 400), (256, 512), (1000, 2000)]
)
def test_the_graph_is_asked_for_several_candidates_a_hit_and_for_fewer_of_many(k: int, asked: int) -> None:
    assert neighbours_module.breadth(k) == asked


def test_many_of_the_nearest_are_among_the_candidates(tmp_path: Path) -> None:
    """As recall asks: some hundred hits of a vault that is large enough for a graph."""
    store = EmbeddedIndexStore(tmp_path, graph_from=500)
    index, rows = store.open("v", dimensions=D), vectors(4000)
    index.apply(upserts=[index_entry(i + 1, "w", row) for i, row in enumerate(rows)], deletes=[], revision=1)
    assert index.wait_for_graph(60)
    assert index._opened is not None
    graph, k = index._opened.neighbours.graph, 256
    assert graph is not None
    found = 0
    for query in vectors(20, seed=3):
        best = np.argsort(-(rows @ query))[:k]
        found += len(np.intersect1d(best, graph.candidates(query, neighbours_module.breadth(k))))
    assert found >= 0.95 * 20 * k
    store.close()


def test_terms_that_come_again_score_as_they_did_until_the_index_changes(tmp_path: Path) -> None:
    numbers, store = np.random.default_rng(11), EmbeddedIndexStore(tmp_path / "kept")
    index, live = store.open("v", dimensions=D), dict[int, IndexEntry]()

    def entry(unit_id: int) -> IndexEntry:
        words = [f"w{number}" for number in numbers.zipf(1.6, 12).tolist() if number < 40]
        return IndexEntry(unit_id=unit_id, vector=None, terms=words or ["w1"], context_terms=[*words, "w2"])

    for step in range(1, 6):
        added = {unit_id: entry(unit_id) for unit_id in range(100 * step, 100 * step + 90)}
        gone = numbers.choice(sorted(live), 30, replace=False).tolist() if live else []
        index.apply(upserts=list(added.values()), deletes=gone, revision=step)
        live = {unit_id: one for unit_id, one in live.items() if unit_id not in gone} | added
        fresh = EmbeddedIndexStore(tmp_path / f"fresh{step}")
        anew = fresh.open("v", dimensions=D)
        anew.apply(upserts=list(live.values()), deletes=[], revision=1)
        for _ in range(12):
            terms = [f"w{number}" for number in numbers.zipf(1.4, 4).tolist() if number < 40] * int(
                numbers.integers(1, 3)
            )
            for leg in ("own", "context"):
                # Twice: the second time nothing is read.
                first, second, wanted = (one.search_terms(terms, leg=leg, k=50) for one in (index, index, anew))
                for found in (first, second):
                    assert found.ids.tolist() == wanted.ids.tolist()
                    assert found.scores.tobytes() == wanted.scores.tobytes()
        fresh.close()
    store.close()


def test_what_is_kept_of_terms_is_bounded_and_dropped_when_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impacts_module, "_LEAST_BYTES", 8_000)
    monkeypatch.setattr(impacts_module, "_BYTES_A_UNIT", 1)
    store = EmbeddedIndexStore(tmp_path)
    index = store.open("v", dimensions=D)
    entries = [index_entry(unit_id, f"common w{unit_id % 20}", None) for unit_id in range(1, 1001)]
    index.apply(upserts=entries, deletes=[], revision=1)
    assert index._opened is not None
    kept = index._opened._impacts
    before = index._opened.memory_bytes
    for number in range(20):
        assert len(index.search_terms(["common", f"w{number}"], leg="own", k=1000).ids) == 1000
        assert kept.kept_bytes <= 8_000
    # The last ones, but never the one that is larger than half of the room.
    assert 0 < len(kept._kept) < 20
    # What may be kept counts, whatever is: to add up all open indexes after each search would take longer than it.
    assert index._opened.memory_bytes == before + 8_000
    index.apply(upserts=[], deletes=[7], revision=2)
    assert (len(kept._kept), kept.kept_bytes) == (0, 0)
    assert 7 not in index.search_terms(["w7"], leg="own", k=1000).ids.tolist()
    store.close()
