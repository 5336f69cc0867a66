"""Tiers, policies, and the simulator with its bounds."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_platform.tiering import traces
from memporium_platform.tiering.catalogue import POLICIES
from memporium_platform.tiering.expected import ExpectedSavings
from memporium_platform.tiering.policies import DecayedUses, Item, LeastFrequentlyUsed, LeastRecentlyUsed
from memporium_platform.tiering.prediction import Habits, NextNeeds, Successors
from memporium_platform.tiering.simulation import Access, best_possible, replay
from memporium_platform.tiering.tier import Tier


def item(key, size=10, saved=1.0, **more):
    return Item(key, size, saved, **more)


def uses(keys, items=None, gap=1.0):
    known = items or {}
    return [Access(index * gap, known.get(key, item(key))) for index, key in enumerate(keys)]


def test_lru_drops_what_was_used_longest_ago():
    tier = Tier(20, LeastRecentlyUsed())
    for now, key in enumerate("aba"):
        tier.use(item(key), now)
    assert tier.use(item("c"), 3) == (False, ["b"])
    assert set(tier.held) == {"a", "c"}


def test_lfu_keeps_what_is_used_often_and_forgets_with_time():
    tier = Tier(20, LeastFrequentlyUsed(half_life_s=10))
    for now, key in enumerate("aaabc"):
        tier.use(item(key), now)
    assert set(tier.held) == {"a", "c"}
    for now, key in ((200, "b"), (201, "b"), (202, "c")):
        tier.use(item(key), now)
    assert set(tier.held) == {"b", "c"}


@pytest.mark.parametrize("name", ["label", "semantic"])
def test_what_is_alike_stays_when_interest_shifts(name):
    east, west = (
        {"labels": frozenset({"east"}), "vector": (1.0, 0.0)},
        {"labels": frozenset({"west"}), "vector": (0.0, 1.0)},
    )
    tier = Tier(30, POLICIES[name](30))
    tier.use(item("west", **west), 0)
    tier.use(item("east old", **east), 1)
    for now in range(2, 8):
        tier.use(item("east hot", **east), now)
    _, dropped = tier.use(item("east new", **east), 8)
    assert dropped == ["west"]


def test_the_hybrid_holds_what_saves_most_per_byte():
    small, big = item("small", 50, 5.0), item("big", 100, 6.0)
    other = item("other", 50, 5.0)
    trace = uses(["small", "big", "other"] * 30, {"small": small, "big": big, "other": other})
    outcome = replay(trace, POLICIES["hybrid"](100), budget_bytes=100)
    assert outcome.saved_s >= 2 * 25 * 5.0
    assert replay(trace, LeastRecentlyUsed(), budget_bytes=100).hits == 0


def test_reading_everything_once_does_not_empty_the_hybrids_tier():
    keys = list("abc" * 20) + [f"once-{index}" for index in range(50)] + list("abc")
    outcome = replay(uses(keys), POLICIES["hybrid"](30), budget_bytes=30)
    assert outcome.hits == 60
    assert replay(uses(keys), LeastRecentlyUsed(), budget_bytes=30).hits == 57


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.floats(0, 100)), min_size=1, max_size=60),
    st.sampled_from(sorted(POLICIES)),
    st.integers(0, 60),
)
def test_no_policy_exceeds_its_budget_or_the_limit(rows, name, budget):
    sizes = {str(key): item(str(key), 3 + key * 2, 0.5 + key) for key in range(9)}
    at = itertools.accumulate(gap for _, gap in rows)
    trace = [Access(now, sizes[str(key)]) for now, (key, _) in zip(at, rows, strict=True)]
    policy = POLICIES[name](budget)
    tier = Tier(budget, policy)
    saved = 0.0
    for access in trace:
        hit, _ = tier.use(access.item, access.at)
        saved += access.item.saved_s if hit else 0.0
        assert tier.size_bytes == sum(one.size_bytes for one in tier.held.values()) <= budget
    assert saved == pytest.approx(replay(trace, POLICIES[name](budget), budget_bytes=budget).saved_s)
    achievable, limit = best_possible(trace, budget_bytes=budget)
    assert achievable <= limit + 1e-9
    assert saved <= limit + 1e-9


def brute_force(trace, budget):
    """Return the most seconds that can be saved, by trying every choice of intervals."""
    last, intervals = {}, []
    for index, access in enumerate(trace):
        if access.item.key in last:
            intervals.append((last[access.item.key], index, access.item))
        last[access.item.key] = index
    best = 0.0
    for chosen in itertools.product([False, True], repeat=len(intervals)):
        taken = [interval for interval, take in zip(intervals, chosen, strict=True) if take]
        loads = (sum(i.size_bytes for begin, end, i in taken if begin <= step < end) for step in range(len(trace)))
        if all(load <= budget for load in loads):
            best = max(best, sum(i.saved_s for _, _, i in taken))
    return best


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(1, 30))
def test_the_bounds_hold_the_true_optimum(keys, budget):
    known = {key: item(key, 4 + 3 * index, 1.0 + index) for index, key in enumerate("abcd")}
    trace = uses(keys, known)
    achievable, limit = best_possible(trace, budget_bytes=budget)
    assert achievable - 1e-9 <= brute_force(trace, budget) <= limit + 1e-9


def test_prefetching_brings_in_what_always_follows():
    trace = [Access(float(index), item(key), "agent") for index, key in enumerate("abcd" * 20)]
    without = replay(trace, LeastRecentlyUsed(), budget_bytes=20)
    with_it = replay(trace, LeastRecentlyUsed(), budget_bytes=20, predict=Successors())
    assert without.hits == 0
    assert with_it.hits > 60
    assert with_it.prefetched_used / with_it.prefetched > 0.9


def test_agents_are_predicted_apart():
    predict = Successors()
    for _ in range(3):
        for agent, key in (("x", "a"), ("y", "c"), ("x", "b"), ("y", "d")):
            following = predict(Access(0.0, item(key), agent))
    assert [one.key for one in predict(Access(0.0, item("a"), "x"))] == ["b"]
    assert [one.key for one in following] == ["c"]


def test_a_trace_is_kept_and_read_again():
    trace = list(traces.zipf(traces.made_up_memories(5, 1), 20, 2))
    again = list(traces.read(traces.write(trace)))
    assert [(one.at, one.item.key, one.item.saved_s, one.item.labels) for one in again] == [
        (one.at, one.item.key, one.item.saved_s, one.item.labels) for one in trace
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"at": -1.0},
        {"at": float("inf")},
        {"size_bytes": -5},
        {"size_bytes": float("inf")},
        {"size_bytes": 1 << 80},
        {"saved_s": float("nan")},
        {"saved_s": float("inf")},
        {"key": None, "at": None},
        {"at": "x"},
    ],
)
def test_a_wrong_line_is_named(change):
    lines = list(traces.write(uses("ab")))
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    with pytest.raises(ValueError, match="line 2"):
        list(traces.read(lines))


def test_a_line_without_bottom_is_a_wrong_one():
    with pytest.raises(ValueError, match="line 1"):
        list(traces.read(["[" * 200_000]))


def test_made_up_traces_are_the_same_for_the_same_seed():
    memories = traces.made_up_memories(30, 4)
    for make in (traces.zipf, traces.shifting, traces.scans):
        one, other = list(make(memories, 400, 9)), list(make(memories, 400, 9))
        assert one == other
        assert one != list(make(memories, 400, 10))
        assert all(a.at <= b.at for a, b in itertools.pairwise(one))


def test_the_hybrid_follows_recency_where_that_saves_more():
    # Bursts: each memory is used often for a while and then never again, so what counts say is always late.
    keys = [f"burst-{index // 6}-{index % 2}" for index in range(600)]
    hybrid = replay(uses(keys), POLICIES["hybrid"](20), budget_bytes=20)
    recency = replay(uses(keys), LeastRecentlyUsed(), budget_bytes=20)
    assert hybrid.saved_s > 0.9 * recency.saved_s > 300


def bursts(rounds):
    """Agents that come in no order, each asking twelve times for its own four memories."""
    chance = random.Random(5)
    for turn in range(rounds):
        agent = chance.choice("uvwxyz")
        for step in range(12):
            key = chance.choice("abcd")
            yield Access(float(turn * 12 + step), item(f"{agent}-{key}", labels=frozenset({agent})), agent)


def test_who_asks_says_more_than_what_was_asked_most():
    trace = list(bursts(60))
    context = replay(trace, ExpectedSavings(), budget_bytes=40)
    counts = replay(trace, ExpectedSavings(context=False), budget_bytes=40)
    assert context.saved_s > counts.saved_s


def test_an_agent_that_comes_back_finds_its_memories():
    trace = list(bursts(60))
    alone = replay(trace, POLICIES["hybrid"](40), budget_bytes=40)
    ahead = replay(trace, POLICIES["hybrid"](40), budget_bytes=40, predict=NextNeeds())
    assert ahead.saved_s > alone.saved_s
    assert ahead.prefetched_used / ahead.prefetched > 0.5


def test_habits_name_what_one_agent_uses_and_nothing_of_others():
    habits = Habits(most=2)
    for agent, key in (("x", "a"), ("x", "a"), ("x", "b"), ("y", "c"), ("y", "c")):
        habits(Access(0.0, item(key), agent))
    assert [one.key for one in habits(Access(1.0, item("b"), "x"))] == ["a"]
    assert habits(Access(1.0, item("a"), "")) == []


def test_counts_of_all_decay_as_those_of_each():
    uses_ = DecayedUses(10.0)
    uses_.add("a", 0.0)
    uses_.add("b", 10.0)
    assert uses_.total(10.0) == pytest.approx(1.5)
    assert uses_.share("b", 20.0) == pytest.approx(1 / 1.5)
    assert DecayedUses(1.0).share("a", 5.0) == 0.0


def test_what_is_remembered_of_memories_is_bounded(monkeypatch):
    monkeypatch.setattr("memporium_platform.tiering.policies._MOST_KEYS", 10)
    counts, recency = DecayedUses(10.0), LeastRecentlyUsed()
    for index in range(100):
        counts.add(f"once-{index}", index)
        counts.add("often", index)
        recency.used(item(f"once-{index}"), index)
    assert "often" in counts
    assert len(counts._counts) <= 11
    assert len(recency._last) == 10


def of(item_):
    return item_.key[0]


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_group_that_asks_for_much_leaves_the_others_their_share(name):
    tier = Tier(100, POLICIES[name](100), group=of)
    quiet = [item(f"q{index}") for index in range(3)]
    for now in range(200):
        for turn in range(5):
            tier.use(item(f"f{now}-{turn}"), float(now))
            tier.use(item(f"f-often-{turn}"), float(now))
        if now % 50 == 10:
            for one in quiet:
                tier.use(one, float(now))
    # A flood of five hundred times as many uses, and each of the quiet one's still finds its place.
    assert {one.key for one in quiet} <= set(tier.held)
    assert sum(tier.bytes_of.values()) == tier.size_bytes <= 100
    # What the quiet group does not claim, the other uses.
    assert tier.bytes_of["f"] == 70


def test_a_group_beyond_its_share_drives_out_its_own_alone():
    tier = Tier(100, LeastRecentlyUsed(), group=of)
    for index in range(5):
        tier.use(item(f"a{index}"), 1.0)
        tier.use(item(f"b{index}"), 2.0)
    assert tier.use(item("b-new"), 3.0) == (False, ["b0"])
    assert tier.bytes_of == {"a": 50, "b": 50}


def test_who_has_used_nothing_for_long_has_no_claim():
    tier = Tier(100, LeastRecentlyUsed(), group=of)
    for index in range(5):
        tier.use(item(f"a{index}"), 1.0)
    for index in range(10):
        tier.use(item(f"b{index}"), 2_000.0 + index)
    assert tier.bytes_of == {"b": 100}


def test_a_group_whose_only_memory_was_replaced_loses_its_claim_like_any_other():
    tier = Tier(45, LeastRecentlyUsed(), group=of)
    tier.use(item("a0", 10), 0.0)
    tier.use(item("a1", 10), 0.0)
    tier.use(item("b0", 11), 0.0)
    assert tier.use(item("b1", 25), 0.0) == (False, ["b0"])
    tier.use(item("a0", 10), 100.0)
    # Group b has asked for nothing in two minutes: it gives way, and group a keeps its half.
    assert tier.use(item("c0", 20), 121.0) == (False, ["b1"])
    assert tier.bytes_of == {"a": 20, "c": 20}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.floats(0, 80)), min_size=1, max_size=80),
    st.sampled_from(["lru", "lfu", "hybrid"]),
    st.integers(5, 80),
)
def test_groups_keep_their_share_of_any_budget(rows, name, budget):
    tier, now, last = Tier(budget, POLICIES[name](budget), group=of), 0.0, {}
    for group, key, gap in rows:
        now += gap
        last[group] = now
        before = dict(tier.bytes_of)
        tier.use(item(f"{group}{key}", 3 + 4 * key), now)
        assert sum(tier.bytes_of.values()) == tier.size_bytes <= budget
        claims = {group} | {one for one in before if now - last[one] <= 120}
        for other in claims - {group}:
            # Down to its share at most, but for the one item that lay across it.
            assert tier.bytes_of.get(other, 0) >= min(before.get(other, 0), budget / len(claims) - 19)
