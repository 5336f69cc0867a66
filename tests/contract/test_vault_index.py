from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from memporium_platform.storage.index.open_index import open_index_store
from memporium_platform.storage.index.vault_index import IndexEntry
from support.counter_tables import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from memporium_platform.storage.index.vault_index import Hits, IndexStore, VaultIndex

D = 16


KEYS = ("vault", "alone", "crowded", "gone", "stays", *(f"tenant-{i}" for i in range(5)))


@pytest.fixture(params=["embedded", pytest.param("milvus", marks=pytest.mark.servers)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "embedded":
        yield Settings(tmp_path)
        return
    shared = Settings(tmp_path, index_url=f"milvus://{request.getfixturevalue('milvus_path')}")
    yield shared
    store = open_index_store(shared)
    for key in KEYS:
        store.destroy(key)
    store.close()


@pytest.fixture
def store(settings: Settings) -> Iterator[IndexStore]:
    opened = open_index_store(settings)
    yield opened
    opened.close()


@pytest.fixture
def index(store: IndexStore) -> VaultIndex:
    return store.open("vault", dimensions=D)


def _vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, D)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _entry(unit_id: int, own: str = "", context: str = "", vector: NDArray[np.float32] | None = None) -> IndexEntry:
    return IndexEntry(unit_id, tuple(own.split()), tuple(context.split()), vector)


def _ids(hits: Hits) -> list[int]:
    assert hits.ids.dtype == np.int64
    assert hits.scores.dtype == np.float32
    assert list(hits.scores) == sorted(hits.scores, reverse=True)
    return hits.ids.tolist()


def test_a_new_index_is_empty(index: VaultIndex) -> None:
    assert index.revision == 0
    assert _ids(index.search_dense(_vectors(1)[0], k=5)) == []
    assert _ids(index.search_terms(["a"], leg="own", k=5)) == []
    assert np.isnan(index.score_dense(_vectors(1)[0], np.array([1, 2]))).all()


def test_dense_is_exact_cosine(index: VaultIndex) -> None:
    rows = _vectors(300)
    index.apply(upserts=[_entry(i + 10, vector=row) for i, row in enumerate(rows)], deletes=[], revision=3)
    assert index.revision == 3
    query = _vectors(1, seed=9)[0]
    expected = np.argsort(-(rows @ query))[:7]
    hits = index.search_dense(query, k=7)
    assert _ids(hits) == (expected + 10).tolist()
    np.testing.assert_allclose(hits.scores, (rows @ query)[expected], atol=1e-5)


def test_dense_among_allowed(index: VaultIndex) -> None:
    rows = _vectors(300)
    index.apply(upserts=[_entry(i + 1, vector=row) for i, row in enumerate(rows)], deletes=[], revision=1)
    allowed = np.array([5, 50, 77, 200, 9999], dtype=np.int64)
    query = _vectors(1, seed=4)[0]
    best = sorted([5, 50, 77, 200], key=lambda unit_id: -float(rows[unit_id - 1] @ query))
    assert _ids(index.search_dense(query, k=3, allowed=allowed)) == best[:3]
    assert _ids(index.search_dense(query, k=50, allowed=allowed)) == best
    assert _ids(index.search_dense(query, k=5, allowed=np.array([], dtype=np.int64))) == []
    assert _ids(index.search_dense(query, k=0)) == []


def test_scores_of_given_units(index: VaultIndex) -> None:
    rows = _vectors(3)
    index.apply(
        upserts=[_entry(1, vector=rows[0]), _entry(2, "word"), _entry(3, vector=rows[2])], deletes=[], revision=1
    )
    scores = index.score_dense(rows[0], np.array([3, 2, 1, 99], dtype=np.int64))
    np.testing.assert_allclose(scores, [rows[2] @ rows[0], np.nan, 1.0, np.nan], atol=1e-5)
    assert 2 not in _ids(index.search_dense(rows[0], k=10))


def test_every_score_is_its_own_units(index: VaultIndex) -> None:
    """Units come and go, so that places are taken again; whoever asks for all of them may ask in any order."""
    rng = np.random.default_rng(7)
    rows = _vectors(60, seed=5)
    alive: set[int] = set()
    for step in range(12):
        gone = rng.permutation(sorted(alive))[:3].tolist()
        come = [5 * step + i + 1 for i in range(5)]
        index.apply(upserts=[_entry(i, vector=rows[i - 1]) for i in come], deletes=gone, revision=step + 1)
        alive = (alive - set(gone)) | set(come)
        ids = np.array(sorted(alive), dtype=np.int64)
        for unit_id in come:
            query = rows[unit_id - 1]
            assert _ids(index.search_dense(query, k=1)) == [unit_id]
            assert _ids(index.search_dense(query, k=1, allowed=ids)) == [unit_id]
        mixed = rng.permutation(ids)
        np.testing.assert_allclose(index.score_dense(rows[0], mixed), rows[mixed - 1] @ rows[0], atol=1e-5)


def test_bm25_by_leg(index: VaultIndex) -> None:
    entries = [
        _entry(1, "cat sat mat", "cat sat mat dog ran"),
        _entry(2, "dog ran", "cat sat mat dog ran"),
        _entry(3, "cat cat cat", ""),
        _entry(4, "bird", "bird cat"),
    ]
    index.apply(upserts=entries, deletes=[], revision=1)
    assert _ids(index.search_terms(["cat"], leg="own", k=10)) == [3, 1]
    assert set(_ids(index.search_terms(["cat"], leg="context", k=10))) == {1, 2, 4}
    assert _ids(index.search_terms(["bird", "dog"], leg="own", k=1)) == [4]
    assert _ids(index.search_terms(["cat"], leg="own", k=10, allowed=np.array([1, 2], dtype=np.int64))) == [1]
    assert _ids(index.search_terms([], leg="own", k=10)) == []
    assert _ids(index.search_terms(["unknown"], leg="own", k=10)) == []


def test_bm25_scores_are_the_formula(index: VaultIndex) -> None:
    index.apply(upserts=[_entry(1, "a a b"), _entry(2, "a c c c c"), _entry(3, "d")], deletes=[], revision=1)
    rarity = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))

    def one(frequency: int, length: int) -> float:
        return rarity * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * length / 3))

    hits = index.search_terms(["a"], leg="own", k=2)
    assert _ids(hits) == [1, 2]
    np.testing.assert_allclose(hits.scores, [one(2, 3), one(1, 5)], rtol=1e-3)


