import json

import pytest

from memporium.eval.journal import Journal, RunError
from memporium.eval.report import result_of

SETTINGS = {"benchmark": "x"}


def test_what_was_put_is_there_when_the_run_goes_on(tmp_path):
    with Journal(tmp_path / "run", SETTINGS) as journal:
        assert not journal.continued
        journal.put("answer", "q1", {"text": "ä"})
    with Journal(tmp_path / "run", SETTINGS) as journal:
        assert journal.continued
        assert journal.get("answer", "q1") == {"text": "ä"}
        assert journal.get("answer", "q2") is None
        assert journal.all("answer") == {"q1": {"text": "ä"}}


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_line_that_was_cut_off_is_dropped_and_written_again(tmp_path, cut):
    with Journal(tmp_path, SETTINGS) as journal:
        journal.put("answer", "q1", {"text": "one"})
        journal.put("answer", "q2", {"text": "two"})
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with Journal(tmp_path, SETTINGS) as journal:
        assert journal.all("answer") == {"q1": {"text": "one"}}
        journal.put("answer", "q2", {"text": "two"})
    assert path.read_bytes() == whole


def test_a_run_with_other_settings_is_not_mixed_in(tmp_path):
    with Journal(tmp_path, SETTINGS):
        pass
    with pytest.raises(RunError, match="another benchmark"):
        Journal(tmp_path, {"benchmark": "y"})
    with pytest.raises(RunError, match="another judge_model"):
        Journal(tmp_path, {**SETTINGS, "judge_model": "big"})


def test_one_process_runs_a_run(tmp_path):
    with Journal(tmp_path, SETTINGS), pytest.raises(RunError, match="another process"):
        Journal(tmp_path, SETTINGS)


@pytest.mark.parametrize("line", [b"{}\n", b"not json\n", b"3\n", b"\n"])
def test_a_broken_journal_is_refused_with_its_line(tmp_path, line):
    with Journal(tmp_path, SETTINGS):
        pass
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(RunError, match=r"journal\.jsonl:2"):
        Journal(tmp_path, SETTINGS)


def _recalled(**more):
    told = {"category": "c", "answer": "Biscuit", "unanswerable": False, "options": [], "evidence": [], "sessions": []}
    return {**told, "found": [["s1", "t1"], ["s2", "t1"]], "context_tokens": 10, "seconds": 0.5, **more}


def test_a_result_adds_up(tmp_path):
    with Journal(tmp_path, SETTINGS) as journal:
        journal.put("session", "a/s1", {"turns": 3, "facts": 3, "seconds": 1.0})
        journal.put("recall", "q1", _recalled(evidence=[["s2", "t1"], ["s9", "t9"]], sessions=["s2"]))
        journal.put("recall", "q2", _recalled(category="d", unanswerable=True))
        journal.put("recall", "q3", _recalled(category="d", options=["a", "b"], answer="b"))
        for key, text in (("q1", "Biscuit"), ("q2", "Not mentioned"), ("q3", "(a)")):
            journal.put("answer", key, {"text": text, "tokens_in": 1_000, "tokens_out": 500, "seconds": 2.0})
        journal.put("verdict", "q1", {"right": True, "tokens_in": 10, "tokens_out": 1, "seconds": 1.0})
        journal.put("verdict", "q2", {"right": None, "tokens_in": 10, "tokens_out": 1, "seconds": 1.0})
        result = result_of(journal, benchmark="x", prices={"answer": (100.0, 400.0)}, complete=True)
        journal.finish(result)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    c, d = result["categories"]["c"], result["categories"]["d"]
    assert (c["recall@1"], c["recall@5"], c["all@10"], c["mrr"], c["session@1"]) == (0, 0.5, 0, 0.5, 0)
    assert (c["accuracy"], c["f1"], c["exact"]) == (1, 1, 1)
    assert (d["questions"], d["accuracy"]) == (2, 0.5)
    assert (result["overall"]["f1"], result["overall"]["f1_of"]) == (1, 1)
    assert result["unjudged"] == 1
    assert result["tokens"]["answer"] == {"in": 3_000, "out": 1_500}
    assert result["cost"] == {"answer": 0.9, "total": 0.9}
