from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.index import impacts as impacts_module
from memporium_platform.storage.index import neighbours as neighbours_module
from memporium_platform.storage.index import opened as opened_module
from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from memporium_platform.storage.index.postings import term_number
from memporium_platform.storage.index.vault_index import IndexEntry

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

D = 32


def _vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, D)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _entry(unit_id: int, terms: str, vector: NDArray[np.float32] | None) -> IndexEntry:
    words = tuple(terms.split())
    return IndexEntry(unit_id, words, words, vector)


def _everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_of_a_deleted_unit_is_left_in_the_files(tmp_path: Path) -> None:
    rows = _vectors(600)
    store = EmbeddedIndexStore(tmp_path, graph_from=200)
    index = store.open("v", dimensions=D)
    index.apply(upserts=[_entry(i + 1, f"common w{i}", row) for i, row in enumerate(rows)], deletes=[], revision=1)
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
    rows = _vectors(3000)
    store = EmbeddedIndexStore(tmp_path, graph_from=1000)
    index = store.open("v", dimensions=D)
    for start in range(0, 2000, 500):
        upserts = [_entry(i + 1, "w", rows[i]) for i in range(start, start + 500)]
        index.apply(upserts=upserts, deletes=[], revision=start + 1)
    # Changes while the graph may still be under way, and after.
    index.apply(upserts=[_entry(5, "w", rows[2500])], deletes=[1, 2, 3], revision=5000)
    assert index.wait_for_graph(30)
    index.apply(upserts=[_entry(6, "w", rows[2600])], deletes=[4], revision=5001)
    live = {i + 1: rows[i] for i in range(2000)} | {5: rows[2500], 6: rows[2600]}
    for gone in (1, 2, 3, 4):
        del live[gone]
    ids = np.array(sorted(live), dtype=np.int64)
    matrix = np.array([live[int(unit_id)] for unit_id in ids])

    def check() -> None:
        found = 0
        for query in _vectors(40, seed=3):
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
    rows, numbers = _vectors(4000), np.random.default_rng(5)
    store = EmbeddedIndexStore(tmp_path, graph_from=500)
    index = store.open("v", dimensions=D)
    live: dict[int, np.ndarray] = {}
    for revision in range(1, 31):
        new = {revision * 100 + i: rows[(revision * 100 + i) % 4000] for i in range(100)}
        gone = numbers.choice(sorted(live), size=min(len(live), 30), replace=False).tolist() if live else []
        # Some are written anew, too.
        new |= {unit_id: rows[numbers.integers(4000)] for unit_id in gone[:10]}
        index.apply(
            upserts=[_entry(unit_id, "w", row) for unit_id, row in new.items()], deletes=gone[10:], revision=revision
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
    for query in _vectors(40, seed=3):
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
    index, rows = store.open("v", dimensions=D), _vectors(4000)
    index.apply(upserts=[_entry(i + 1, "w", row) for i, row in enumerate(rows)], deletes=[], revision=1)
    assert index.wait_for_graph(60)
    assert index._opened is not None
    graph, k = index._opened.neighbours.graph, 256
    assert graph is not None
    found = 0
    for query in _vectors(20, seed=3):
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
    entries = [_entry(unit_id, f"common w{unit_id % 20}", None) for unit_id in range(1, 1001)]
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


def _filled(tmp_path: Path, revision: int = 7) -> EmbeddedIndexStore:
    store = EmbeddedIndexStore(tmp_path)
    entries = [_entry(i + 1, f"w{i}", row) for i, row in enumerate(_vectors(50))]
    store.open("v", dimensions=D).apply(upserts=entries, deletes=[], revision=revision)
    return store


@pytest.mark.parametrize("damage", ["terms.sqlite", "vectors.f32"])
def test_a_damaged_index_starts_anew(tmp_path: Path, damage: str) -> None:
    _filled(tmp_path).close()
    path = tmp_path / "v" / damage
    path.write_bytes(b"not what it was" * 100 if damage == "terms.sqlite" else b"")
    store = EmbeddedIndexStore(tmp_path)
    index = store.open("v", dimensions=D)
    assert index.revision == 0
    assert index.search_dense(_vectors(1)[0], k=5).ids.tolist() == []
    index.apply(upserts=[_entry(1, "again", _vectors(1)[0])], deletes=[], revision=9)
    assert index.search_terms(["again"], leg="own", k=5).ids.tolist() == [1]
    store.close()


def test_damage_that_is_met_in_use_is_told_and_then_repaired(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    index = store.open("v", dimensions=D)
    assert index._opened is not None

    def broken(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    index._opened._postings.lists = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(PlatformError) as failure:
        index.search_terms(["w1"], leg="own", k=1)
    assert failure.value.reason is Reason.UNAVAILABLE
    assert index.revision == 0
    store.close()


def test_after_a_crash_of_the_machine_the_index_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _filled(tmp_path)
    opened = store.open("v", dimensions=D)._opened
    assert opened is not None
    opened._postings.close()  # The process ends without closing the index.
    monkeypatch.setattr(opened_module, "_boot_id", lambda: "another boot")
    again = EmbeddedIndexStore(tmp_path)
    assert again.open("v", dimensions=D).revision == 0
    again.close()


def test_closed_well_it_survives_a_restart_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled(tmp_path).close()
    monkeypatch.setattr(opened_module, "_boot_id", lambda: "another boot")
    again = EmbeddedIndexStore(tmp_path)
    assert again.open("v", dimensions=D).revision == 7
    again.close()


def test_vectors_that_a_graph_lacks_are_not_linked_by_whoever_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours_module, "LATE_MAX", 10)
    rows = _vectors(1200)
    store = EmbeddedIndexStore(tmp_path, graph_from=500)
    index = store.open("v", dimensions=D)
    index.apply(upserts=[_entry(i + 1, "w", row) for i, row in enumerate(rows[:1000])], deletes=[], revision=1)
    assert index.wait_for_graph(30)
    store.close()
    opened = opened_module.OpenedIndex(tmp_path / "v", dimensions=D)
    upserts = [_entry(i + 1, "w", row) for i, row in enumerate(rows) if 1000 <= i < 1010]
    opened.apply(upserts=upserts, deletes=[], revision=2)
    # Closed before they are linked, twice: the graph is not thrown away for that.
    for _ in range(2):
        opened.close()
        opened = opened_module.OpenedIndex(tmp_path / "v", dimensions=D)
        assert opened.neighbours.graph is not None
        assert opened.neighbours.late_count == 10
    assert opened.dense(rows[1003], k=1, allowed=None).ids.tolist() == [1004]
    monkeypatch.setattr(neighbours_module, "LATE_MAX", 4)
    opened.close()
    opened = opened_module.OpenedIndex(tmp_path / "v", dimensions=D)
    assert opened.neighbours.late_count == 10
    opened.apply(upserts=[_entry(1151, "w", rows[1150])], deletes=[], revision=3)
    assert opened.neighbours.late_count == 9
    opened.fold(9)
    opened.close()
    opened = opened_module.OpenedIndex(tmp_path / "v", dimensions=D)
    assert (opened.neighbours.graph is not None, opened.neighbours.late_count) == (True, 0)
    opened.close()


def test_the_directory_in_a_file_says_what_the_rows_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_module, "MIN_UNITS", 50)
    rows, kept = _vectors(200), tmp_path / "v" / "columns.npz"

    def found(store: EmbeddedIndexStore) -> list[object]:
        index = store.open("v", dimensions=D)
        dense = [index.search_dense(rows[number], k=5) for number in range(0, 200, 7)]
        terms = [index.search_terms([f"w{number}", "common"], leg="own", k=200) for number in range(0, 200, 7)]
        return [(hits.ids.tolist(), hits.scores.tolist()) for hits in [*dense, *terms]]

    store = EmbeddedIndexStore(tmp_path)
    entries = [_entry(i + 1, f"common w{i}", row if i % 3 else None) for i, row in enumerate(rows)]
    store.open("v", dimensions=D).apply(upserts=entries, deletes=[], revision=1)
    before = found(store)
    store.close()
    assert kept.exists()
    store = EmbeddedIndexStore(tmp_path)
    assert found(store) == before
    assert kept.exists()
    store.open("v", dimensions=D).apply(upserts=[], deletes=[7, 8, 9], revision=2)
    # It names what is gone.
    assert not kept.exists()
    after = found(store)
    store.close()
    stale = kept.read_bytes()
    store = EmbeddedIndexStore(tmp_path)
    store.open("v", dimensions=D).apply(upserts=entries[6:7], deletes=[], revision=3)
    again = found(store)
    store.close()
    assert after != again
    # One of an earlier state, or no such file at all, is not used.
    for wrong in (stale, b"", b"no archive"):
        kept.write_bytes(wrong)
        store = EmbeddedIndexStore(tmp_path)
        assert found(store) == again
        store.close()


def test_indexes_used_least_are_closed_when_they_take_too_much_memory(tmp_path: Path) -> None:
    rows = _vectors(40)
    store = EmbeddedIndexStore(tmp_path, max_bytes=5 * opened_module._OPEN_BYTES)
    indexes = [store.open(f"v{number}", dimensions=D) for number in range(12)]
    for number, index in enumerate(indexes):
        index.apply(upserts=[_entry(1, f"word{number}", rows[number])], deletes=[], revision=1)
        assert sum(one.memory_bytes > 0 for one in indexes) == min(number + 1, 4)
    for number, index in enumerate(indexes):
        assert index.search_terms([f"word{number}"], leg="own", k=3).ids.tolist() == [1]
        assert index.memory_bytes > 0
        assert sum(one.memory_bytes for one in indexes) <= 5 * opened_module._OPEN_BYTES
    store.close()


def test_only_the_vaults_used_last_are_open(tmp_path: Path) -> None:
    store = EmbeddedIndexStore(tmp_path, max_open=3)
    handles = [store.open(f"v{i}", dimensions=D) for i in range(8)]
    for round_ in range(1, 3):
        for number, handle in enumerate(handles):
            entry = _entry(round_, f"w{number}", _vectors(1, seed=number)[0])
            handle.apply(upserts=[entry], deletes=[], revision=round_)
            assert sum(other._opened is not None for other in handles) <= 3
    for number, handle in enumerate(handles):
        assert handle is store.open(f"v{number}", dimensions=D)
        assert handle.search_terms([f"w{number}"], leg="own", k=5).ids.tolist() == [1, 2]
    store.close()
    assert all(handle._opened is None for handle in handles)


def test_searches_and_changes_from_many_threads(tmp_path: Path) -> None:
    store = EmbeddedIndexStore(tmp_path, max_open=2)
    rows = _vectors(400)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(50):
                index = store.open(f"v{(number + i) % 4}", dimensions=D)
                unit_id = number * 50 + i + 1
                index.apply(upserts=[_entry(unit_id, "w", rows[unit_id - 1])], deletes=[], revision=unit_id)
                assert unit_id in index.search_dense(rows[unit_id - 1], k=1).ids
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = [store.open(f"v{i}", dimensions=D).search_terms(["w"], leg="own", k=999).ids for i in range(4)]
    assert sorted(np.concatenate(found).tolist()) == list(range(1, 401))
    store.close()


def test_two_processes_do_not_share_an_index(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    code = f"""
        from pathlib import Path
        from memporium_platform.storage.index.embedded import EmbeddedIndexStore
        EmbeddedIndexStore(Path({str(tmp_path)!r})).open("v", dimensions={D}).revision
    """
    tried = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=_environ(), capture_output=True, text=True, check=False
    )
    assert "another process holds the index" in tried.stderr
    assert store.open("v", dimensions=D).revision == 7
    store.close()


def _environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


_APPLIER = f"""
    import sys
    from pathlib import Path
    import numpy as np
    from memporium_platform.storage.index.embedded import EmbeddedIndexStore
    from memporium_platform.storage.index.vault_index import IndexEntry

    index = EmbeddedIndexStore(Path(sys.argv[1])).open("v", dimensions={D})
    revision = index.revision
    while True:
        revision += 1
        vector = np.zeros({D}, np.float32); vector[revision % {D}] = 1
        entry = IndexEntry(revision, (f"w{{revision}}", "all"), ("c",), vector)
        index.apply(upserts=[entry], deletes=[revision - 20] if revision > 20 else [], revision=revision)
        sys.stdout.write(f"{{revision}}\\n"); sys.stdout.flush()
"""


def test_kill_9_leaves_the_index_at_a_revision_with_just_its_units(tmp_path: Path) -> None:
    reached = 0
    for round_ in range(4):
        command = [sys.executable, "-c", textwrap.dedent(_APPLIER), str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environ(), text=True) as process:
            assert process.stdout is not None
            for _ in range(30 + 17 * round_):
                reached = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split("\n")[:-1]
        reached = max([reached, *map(int, rest)])
        store = EmbeddedIndexStore(tmp_path)
        index = store.open("v", dimensions=D)
        assert index.revision in {reached, reached + 1}
        last = index.revision
        units = list(range(max(1, last - 19), last + 1))
        assert sorted(index.search_terms(["all"], leg="own", k=99).ids.tolist()) == units
        assert sorted(index.search_dense(np.ones(D, np.float32), k=99).ids.tolist()) == units
        assert index._opened is not None
        rows = index._opened._slab.rows
        assert int(rows.any(axis=1).sum()) == len(units)
        store.close()