def test_units_beside_the_index_count_as_if_they_were_in_it(store: IndexStore) -> None:
    here = [_entry(1, "a b", "a b c"), _entry(2, "a", "c"), _entry(3, "c c")]
    there = [_entry(10, "a a z", "a z"), _entry(11, "b", "")]
    hidden = [_entry(20 + i, "a z z") for i in range(5)]
    whole, parted, other = (store.open(key, dimensions=D) for key in ("alone", "crowded", "vault"))
    whole.apply(upserts=here + there, deletes=[], revision=1)
    parted.apply(upserts=here + hidden, deletes=[], revision=1)
    other.apply(upserts=there, deletes=[], revision=1)
    allowed, terms = np.array([1, 2, 3], dtype=np.int64), ["a", "z", "b"]
    for leg in ("own", "context"):
        of_here = parted.term_statistics(terms, leg=leg, allowed=allowed)
        of_there = other.term_statistics(terms, leg=leg)
        ours = parted.search_terms(terms, leg=leg, k=9, allowed=allowed, beside=of_there)
        theirs = other.search_terms(terms, leg=leg, k=9, beside=of_here)
        hits = whole.search_terms(terms, leg=leg, k=9)
        wanted = dict(zip(hits.ids.tolist(), hits.scores.tolist(), strict=True))
        found = dict(zip([*ours.ids.tolist(), *theirs.ids.tolist()], [*ours.scores, *theirs.scores], strict=True))
        assert found == pytest.approx(wanted, rel=1e-5)
    assert (of_here.units, of_here.terms, of_here.holding) == (2, 4, (1, 0, 1))


def test_scores_tell_nothing_of_what_a_filter_hides(store: IndexStore) -> None:
    allowed = np.array([1, 2, 3], dtype=np.int64)
    visible = [_entry(1, "a b"), _entry(2, "a"), _entry(3, "c")]
    alone, crowded = store.open("alone", dimensions=D), store.open("crowded", dimensions=D)
    alone.apply(upserts=visible, deletes=[], revision=1)
    crowded.apply(upserts=visible + [_entry(10 + i, "a a z") for i in range(20)], deletes=[], revision=1)
    ours, theirs = (index.search_terms(["a"], leg="own", k=9, allowed=allowed) for index in (alone, crowded))
    assert _ids(ours) == _ids(theirs) == [2, 1]
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-5)


def test_upserts_replace_and_deletes_remove(index: VaultIndex) -> None:
    old, new = _vectors(2)
    index.apply(upserts=[_entry(1, "old", "old", old), _entry(2, "stays")], deletes=[], revision=1)
    index.apply(upserts=[_entry(1, "new", "new", new)], deletes=[], revision=2)
    assert _ids(index.search_terms(["old"], leg="own", k=9)) == []
    assert _ids(index.search_terms(["old"], leg="context", k=9)) == []
    assert _ids(index.search_terms(["new"], leg="own", k=9)) == [1]
    assert index.score_dense(new, np.array([1]))[0] == pytest.approx(1.0, abs=1e-5)
    index.apply(upserts=[], deletes=[1, 77], revision=3)
    assert _ids(index.search_terms(["new", "stays"], leg="own", k=9)) == [2]
    assert _ids(index.search_dense(new, k=9)) == []
    assert index.revision == 3


