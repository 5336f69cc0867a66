import pytest

from memporium.eval.journal import Journal
from memporium.eval.report import result_of


def recalled(*, evidence, found, **more):
    return {
        "category": "single-hop", "answer": "Biscuit", "unanswerable": False, "options": [], "evidence": evidence,
        "sessions": [], "found": found, "context": "", "context_tokens": 10, "seconds": 0.1, **more,
    }  # fmt: skip


def reply(text, **more):
    return {"text": text, "tokens_in": 100, "tokens_out": 5, "seconds": 2.0, **more}


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path, {}) as made:
        yield made


def result(journal, **more):
    return result_of(journal, benchmark="locomo", prices=more, complete=True)


def test_answers_are_told_apart_by_how_much_of_the_evidence_was_in_the_context(journal):
    first, second, other = ["s", "t1"], ["s", "t2"], ["s", "t9"]
    for key, evidence, found, right in (
        ("whole", [first, second], [other, second, first], True),
        ("also whole", [first], [first], False),
        ("part", [first, second], [second], False),
        ("none", [first], [other], False),
        ("unlabelled", [], [other], True),
    ):
        journal.put("recall", key, recalled(evidence=evidence, found=found))
        journal.put("answer", key, reply("Biscuit" if right else "a cat"))
        journal.put("verdict", key, {"right": right, "tokens_in": 50, "tokens_out": 6, "seconds": 1.0})
    # Asked, and not yet answered.
    journal.put("recall", "open", recalled(evidence=[first], found=[first]))
    rows = result(journal)["by_evidence"]
    assert {held: (row["questions"], row["accuracy"], row["f1"]) for held, row in rows.items()} == {
        "all": (2, 0.5, 0.5), "some": (1, 0, 0), "none": (1, 0, 0),
    }  # fmt: skip


def test_without_answers_there_is_nothing_to_tell_apart(journal):
    journal.put("recall", "q", recalled(evidence=[["s", "t"]], found=[["s", "t"]]))
    assert result(journal)["by_evidence"] == {}


def test_seconds_tokens_and_cost_are_told_by_role(journal):
    journal.put("recall", "q", recalled(evidence=[], found=[]))
    journal.put("answer", "q", reply("Biscuit"))
    journal.put("verdict", "q", {"right": None, "tokens_in": 60, "tokens_out": 8, "seconds": 1.5})
    told = result(journal, answer=(1.0, 2.0), judge=(0.5, 1.0))
    assert (told["answer_seconds"]["p50"], told["judge_seconds"]["p50"], told["unjudged"]) == (2.0, 1.5, 1)
    assert told["tokens"] == {"answer": {"in": 100, "out": 5}, "judge": {"in": 60, "out": 8}}
    assert told["cost"] == {"answer": 0.00011, "judge": 0.000038, "total": 0.000148}
