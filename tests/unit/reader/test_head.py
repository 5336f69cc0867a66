"""The head of a ranking regards the whole of an episode; the rest of it stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.head import covering, evidence, held, lifted, reordered, spread
from memporium_services.reader.domain.question import Kind, Question
from memporium_services.reader.domain.ranking import Levers, rank


def test_a_group_covers_what_its_statements_hold_together_and_rare_words_count_more():
    words = [frozenset({"pottery"}), frozenset({"kiln"}), frozenset({"pottery"}), frozenset({"rain"})]
    found = covering(["a", "a", "b", "b"], *held(words, {"pottery", "kiln", "glaze"}))
    assert found[0] == found[1] == pytest.approx(1.0)
    assert found[2] == found[3]
    assert 0 < found[2] < 0.5


def test_nothing_asked_for_is_covered_by_nothing():
    assert not covering(["a"], *held([frozenset({"rain"})], {"kiln"})).any()
    assert not covering([], *held([], {"kiln"})).any()


@given(
    pairs=st.lists(st.tuples(st.floats(-1, 2), st.floats(0, 0.3)), max_size=30),
    size=st.integers(1, 9),
)
def test_only_the_head_changes_and_it_stays_the_head(pairs, size):
    scores, bonus = (np.array([pair[side] for pair in pairs], dtype=np.float64) for side in (0, 1))
    found = lifted(scores, bonus, head=size)
    changed = set(np.flatnonzero(found != scores).tolist())
    assert len(changed) <= size
    head = set(np.argsort(-(scores + bonus), kind="stable")[:size].tolist())
    assert changed <= head
    rest = [value for index, value in enumerate(found.tolist()) if index not in head]
    assert max(rest, default=-9) <= min((found[index] for index in head), default=9)


def test_of_equal_statements_the_one_whose_episode_tells_the_rest_comes_first_and_the_lever_switches_it_off():
    question = Question("Where did the greyhound win the race?", Kind.FACT, ("greyhound", "win", "race"))
    legs = {"dense": 0.5, "own": 1.0, "context": 1.0}
    found = [
        Candidate("rain", 0, "The greyhound slept.", source="s1", legs=legs),
        Candidate("rain", 1, "It rained all day.", source="s1", legs={"dense": 0.1, "own": 0.0, "context": 0.0}),
        Candidate("race", 0, "The greyhound barked.", source="s2", legs=legs),
        Candidate("race", 1, "We saw the race.", source="s2", legs={"dense": 0.1, "own": 0.0, "context": 0.0}),
    ]
    ranked = rank(found, question, names=(), levers=Levers())
    assert ranked.order[0] == 2
    assert ranked.parts["session"][2] > ranked.parts["session"][0]
    assert ranked.scores[2] == pytest.approx(sum(part[2] for part in ranked.parts.values()))
    assert rank(found, question, names=(), levers=Levers(session_scores=False)).order[0] == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), min_size=1, max_size=30), st.integers(1, 6))
def test_the_first_change_places_among_themselves_alone(pairs, first):
    scores, bonus = (np.array(column) for column in zip(*pairs, strict=True))
    before = np.argsort(-scores, kind="stable")
    after = np.argsort(-reordered(scores, bonus, first=first), kind="stable")
    assert set(before[:first]) == set(after[:first])
    assert list(before[first:]) == list(after[first:])


def test_a_session_with_more_to_say_comes_first_though_its_best_statement_is_not_the_best():
    groups = ["one", *["other"] * 6]
    found = evidence(groups, np.array([1.0, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8]))
    assert found.tolist() == [0.0, *[1.0] * 6]
    # A sixth statement adds nothing: long sessions would always win.
    longer = evidence(["one"] * 5 + ["other"] * 6, np.array([0.5] * 11))
    assert longer.tolist() == [0.0] * 11
    assert evidence([], np.array([])).tolist() == []


def test_further_statements_of_an_episode_stand_back_behind_the_first_places():
    groups = ["a", "a", "a", "a", "b", "a"]
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.58, 0.5])
    found = spread(groups, scores, 0.03, first=2)
    assert found.tolist() == pytest.approx([0.9, 0.8, 0.64, 0.51, 0.58, 0.38])
    assert spread(["a"] * 9, np.full(9, 1.0), 0.1, first=0).min() == pytest.approx(0.6)


def test_scores_fall_in_the_order_of_the_ranking_and_diversity_switches_the_spread_off():
    # The words of the question are in each; those of one episode are a little better, and one tells nothing.
    legs = [{"own": 9.0 - number / 30, "context": 9.0} for number in range(10)] + [{"own": 0.0, "context": 0.0}]
    cubes = ["one"] * 9 + ["other", "none"]
    candidates = [
        Candidate(cube, number, "I baked bread then.", source=cube, legs=leg)
        for number, (cube, leg) in enumerate(zip(cubes, legs, strict=True))
    ]
    question = Question("Which breads were baked?", Kind.LIST, ("bread", "bake"))
    apart = rank(candidates, question, names=(), levers=Levers())
    alike = rank(candidates, question, names=(), levers=Levers(diversity=False))
    places = [list(one.order).index(9) for one in (apart, alike)]
    assert places[0] < places[1]
    # Who asks for one thing is not served by many episodes.
    single = rank(candidates, replace(question, kind=Kind.FACT), names=(), levers=Levers())
    assert list(single.order).index(9) == places[1]
    assert list(np.diff(apart.scores[apart.order]) <= 0) == [True] * 10
    assert sum(apart.parts.values()) == pytest.approx(apart.scores)
