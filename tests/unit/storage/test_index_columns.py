"""The directory in memory and BM25 take short cuts; these are the long ways."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from memporium_platform.storage.index import columns as columns_module
from memporium_platform.storage.index.bm25 import K1, B, bm25
from memporium_platform.storage.index.columns import Columns
from memporium_platform.storage.index.postings import Directory, UnitRow
from memporium_platform.storage.index.ranking import sorted_distinct

NONE = np.empty(0, np.int64)
EMPTY = Directory(NONE, NONE, NONE.astype(np.float32), NONE.astype(np.float32), NONE.astype(np.bool_))


def _row(slot: int, unit_id: int, numbers: np.random.Generator) -> UnitRow:
    own = Counter({int(term): 1 for term in numbers.integers(0, 50, numbers.integers(0, 6))})
    context = Counter({int(term): 2 for term in numbers.integers(0, 50, numbers.integers(0, 3))})
    return UnitRow(slot, unit_id, own, context, bool(numbers.random() < 0.8))


@pytest.mark.parametrize("most_recent", [3, 1000])
def test_columns_say_after_any_changes_what_is_there(most_recent, monkeypatch):
    monkeypatch.setattr(columns_module, "_MOST_RECENT", most_recent)
    numbers = np.random.default_rng(3)
    columns, there = Columns(EMPTY), {}
    for step in range(200):
        gone = [slot for slot in there if numbers.random() < 0.1]
        returning = [there[slot].unit_id for slot in gone[:1]]
        fresh = [1000 * step + 1 + number for number in range(int(numbers.integers(0, 5)))]
        ids = returning + fresh
        slots = columns.free_slots(len(ids))
        rows = [_row(slot, unit_id, numbers) for slot, unit_id in zip(slots, ids, strict=True)]
        columns.change(remove=gone, add=rows)
        for slot in gone:
            del there[slot]
        there |= {row.slot: row for row in rows}
        if numbers.random() < 0.7:
            asked = np.array([row.unit_id for row in there.values()] + [7777, 1 + 1000 * step + 900], np.int64)
            assert columns.positions(asked).tolist() == [*there, -1, -1]
        assert columns.vectors == sum(row.has_vector for row in there.values())
        for leg, terms in enumerate([[row.own for row in there.values()], [row.context for row in there.values()]]):
            totals = [one.total() for one in terms]
            assert columns.sizes(leg) == (sum(total > 0 for total in totals), sum(totals))


@pytest.mark.parametrize("share", [0.004, 0.3])
@pytest.mark.parametrize("filtered", [False, True])
def test_bm25_is_what_the_formula_says(share, filtered):
    numbers = np.random.default_rng(5)
    lengths = (numbers.integers(0, 20, 4000) * (numbers.random(4000) < 0.9)).astype(np.float32)
    lists = []
    for _ in range(4):
        slots = np.flatnonzero((numbers.random(4000) < share) & (lengths > 0))
        lists.append((slots, numbers.integers(1, 4, len(slots)).astype(np.float32), int(numbers.integers(1, 3))))
    allowed = np.flatnonzero(numbers.random(4000) < 0.5) if filtered else None
    seen = set(range(4000) if allowed is None else allowed.tolist())
    lived = [float(lengths[slot]) for slot in seen if lengths[slot]]
    wanted: dict[int, float] = {}
    for slots, frequencies, weight in lists:
        pairs = [(slot, float(count)) for slot, count in zip(slots.tolist(), frequencies, strict=True) if slot in seen]
        rarity = np.log1p((len(lived) - len(pairs) + 0.5) / (len(pairs) + 0.5))
        for slot, count in pairs:
            norm = K1 * (1 - B + B * lengths[slot] / np.mean(lived))
            wanted[slot] = wanted.get(slot, 0.0) + weight * rarity * count * (K1 + 1) / (count + norm)
    found, scores = bm25(lists, lengths=lengths, sizes=(np.count_nonzero(lengths), int(lengths.sum())), allowed=allowed)
    assert found.tolist() == sorted(wanted)
    np.testing.assert_allclose(scores, [wanted[slot] for slot in found.tolist()], rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 400])
def test_different_numbers_are_those_of_numpy(count):
    numbers = np.random.default_rng(count).integers(-5, 200, count)
    before = numbers.copy()
    found = sorted_distinct(numbers)
    assert found.tolist() == np.unique(numbers).tolist()
    assert found.dtype == np.int64
    found += 1
    assert numbers.tolist() == before.tolist()
