"""`model score` puts the likeliest answer first, and `recall` tells what a judge had part in."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from memporium.cli import _recollection, model
from memporium.inference.v1 import generate_pb2, score_pb2
from memporium.reader.v1 import recall_pb2


@pytest.fixture
def asked(monkeypatch):
    """Return what was asked for; the second of two answers is the likelier by token, not in all."""
    requests = []

    def score_texts(**fields):
        requests.append(fields)
        scores = [score_pb2.TextScore(log_probability=-value, token_count=count) for value, count in ((6, 2), (8, 4))]
        return score_pb2.ScoreTextsResponse(scores=scores)

    run = SimpleNamespace(client=SimpleNamespace(inference=SimpleNamespace(score_texts=score_texts)), as_json=True)
    monkeypatch.setattr(model, "session", lambda _context: run)
    return requests


def test_answers_stand_in_the_order_of_their_likelihood_by_token(asked, capsys):
    model.score(None, "Milk stands in the fridge.", ["Who?", "Where is it?"], system="Ask.", model="m")
    rows = json.loads(capsys.readouterr().out)
    assert rows == [
        {"answer": "Where is it?", "nats": -2.0, "tokens": 4},
        {"answer": "Who?", "nats": -3.0, "tokens": 2},
    ]
    (request,) = asked
    assert request["model"] == "m"
    first = request["texts"][0]
    assert first.continuation == "Who?"
    assert [(one.role, one.content) for one in first.messages] == [
        (generate_pb2.ROLE_SYSTEM, "Ask."),
        (generate_pb2.ROLE_USER, "Milk stands in the fridge."),
    ]


@pytest.mark.parametrize(
    ("trace", "shown"),
    [
        (recall_pb2.RecallTrace(), ""),
        (recall_pb2.RecallTrace(judge="m", judge_us=38_400), "m: judged in 38 ms"),
        (recall_pb2.RecallTrace(judge="m", judge_failure="timeout", judge_us=4_000_000), "m: not judged: timeout"),
    ],
)
def test_recall_tells_whether_a_model_judged(trace, shown, capsys):
    _recollection.show_judge(trace)
    assert capsys.readouterr().out.strip() == shown
