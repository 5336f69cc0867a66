"""A model's part in the order of the best statements: how much it is, and what no model can do."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from memporium_services.reader.adapters.tally import MetricsTally
from memporium_services.reader.app.judging import Judged, Judging
from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.likelihood import (
    INSTRUCTION,
    PART,
    SESSION,
    WEIGHT,
    message_of,
    reordered,
    with_likelihood,
)
from memporium_services.reader.domain.ranking import Ranked
from memporium_services.reader.ports import WriterError
from memporium_services.reader.settings import ReaderSettings

SCORES = np.array([2.0, 1.9, 1.8, 1.0, 0.5])
ORDER = [0, 1, 2, 3, 4]
# What a nat a token adds to the best statement of a session.
POINT = WEIGHT * (1 + SESSION)


def told(text, **more):
    return Candidate(cube=f"orgs/a/vaults/v/cubes/{text}", ordinal=0, text=text, **more)


class ScriptedJudge:
    model = "scripted"

    def __init__(self, values):
        self.values, self.asked = values, []

    async def likelihoods(self, instructions, messages, answer, *, timeout_s):
        self.asked.append((instructions, list(messages), answer, timeout_s))
        if isinstance(self.values, str):
            raise WriterError(self.values)
        return [self.values[message] for message in messages]


@pytest.fixture
def registry():
    return CollectorRegistry()


def judging(judge, registry, **settings):
    return Judging(judge, MetricsTally(registry), ReaderSettings(**settings))


def again(likelihoods, *, head=4, sessions=range(5)):
    return reordered(SCORES, ORDER, likelihoods, head=ORDER[:head], sessions=sessions)


def test_the_likelier_comes_first_as_far_as_it_stands_near():
    added, order = again({0: -3.0, 1: -2.5, 2: -3.0, 3: -2.0})
    assert order == [1, 0, 2, 3, 4]
    # Each is the best of its session, which counts once more.
    assert list(added) == pytest.approx([0, 0.5 * POINT, 0, POINT, 0])


def test_a_likely_statement_lends_to_those_of_its_session():
    added, order = again({0: -3.0, 1: -2.8, 2: -1.0, 3: -2.8}, sessions=["a", "b", "c", "c", "c"])
    assert order == [2, 1, 0, 3, 4]
    assert added[3] - added[1] == pytest.approx(WEIGHT * SESSION * 1.8)
    assert added[4] == 0


def test_who_stands_behind_the_first_stays_there_and_scores_keep_falling():
    added, order = again({0: -9.0, 1: -8.0, 2: -2.0}, head=3)
    assert order == [2, 1, 0, 3, 4]
    assert list(np.diff((SCORES + added)[order]) <= 0) == [True] * 4


def test_who_was_not_asked_about_is_taken_for_an_average_one():
    added, order = again({0: -3.0, 2: -2.0}, head=3)
    assert added[1] == pytest.approx(0.5 * POINT)
    assert order == [2, 1, 0, 3, 4]


def test_one_that_repeats_the_question_gains_no_more_than_a_good_one_could():
    added, _ = again({0: -3.0, 1: -3.0, 2: -3.0, 3: -3.0, 4: -0.001}, head=5)
    assert added[4] == pytest.approx(2.0 * POINT)


def test_what_was_brought_in_since_gets_nothing():
    ranked = Ranked(np.arange(3), np.array([1.0, 0.5, 0.0]), {"legs": np.zeros(3)}, {}, [frozenset()] * 3)
    found = with_likelihood(ranked, np.array([0.25, 0.5]))
    assert list(found.scores) == [1.25, 1.0, 0.0]
    assert list(found.parts[PART]) == [0.25, 0.5, 0.0]
    assert set(found.parts) == {"legs", PART}


def test_a_message_is_one_clean_line_of_bounded_length():
    assert message_of(told("Ada: one\ntwo\u200b (8 May 2023)")) == "Ada: one two (8 May 2023)"
    assert len(message_of(told("x" * 5_000))) == 600


async def test_only_the_first_are_shown_and_what_came_under_an_agreement_never_is(registry):
    judge = ScriptedJudge({"zero": -4.0, "two": -1.5, "three": -9.0})
    candidates = [told("zero"), told("one", agreement="orgs/b/agreements/x"), told("two"), told("three"), told("four")]
    found = await judging(judge, registry, judge_statements=3).judge("Who?\n", candidates, SCORES, ORDER)
    assert judge.asked == [(INSTRUCTION, ["zero", "two"], "Who?", 4.0)]
    assert found.order == (2, 1, 0, 3, 4)
    assert (found.model, found.failure) == ("scripted", "")
    assert registry.get_sample_value("memporium_reader_judgings_total", {"failure": ""}) == 1
    assert registry.get_sample_value("memporium_reader_model_seconds_count", {"use": "judge"}) == 1


async def test_without_a_model_or_a_choice_nothing_is_asked(registry):
    candidates = [told("zero"), told("one", agreement="orgs/b/agreements/x")]
    assert await judging(None, registry).judge("Who?", candidates, SCORES[:2], [1, 0]) == Judged((1, 0))
    judge = ScriptedJudge({})
    asking = judging(judge, CollectorRegistry())
    assert await asking.judge("Who?", candidates, SCORES[:2], [0, 1]) == Judged((0, 1))
    assert await asking.judge("Who?", [], np.zeros(0), []) == Judged(())
    assert judge.asked == []


async def test_any_failure_leaves_the_order(registry):
    candidates = [told("zero"), told("one")]
    found = await judging(ScriptedJudge("timeout"), registry).judge("Who?", candidates, SCORES[:2], [1, 0])
    assert (found.order, found.added, found.model, found.failure) == ((1, 0), None, "scripted", "timeout")
    assert registry.get_sample_value("memporium_reader_judgings_total", {"failure": "timeout"}) == 1
