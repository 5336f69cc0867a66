"""The head of a ranking regards the whole of an episode; the rest of it stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.head import covering, held, lifted
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
