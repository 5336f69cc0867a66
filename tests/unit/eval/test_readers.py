import json
from datetime import UTC, datetime

import pytest

from memporium.eval import locomo, longmemeval, personamem
from memporium.eval.samples import FormatError
from memporium.sources.json_stream import JsonError
from support import benchmarks


def test_locomo_s_sessions_are_in_order_and_its_labels_mended(tmp_path):
    first, second = locomo.load(benchmarks.locomo(tmp_path))
    assert (first.id, second.id) == ("conv-0", "conv-1")
    assert [talk.id for talk in first.talks] == ["session_1", "session_2"]
    assert first.talks[0].start == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert first.talks[1].turns[0].caption == "a blue bowl"
    when, dog, several, would, cat = first.questions
    assert (when.category, when.answer, when.evidence) == ("temporal", "7 May 2023", (("session_1", "D1:1"),))
    assert (dog.category, dog.sessions) == ("single-hop", ("session_2",))
    assert several.evidence == (("session_1", "D1:1"), ("session_2", "D2:1"))
    assert (would.answer, would.evidence) == ("1", ())
    assert (cat.category, cat.answer, cat.unanswerable) == ("adversarial", "", True)
    assert len({one.id for sample in (first, second) for one in sample.questions}) == 10


def test_longmemeval_has_a_sample_a_question_with_evidence_by_turn_and_session(tmp_path):
    asked, vain = longmemeval.load(benchmarks.longmemeval(tmp_path))
    assert [talk.id for talk in asked.talks] == ["s-early", "s-late"]
    assert asked.talks[0].start == datetime(2023, 5, 20, 2, 21, tzinfo=UTC)
    assert [turn.id for turn in asked.talks[0].turns] == ["t0", "t2"]
    (question,) = asked.questions
    assert (question.evidence, question.sessions) == ((("s-early", "t0"),), ("s-early",))
    assert question.now == datetime(2023, 5, 30, 23, 40, tzinfo=UTC)
    (none,) = vain.questions
    assert (none.unanswerable, none.category, none.evidence, none.sessions) == (True, "abstention", (), ())


def test_personamem_asks_after_what_each_question_may_see(tmp_path):
    (sample,) = personamem.load(*benchmarks.personamem(tmp_path))
    assert [[turn.id for turn in talk.turns] for talk in sample.talks] == [["t0", "t1", "t2"], ["t3", "t4", "t5"]]
    by_id = {one.id: one for one in sample.questions}
    assert (by_id["p1"].after, by_id["p1"].answer) == (1, "a")
    assert (by_id["p2"].after, by_id["p2"].answer) == (2, "b")
    assert by_id["p2"].options[1] == ("b", "Hire a boat, it's sailing weather.")
    assert by_id["p1"].now < sample.talks[1].start < by_id["p2"].now


@pytest.mark.parametrize(
    "content",
    ['[{"qa": []}]', '[{"conversation": [], "qa": []}]', "[3]", '{"conversation": {"session_1": [{}], "session_1_date_time": "x"}, "qa": []}'],
)  # fmt: skip
def test_what_is_not_locomo_is_said_with_its_place(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(FormatError, match="conversation 1 is not in LoCoMo's format"):
        list(locomo.load(path))


def test_what_is_not_longmemeval_is_said_with_its_place(tmp_path):
    path = benchmarks.longmemeval(tmp_path)
    rows = json.loads(path.read_text())
    rows[1]["haystack_dates"].pop()
    path.write_text(json.dumps(rows))
    with pytest.raises(FormatError, match="question 2 is not"):
        list(longmemeval.load(path))
    path.write_text("[{]")
    with pytest.raises(JsonError, match="character 3"):
        list(longmemeval.load(path))


@pytest.mark.parametrize(
    ("old", "new"),
    [("(b),", "(z),"), ("ctx,6", "other,6"), ("['(a) Go", "['Go"), ("all_options", "options"), ("ctx,6", "ctx,many")],
)
def test_what_is_not_personamem_is_said(tmp_path, old, new):
    questions, contexts = benchmarks.personamem(tmp_path)
    text = questions.read_text()
    assert old in text
    questions.write_text(text.replace(old, new))
    with pytest.raises(FormatError):
        list(personamem.load(questions, contexts))


def test_options_are_read_and_never_run(tmp_path):
    questions, contexts = benchmarks.personamem(tmp_path)
    made = tmp_path / "made"
    text = questions.read_text().replace("['(a) Go to a pottery class.'", f"[open('{made}', 'w').name")
    questions.write_text(text)
    with pytest.raises(FormatError):
        list(personamem.load(questions, contexts))
    assert not made.exists()


def test_chats_that_are_no_text_are_said(tmp_path):
    questions, contexts = benchmarks.personamem(tmp_path)
    contexts.write_bytes(b"\xff\xfe\n" + contexts.read_bytes())
    with pytest.raises(FormatError, match="is no JSON object"):
        list(personamem.load(questions, contexts))
