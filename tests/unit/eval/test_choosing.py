from collections import Counter
from datetime import UTC, datetime

import pytest

from memporium.eval.choosing import Selection
from memporium.eval.samples import FormatError, Question, Said, Sample, Talk

TALK = Talk("s", datetime(2023, 5, 8, tzinfo=UTC), (Said("t", "Ada", "", "Hello."),))


def sample(name, **kinds):
    questions = [
        Question(f"{name}:{kind}:{number}", "?", "", kind) for kind, count in kinds.items() for number in range(count)
    ]
    return Sample(name, (TALK,), tuple(questions))


def load():
    yield from (sample(f"c{number}", single=20, multi=5, rare=number == 0) for number in range(4))


def asked(selection, source=load):
    return [one for part in selection.of(source) for one in part.questions]


def test_all_are_asked_unless_fewer_are_wanted():
    assert len(asked(Selection())) == 101
    assert {one.category for one in asked(Selection(frozenset({"multi"})))} == {"multi"}
    assert [part.id for part in Selection(samples=2).of(load)] == ["c0", "c1"]
    assert [part.id for part in Selection(frozenset({"rare"})).of(load)] == ["c0"]


def test_a_draw_is_even_over_kinds_and_then_over_samples():
    drawn = asked(Selection(questions=17))
    assert Counter(one.category for one in drawn) == {"single": 8, "multi": 8, "rare": 1}
    for kind in ("single", "multi"):
        of_kind = Counter(one.id.split(":")[0] for one in drawn if one.category == kind)
        assert of_kind == {"c0": 2, "c1": 2, "c2": 2, "c3": 2}


def test_a_draw_is_the_same_each_time_and_a_greater_one_holds_it():
    drawn = asked(Selection(questions=9))
    assert drawn == asked(Selection(questions=9))
    other_order = asked(Selection(questions=9), lambda: reversed(list(load())))
    assert {one.id for one in drawn} == {one.id for one in other_order}
    assert {one.id for one in drawn} < {one.id for one in asked(Selection(questions=10))}
    assert len(asked(Selection(questions=1_000))) == 101


def test_a_draw_keeps_to_the_kinds_and_samples_that_are_wanted():
    drawn = asked(Selection(frozenset({"multi"}), samples=2, questions=4))
    assert Counter(one.id.split(":")[0] for one in drawn) == {"c0": 2, "c1": 2}


@pytest.mark.parametrize("questions", [0, 3])
@pytest.mark.parametrize(
    ("source", "why"),
    [
        (lambda: [sample("a", x=1), sample("a", x=1)], "sample a is there twice"),
        (lambda: [sample("a", x=1), Sample("b", (TALK,), sample("a", x=1).questions)], "question a:x:0 is there twice"),
        (list, "holds no question"),
        (lambda: [sample("a", y=1)], "of these kinds; it has y"),
    ],
)
def test_ids_that_are_there_twice_and_nothing_to_ask_are_refused(source, why, questions):
    with pytest.raises(FormatError, match=why):
        asked(Selection(frozenset({"x"}), questions=questions), source)
