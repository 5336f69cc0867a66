"""Counts that begin anew where interests change, and how much weight is shared out again."""

from __future__ import annotations

import random

import pytest

from memporium_platform.tiering import traces
from memporium_platform.tiering.expected import _SHARED, ByCount, ExpectedSavings
from memporium_platform.tiering.hybrid import Hybrid
from memporium_platform.tiering.policies import Item, LeastRecentlyUsed
from memporium_platform.tiering.simulation import replay
from memporium_platform.tiering.spells import BySpell


def item(key, *labels):
    return Item(key, 10, 1.0, frozenset(labels))


def told(prediction, items, now=0.0, gap=5.0):
    """Tell a prediction of uses; return when the last was."""
    for one in items:
        now += gap
        prediction.add(one, now, "")
    return now


def drawn(keys, uses, seed, label="topic"):
    """Return uses of which the first key is the most frequent one."""
    chance = random.Random(seed)
    weights = [1.0 / (rank + 1) for rank in range(len(keys))]
    return [item(key, label) for key in chance.choices(keys, weights, k=uses)]


def test_a_change_of_interest_is_found_sooner_than_by_decay():
    spells, counts = BySpell(), ByCount(7_680.0)
    for prediction in (spells, counts):
        told(prediction, drawn("abcdefgh", 600, 1) + drawn("hgfedcba", 40, 2))
    old, new = item("a", "topic"), item("h", "topic")
    assert spells.chance(new, 3_200.0, "") > spells.chance(old, 3_200.0, "")
    assert counts.chance(new, 3_200.0, "") < counts.chance(old, 3_200.0, "")


def test_what_was_never_used_since_the_change_profits_from_its_label():
    spells = BySpell()
    now = told(spells, [*drawn("abcd", 300, 1, "east"), item("x", "west"), *drawn("pq", 12, 2, "west")])
    assert spells.chance(item("x", "west"), now, "") > 2 * spells.chance(item("a", "east"), now, "")
    alike = BySpell(labels=False)
    now = told(alike, [*drawn("abcd", 300, 1, "east"), item("x", "west"), *drawn("pq", 12, 2, "west")])
    assert alike.chance(item("x", "west"), now, "") < spells.chance(item("x", "west"), now, "")


def test_what_only_broke_off_is_found_again():
    # Everything is read once, and then things go on as they were: after ten uses the old order rules again.
    before, once = drawn("abcdefgh", 400, 1), [item(f"once-{index}", "topic") for index in range(60)]
    spells = BySpell()
    now = told(spells, [*before, *once])
    during = spells.chance(item("a", "topic"), now, "")
    now = told(spells, drawn("abcdefgh", 10, 3), now)
    after = spells.chance(item("a", "topic"), now, "")
    assert after > 0.15
    assert after > 1.5 * during
    assert after > 10 * spells.chance(item("once-59", "topic"), now, "")


def test_chances_are_shares():
    spells, keys = BySpell(), "abcdefgh"
    now = told(spells, drawn(keys, 200, 1, "east") + drawn("mnop", 30, 2, "west"))
    everything = [item(key, "east") for key in keys] + [item(key, "west") for key in "mnop"]
    total = sum(spells.chance(one, now, "") for one in everything)
    assert 0.9 < total <= 1.0 + 1e-9


def test_labels_in_any_order_give_the_same():
    one, other = BySpell(), BySpell()
    names = [f"label-{index}" for index in range(6)]
    for index in range(40):
        carried = names[index % 3 : index % 3 + 4]
        one.add(Item(f"k{index % 7}", 10, 1.0, frozenset(carried)), float(index), "")
        other.add(Item(f"k{index % 7}", 10, 1.0, frozenset(reversed(carried))), float(index), "")
    for index in range(7):
        asked = item(f"k{index}", *names)
        assert one.chance(asked, 40.0, "") == other.chance(asked, 40.0, "")


def test_what_spells_remember_is_bounded(monkeypatch):
    monkeypatch.setattr("memporium_platform.tiering.spells._MOST_KEYS", 10)
    monkeypatch.setattr("memporium_platform.tiering.spells._MOST_LABELS", 6)
    monkeypatch.setattr("memporium_platform.tiering.policies._MOST_KEYS", 10)
    spells = BySpell()
    for index in range(300):
        told(spells, [item(f"once-{index}", f"label-{index}"), item("often", "label")], now=index * 10.0)
    assert len(spells._spells) == 8
    assert all(len(one.keys) <= 10 and len(one.labels) <= 6 for one in spells._spells)
    assert len(spells._before) <= 6
    assert spells._members.keys() == spells._before.keys()
    assert spells.chance(item("often", "label"), 3_000.0, "") > 0.2


def test_where_nothing_changes_less_is_shared_out_than_where_much_does():
    steady, restless = ExpectedSavings(context=False), ExpectedSavings(context=False)
    for turn in range(600):
        steady._judge([0.3, 0.1, 0.05, 0.05])
        # Now one foretells, now another, ten uses each.
        restless._judge([0.3, 0.01, 0.01, 0.01] if turn // 10 % 2 else [0.01, 0.01, 0.01, 0.3])

    def shared(policy):
        return sum(trust * share for trust, share in zip(policy._trust, _SHARED, strict=True))

    assert shared(steady) < 0.002
    assert shared(restless) > 0.04
    assert steady._weights[0] > 0.99
    assert sum(restless._weights) == pytest.approx(1.0)


@pytest.mark.parametrize(("make", "least"), [(traces.zipf, 1.4), (traces.shifting, 1.5), (traces.scans, 1.4)])
def test_the_hybrid_saves_much_more_than_recency(make, least):
    memories = traces.made_up_memories(200, 1)
    trace = list(make(memories, 800, 1))
    budget = sum(one.size_bytes for one in memories) // 20
    hybrid = replay(trace, Hybrid(budget), budget_bytes=budget)
    recency = replay(trace, LeastRecentlyUsed(), budget_bytes=budget)
    assert hybrid.saved_s > least * recency.saved_s
