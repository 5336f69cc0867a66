import re
from datetime import UTC, datetime

import pytest

from memporium.eval import prompts
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