def test_the_same_changes_twice_are_as_once(index: VaultIndex) -> None:
    rows = _vectors(2)
    changes = [_entry(1, "a b", "c", rows[0]), _entry(2, "a", "c", rows[1])]
    index.apply(upserts=changes, deletes=[9], revision=5)
    before = index.search_terms(["a"], leg="own", k=9)
    index.apply(upserts=changes, deletes=[9], revision=5)
    after = index.search_terms(["a"], leg="own", k=9)
    assert _ids(before) == _ids(after) == [2, 1]
    np.testing.assert_allclose(before.scores, after.scores, rtol=1e-6)
    assert sorted(_ids(index.search_dense(rows[0], k=9))) == [1, 2]
    assert index.revision == 5


def test_everything_is_there_after_reopening(settings: Settings) -> None:
    rows = _vectors(40)
    first = open_index_store(settings)
    opened = first.open("vault", dimensions=D)
    opened.apply(upserts=[_entry(i + 1, f"w{i} all", "", row) for i, row in enumerate(rows)], deletes=[], revision=8)
    opened.apply(upserts=[], deletes=[3], revision=9)
    first.close()
    second = open_index_store(settings)
    again = second.open("vault", dimensions=D)
    assert again.revision == 9
    assert _ids(again.search_terms(["w7"], leg="own", k=3)) == [8]
    assert len(_ids(again.search_terms(["all"], leg="own", k=99))) == 39
    assert _ids(again.search_dense(rows[20], k=1)) == [21]
    assert _ids(again.search_dense(rows[2], k=1)) != [3]
    second.close()


def test_no_tenant_starves(store: IndexStore) -> None:
    # A collection of Milvus Lite takes a second to make.
    tenants, rows_each = (200 if isinstance(store, EmbeddedIndexStore) else 5), 6
    rows = _vectors(tenants * rows_each).reshape(tenants, rows_each, D)
    for tenant in range(tenants):
        entries = [_entry(i + 1, "word", "word", row) for i, row in enumerate(rows[tenant])]
        store.open(f"tenant-{tenant}", dimensions=D).apply(upserts=entries, deletes=[], revision=1)
    query = _vectors(1, seed=77)[0]
    for tenant in range(tenants):
        index = store.open(f"tenant-{tenant}", dimensions=D)
        for k in (1, 4, 10):
            assert len(_ids(index.search_dense(query, k=k))) == min(k, rows_each)
            assert len(_ids(index.search_terms(["word"], leg="own", k=k))) == min(k, rows_each)
        assert index.score_dense(query, np.array([1]))[0] == pytest.approx(float(rows[tenant][0] @ query), abs=1e-5)


def test_a_destroyed_index_is_new_again(store: IndexStore) -> None:
    store.open("gone", dimensions=D).apply(upserts=[_entry(1, "a", "a", _vectors(1)[0])], deletes=[], revision=4)
    store.open("stays", dimensions=D).apply(upserts=[_entry(1, "a")], deletes=[], revision=4)
    store.destroy("gone")
    store.destroy("never-was")
    fresh = store.open("gone", dimensions=D)
    assert fresh.revision == 0
    assert _ids(fresh.search_terms(["a"], leg="own", k=9)) == []
    assert _ids(store.open("stays", dimensions=D).search_terms(["a"], leg="own", k=9)) == [1]


def test_another_dimension_starts_anew(store: IndexStore) -> None:
    store.open("vault", dimensions=D).apply(upserts=[_entry(1, "a", "", _vectors(1)[0])], deletes=[], revision=4)
    other = store.open("vault", dimensions=8)
    assert other.revision == 0
    other.apply(upserts=[_entry(1, "a", "", np.eye(8, dtype=np.float32)[0])], deletes=[], revision=1)
    assert _ids(other.search_dense(np.eye(8, dtype=np.float32)[0], k=3)) == [1]


def test_wrong_vectors_and_keys_are_refused(store: IndexStore, index: VaultIndex) -> None:
    for wrong in (np.zeros(D + 1, np.float32), np.full(D, np.nan, np.float32)):
        with pytest.raises(ValueError, match="finite"):
            index.search_dense(wrong, k=1)
        with pytest.raises(ValueError, match="finite"):
            index.apply(upserts=[_entry(1, vector=wrong)], deletes=[], revision=1)
    with pytest.raises(ValueError, match="leg"):
        index.search_terms(["a"], leg="other", k=1)
    for key in ("", "../x", "a/b", 'a"b'):
        with pytest.raises(ValueError, match="key"):
            store.open(key, dimensions=D)
