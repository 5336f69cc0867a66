"""What becomes of an embedded index: damage, restarts, killed processes, limits of memory, many threads."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.index import neighbours as neighbours_module
from memporium_platform.storage.index import opened as opened_module
from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from support.index_units import D, index_entry, vectors

if TYPE_CHECKING:
    from pathlib import Path


def _filled(tmp_path: Path, revision: int = 7) -> EmbeddedIndexStore:
    store = EmbeddedIndexStore(tmp_path)
    entries = [index_entry(i + 1, f"w{i}", row) for i, row in enumerate(vectors(50))]
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
    assert index.search_dense(vectors(1)[0], k=5).ids.tolist() == []
    index.apply(upserts=[index_entry(1, "again", vectors(1)[0])], deletes=[], revision=9)
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
    rows = vectors(1200)
    store = EmbeddedIndexStore(tmp_path, graph_from=500)
    index = store.open("v", dimensions=D)
    index.apply(upserts=[index_entry(i + 1, "w", row) for i, row in enumerate(rows[:1000])], deletes=[], revision=1)
    assert index.wait_for_graph(30)
    store.close()
    opened = opened_module.OpenedIndex(tmp_path / "v", dimensions=D)
    upserts = [index_entry(i + 1, "w", row) for i, row in enumerate(rows) if 1000 <= i < 1010]
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
    opened.apply(upserts=[index_entry(1151, "w", rows[1150])], deletes=[], revision=3)
    assert opened.neighbours.late_count == 9
    opened.fold(9)
    opened.close()
    opened = opened_module.OpenedIndex(tmp_path / "v", dimensions=D)
    assert (opened.neighbours.graph is not None, opened.neighbours.late_count) == (True, 0)
    opened.close()


def test_the_directory_in_a_file_says_what_the_rows_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_module, "MIN_UNITS", 50)
    rows, kept = vectors(200), tmp_path / "v" / "columns.npz"

    def found(store: EmbeddedIndexStore) -> list[object]:
        index = store.open("v", dimensions=D)
        dense = [index.search_dense(rows[number], k=5) for number in range(0, 200, 7)]
        terms = [index.search_terms([f"w{number}", "common"], leg="own", k=200) for number in range(0, 200, 7)]
        return [(hits.ids.tolist(), hits.scores.tolist()) for hits in [*dense, *terms]]

    store = EmbeddedIndexStore(tmp_path)
    entries = [index_entry(i + 1, f"common w{i}", row if i % 3 else None) for i, row in enumerate(rows)]
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
    rows = vectors(40)
    store = EmbeddedIndexStore(tmp_path, max_bytes=5 * opened_module._OPEN_BYTES)
    indexes = [store.open(f"v{number}", dimensions=D) for number in range(12)]
    for number, index in enumerate(indexes):
        index.apply(upserts=[index_entry(1, f"word{number}", rows[number])], deletes=[], revision=1)
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
            entry = index_entry(round_, f"w{number}", vectors(1, seed=number)[0])
            handle.apply(upserts=[entry], deletes=[], revision=round_)
            assert sum(other._opened is not None for other in handles) <= 3
    for number, handle in enumerate(handles):
        assert handle is store.open(f"v{number}", dimensions=D)
        assert handle.search_terms([f"w{number}"], leg="own", k=5).ids.tolist() == [1, 2]
    store.close()
    assert all(handle._opened is None for handle in handles)


def test_searches_and_changes_from_many_threads(tmp_path: Path) -> None:
    store = EmbeddedIndexStore(tmp_path, max_open=2)
    rows = vectors(400)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(50):
                index = store.open(f"v{(number + i) % 4}", dimensions=D)
                unit_id = number * 50 + i + 1
                index.apply(upserts=[index_entry(unit_id, "w", rows[unit_id - 1])], deletes=[], revision=unit_id)
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
