import re
from datetime import UTC, datetime

import pytest

from memporium.eval import prompts, verdicts
from memporium.eval.samples import Question


def question(**more):
    return Question("q", "When did Ada sign up?", "7 May 2023", "temporal", **more)


@pytest.mark.parametrize("options", [(), (("a", "in May"), ("b", "in June"))])
def test_no_example_could_be_an_answer(options):
    instructions, _material = prompts.answering(question(options=options), "the context")
    # Small models answer with an example of a time where the memories tell nothing.
    assert not re.search(r"\d", instructions)


def test_the_question_follows_the_context_with_the_day_of_asking():
    _instructions, material = prompts.answering(question(now=datetime(2023, 5, 9, tzinfo=UTC)), "the context")
    assert material == "the context\n\nToday is Tuesday, 9 May 2023.\nQuestion: When did Ada sign up?\nAnswer:"


def test_what_is_asked_in_vain_is_judged_by_whether_that_is_said():
    instructions, material = prompts.judging(question(unanswerable=True), "not mentioned")
    assert "only where it says that this is not known" in instructions
    assert material.endswith("Right answer: 7 May 2023\nAnswer to judge: not mentioned\nVerdict:")


@pytest.mark.parametrize(
    ("answer", "right", "unanswerable", "verdict"),
    [
        ("May 7, 2023", "7 May 2023", False, True),
        ("8 May 2023", "7 May 2023", False, None),
        ("Not mentioned.", "7 May 2023", False, False),
        ("Not mentioned.", "You did not mention a cat.", False, None),
        ("Not mentioned.", "You did not mention a cat.", True, True),
        ("Not mentioned.", "", True, True),
        ("Biscuit", "", True, None),
        ("", "7 May 2023", False, None),
    ],
)
def test_nobody_is_asked_where_the_verdict_is_plain(answer, right, unanswerable, verdict):
    asked = Question("q", "When did Ada sign up?", right, "temporal", unanswerable=unanswerable)
    found = verdicts.plain(asked, answer)
    assert (found["right"] if found else None) is verdict
    assert found is None or found["tokens_in"] == 0
