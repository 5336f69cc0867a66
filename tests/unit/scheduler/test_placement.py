from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.tiering.catalogue import plugins
from memporium_services.scheduler.domain.placement import plan
from memporium_services.scheduler.domain.strategies import STRATEGIES, ByPolicy, Candidate, by_title

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _candidate(name: str, **changes) -> Candidate:
    given_ = {
        "cube": name,
        "size_bytes": 10,
        "hot": True,
        "last_use": NOW,
        "heat": 0.0,
        "priority": 0,
        "labels": frozenset(),
    }
    return Candidate(**(given_ | changes))


def _hot(candidates, strategy, budget, labels=()):
    decided = plan(candidates, STRATEGIES[strategy], budget_bytes=budget, now=NOW, labels=frozenset(labels))
    return [one.candidate.cube for one in decided if one.hot]


def test_lru_keeps_what_was_used_last():
    old, new = _candidate("old", last_use=NOW - timedelta(days=1)), _candidate("new")
    assert _hot([old, new], "lru", 10) == ["new"]


def test_label_prefers_the_asked_labels_over_recency():
    labelled = _candidate("labelled", labels=frozenset({"law"}), last_use=NOW - timedelta(days=9))
    assert _hot([_candidate("plain"), labelled], "label", 10, ["law"]) == ["labelled"]


def test_heat_counts_use_and_priority():
    warm, dear = _candidate("warm", heat=2.0), _candidate("dear", heat=1.5, priority=100)
    assert _hot([warm, dear], "heat", 10) == ["dear"]


def test_what_does_not_fit_is_passed_over_for_a_smaller_one():
    big, small = _candidate("big", size_bytes=11), _candidate("small", last_use=NOW - timedelta(days=1))
    assert _hot([big, small], "lru", 10) == ["small"]


def test_pinned_memories_stay_where_they_are_and_count_first():
    pinned = _candidate("pinned", pinned=True, last_use=NOW - timedelta(days=99))
    archived = _candidate("archived", pinned=True, hot=False)
    assert _hot([pinned, archived, _candidate("new")], "lru", 10) == ["pinned"]


def test_semantic_keeps_what_is_near_the_topic():
    near, far = _candidate("near", similarity=0.8, last_use=NOW - timedelta(days=9)), _candidate("far", similarity=0.2)
    assert _hot([far, near], "semantic", 10) == ["near"]


def test_what_is_not_searched_is_judged_by_its_title_and_labels():
    archived = _candidate("a", title="Descaling the coffee machine", labels=frozenset({"kitchen"}))
    assert by_title(archived, "the coffee kitchen") == pytest.approx(0.5)
    assert by_title(archived, "Where do bicycles go?") == 0.0
    assert by_title(archived, "a") == 0.0


def test_lfu_keeps_what_is_used_most_whatever_its_priority():
    assert _hot([_candidate("dear", heat=1.0, priority=100), _candidate("often", heat=1.5)], "lfu", 10) == ["often"]


def test_hybrid_keeps_what_saves_the_most_per_byte():
    small = _candidate("small", size_bytes=10, heat=2.0, saved_s=1.0, hot=False)
    big = _candidate("big", size_bytes=100, heat=9.0, saved_s=2.0, hot=False)
    assert _hot([small, big], "hybrid", 100) == ["small"]
    assert _hot([small, big], "hybrid", 110) == ["small", "big"]


def test_hybrid_moves_nothing_that_is_but_a_little_better():
    there = _candidate("there", heat=2.0, saved_s=1.0)
    alike, better = (_candidate("new", heat=heat, saved_s=1.0, hot=False) for heat in (2.1, 2.5))
    assert _hot([there, alike], "hybrid", 10) == ["there"]
    assert _hot([there, better], "hybrid", 10) == ["new"]


def test_a_policy_of_the_tier_places_memories_too():
    old, new = _candidate("old", last_use=NOW - timedelta(days=1)), _candidate("new")
    often = _candidate("often", heat=9.0, last_use=NOW - timedelta(minutes=1))
    candidates = [new, old, often]
    for name, kept in (("lru", "new"), ("lfu", "often")):
        strategy = ByPolicy(plugins()[name], candidates, budget_bytes=10)
        decided = plan(candidates, strategy, budget_bytes=10, now=NOW)
        assert [one.candidate.cube for one in decided if one.hot] == [kept]


_CANDIDATES = st.lists(
    st.builds(
        _candidate,
        st.uuids().map(str),
        size_bytes=st.integers(0, 100),
        hot=st.booleans(),
        heat=st.floats(0, 10),
        priority=st.integers(0, 100),
    ),
    max_size=20,
)


@given(_CANDIDATES, st.integers(0, 500), st.sampled_from(sorted(STRATEGIES)))
def test_a_plan_decides_each_memory_once_and_holds_the_budget(candidates, budget, strategy):
    decided = plan(candidates, STRATEGIES[strategy], budget_bytes=budget, now=NOW)
    assert sorted(one.candidate.cube for one in decided) == sorted(one.cube for one in candidates)
    assert sum(one.candidate.size_bytes for one in decided if one.hot) <= budget
