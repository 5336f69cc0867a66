from datetime import UTC, datetime

import pytest

from memporium.eval.bm25 import Bm25
from memporium.eval.memories import Choice, count_tokens, line_of
from memporium.eval.samples import Question, Said, Sample, Talk
from memporium_services.reader.domain import budget
from support import retrieval

EARLY, LATE = datetime(2023, 5, 8, 13, 56, tzinfo=UTC), datetime(2023, 5, 25, tzinfo=UTC)
TALKS = (
    Talk("s1", EARLY, (Said("t0", "Ada", "", "I signed up for a pottery workshop in Leith."), Said("t1", "Ben", "", "Nice!"))),
    Talk("s2", LATE, (Said("t0", "Ben", "", "Clara's greyhound is called Biscuit.", "a greyhound"), Said("t1", "Ada", "", "I like the workshop for pottery, and what I made there is drying on the shelf by the window now."))),
)  # fmt: skip


def found(kind, asked="Which pottery workshop?", *, after=None, evidence=(), **more):
    question = Question("q", asked, "Leith", "single-hop", evidence=evidence, after=after)
    return Choice(kind, **more).over(Sample("one", TALKS, (question,)), "", None).find(question)


def test_a_line_tells_who_said_what_and_when():
    assert line_of(TALKS[1].turns[0], LATE) == (
        "Ben: Clara's greyhound is called Biscuit. [shares a greyhound] (25 May 2023)"
    )


def test_tokens_are_counted_as_recall_counts_them():
    text = "Ada's workshop, 1,234 m² in Leith\n\tund 日本語 (25 May 2023) » done."
    assert count_tokens(text) == budget.count_tokens(text)


def test_the_best_turns_by_words_fill_the_budget():
    whole = found("bm25")
    assert whole.places == (("s1", "t0"), ("s2", "t1"))
    assert whole.context.startswith("Ada: I signed up for a pottery workshop in Leith. (8 May 2023)\nAda: I like")
    assert whole.tokens == count_tokens(whole.context) > 30
    assert found("bm25", limit=1).places == (("s1", "t0"),)
    small = found("bm25", budget_tokens=25)
    assert small.places == (("s1", "t0"),)
    assert 0 < small.tokens <= 25


def test_a_turn_that_does_not_fit_is_passed_over_for_a_shorter_one():
    asked = "drying shelf window pottery workshop"
    assert found("bm25", asked).places == (("s2", "t1"), ("s1", "t0"))
    assert found("bm25", asked, budget_tokens=25).places == (("s1", "t0"),)


def test_only_what_was_said_before_the_question_is_known():
    assert found("bm25", after=1).places == (("s1", "t0"),)
    assert found("full", after=1).places == (("s1", "t0"), ("s1", "t1"))
    assert found("evidence", after=1, evidence=(("s2", "t0"), ("s1", "t1"))).places == (("s1", "t1"),)


def test_without_memory_there_is_nothing_and_the_others_take_no_heed_of_the_budget():
    assert found("none") == found("bm25", "zebra")
    assert (found("none").context, found("none").tokens, found("none").places) == ("", 0, ())
    assert len(found("full", budget_tokens=1, limit=1).places) == 4
    assert found("evidence", budget_tokens=1, evidence=(("s2", "t0"),)).context.startswith("Ben: Clara's")


@pytest.mark.parametrize("kind", ["none", "bm25", "full", "evidence"])
def test_what_asks_no_platform_remembers_nothing_there(kind):
    assert not Choice(kind).remembers
    assert Choice("recall").remembers
    assert Choice("vectors").remembers


def test_words_are_ranked_as_by_the_plain_bm25_of_the_benchmarks():
    texts = [line_of(turn, talk.start) for talk in TALKS for turn in talk.turns] + ["", "the of"]
    ours, plain = Bm25(texts), retrieval.Bm25(texts, retrieval.stemmed_words)
    for question in ("Which pottery workshops?", "Ada in May 2023", "greyhound Biscuit shared", "", "the"):
        assert ours.rank(question) == plain.rank(question, len(texts))
    assert Bm25([]).rank("anything") == []
