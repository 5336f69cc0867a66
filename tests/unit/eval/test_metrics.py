import pytest

from memporium.eval import metrics
from memporium.eval.verdicts import verdict


@pytest.mark.parametrize(
    ("answer", "right", "f1", "exact", "bleu1"),
    [
        ("Biscuit", "Biscuit", 1, True, 1),
        ("The Biscuit.", "biscuit", 1, True, 1),
        ("greyhounds", "a greyhound", 1, True, 1),
        ("7 May 2023", "On 7 May, 2023", 6 / 7, False, 0.7165),
        ("It is called Biscuit", "Biscuit", 0.4, False, 0.25),
        ("", "Biscuit", 0, False, 0),
        ("", "", 1, True, 1),
        ("cat", "dog", 0, False, 0),
    ],
)
def test_answers_are_compared_by_their_words(answer, right, f1, exact, bleu1):
    assert metrics.f1(answer, right) == pytest.approx(f1)
    assert metrics.exact(answer, right) is exact
    assert metrics.bleu1(answer, right) == pytest.approx(bleu1, abs=1e-4)


@pytest.mark.parametrize(
    ("answer", "right", "same"),
    [
        ("7 May 2023", "May 7, 2023", True),
        ("the greyhounds", "Greyhound.", True),
        ("3", "Three.", True),
        ("7 May 2023", "8 May 2023", False),
        ("7 May", "7 May 2023", False),
        ("no, no", "no", False),
        ("", "", False),
        ("...", "the", False),
    ],
)
def test_the_same_words_in_any_order_are_told(answer, right, same):
    assert metrics.same_words(answer, right) is same


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("(b)", "b"), ("b", "b"), ("B.", "b"), ("I would choose (c), since", "c"), ("a) because", "a"), ("none", ""),
     ("(z) or (d)", "d"), ("", ""), ("A boat", "a"), ("a's", "")],
)  # fmt: skip
def test_the_chosen_letter_is_read(answer, letter):
    assert metrics.chosen(answer, ["a", "b", "c", "d"]) == letter


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [("Not mentioned.", True), ("I don't know", True), ("No information available", True), ("", True), ("Biscuit", False),
     ("She did not want it", False)],
)  # fmt: skip
def test_an_answer_that_says_it_is_not_known_is_told(answer, unknown):
    assert metrics.says_unknown(answer) is unknown


def test_what_was_recalled_is_measured_by_places():
    found = ["a", "b", "c", "d"]
    assert metrics.recall_at(found, ["b", "x"], 1) == 0
    assert metrics.recall_at(found, ["b", "x"], 2) == 0.5
    assert metrics.reciprocal_rank(found, ["c", "b"]) == 0.5
    assert metrics.reciprocal_rank(found, ["x"]) == 0


@pytest.mark.parametrize(
    ("text", "right"),
    [('{"right": true}', True), ('Well: {"right": false}. Done', False), ('{"right": "true"}', None), ("true", None),
     ('{"right": 1}', None), ("{", None), ("[" * 9_000, None), ("{" + '"a":{' * 5_000, None), ("", None)],
)  # fmt: skip
def test_a_verdict_is_read_to_the_letter(text, right):
    assert verdict(text) is right
