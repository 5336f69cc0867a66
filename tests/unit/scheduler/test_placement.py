from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from memporium_services.scheduler.domain.placement import plan
from memporium_services.scheduler.domain.strategies import STRATEGIES, Candidate

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
