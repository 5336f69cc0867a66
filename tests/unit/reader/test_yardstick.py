"""The yardstick itself: labels are read right, and figures mean what they say."""

import json

import pytest

from support import retrieval, yardstick

KNOWN = {"D1:1", "D4:4", "D4:6", "D8:6", "D9:1", "D9:17", "D11:26", "D30:5"}


@pytest.mark.parametrize(
    ("labels", "evidence"),
    [
        (["D8:6; D9:17"], ("D8:6", "D9:17")),
        (["D9:1 D4:4 D4:6"], ("D9:1", "D4:4", "D4:6")),
        (["D:11:26"], ("D11:26",)),
        (["D30:05"], ("D30:5",)),
        (["D", "", "D99:1"], ()),
        (["D1:1", "D1:1"], ("D1:1",)),
    ],
)
def test_malformed_evidence_is_mended_or_dropped(labels, evidence):
    assert yardstick.evidence_of(labels, KNOWN) == evidence


def test_a_file_is_read_in_the_order_of_sessions_and_questions_without_evidence_are_left_out(tmp_path):
    turn = {"speaker": "Ada", "dia_id": "D2:1", "text": "Hi", "blip_caption": "a cat"}
    conversation = {
        "session_10": [{"speaker": "Ben", "dia_id": "D10:1", "text": "Ho"}],
        "session_10_date_time": "12:05 am on 9 May, 2023",
        "session_2": [turn],
        "session_2_date_time": "1:56 pm on 8 May, 2023",
    }
    questions = [
        {"question": "Who?", "category": 4, "evidence": ["D2:1"]},
        {"question": "What?", "category": 1, "evidence": ["D"]},
    ]
    path = tmp_path / "data.json"
    path.write_text(json.dumps([{"sample_id": "a", "conversation": conversation, "qa": questions}]))
    (dialogue,) = yardstick.load(path)
    assert [(one.id, one.caption, one.time.isoformat()) for one in dialogue.turns] == [
        ("D2:1", "a cat", "2023-05-08T13:56:00+00:00"),
        ("D10:1", "", "2023-05-09T00:05:00+00:00"),
    ]
    assert [one.text for one in dialogue.questions] == ["Who?"]


def test_figures_count_shares_ranks_and_sessions():
    asked = yardstick.Asked("q", 1, ("D1:1", "D2:1"))
    session_of = {f"D{session}:{turn}": f"s{session}" for session in (1, 2, 3) for turn in range(1, 8)}
    ranking = ["D3:1", "D1:1", "D1:1", *(f"D3:{turn}" for turn in range(2, 8)), "D2:1"]
    one = retrieval.result_of(asked, "a", ranking, session_of, latency_ms=3.0)
    assert (one.ranks, one.session_ranks) == ((2, 9), (2, 3))
    figures = retrieval.report([one])
    turn = figures["turn"]
    assert (turn["recall@5"], turn["recall@10"], turn["mrr"], turn["hit@10"], turn["all@10"]) == (0.5, 1.0, 0.5, 1, 1)
    assert turn["by_category"]["1"]["n"] == 1
    assert figures["session"] == {"recall@1": 0.0, "recall@3": 1.0, "hit@1": 0.0, "hit@3": 1.0}
    assert figures["latency_ms"] == {"p50": 3.0, "p95": 3.0}


def test_bm25_finds_the_rare_word():
    index = retrieval.Bm25(["the cat sat", "the dog sat", "the dog ran far"], retrieval.plain_words)
    assert index.rank("the cat", 2) == [0, 1]
    assert retrieval.stemmed_words("The cats were running") == ["cat", "run"]


def test_one_session_of_several_is_a_hit_and_a_share_of_recall():
    figures = retrieval.brief([retrieval.Result("d", 1, (1, 0), (1, 4)), retrieval.Result("d", 1, (0,), (0,))])
    assert (figures["session@1"], figures["session_hit@1"]) == (0.25, 0.5)
    assert (figures["session@3"], figures["session_hit@3"]) == (0.25, 0.5)
