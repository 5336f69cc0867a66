"""The chats with an assistant: what the files must hold, and how what was found is counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support import chats

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2025, 9, 1, tzinfo=UTC)
SESSION_OF = {"S1:1": "S1", "S1:2": "S1", "S2:1": "S2", "S3:1": "S3"}


def found(evidence: tuple[str, ...], ranking: tuple[str, ...], held: tuple[str, ...] = ()) -> chats.Found:
    question = chats.Question("q1", "multi-session", "What?", NOW, evidence)
    return chats.Found(question, ranking, SESSION_OF, dict.fromkeys((500, 1_000, 2_000), frozenset(held)))


def told(**changed: Any) -> dict[str, Any]:
    messages = [{"id": "S1:1", "role": "user", "text": "Hello."}, {"id": "S1:2", "role": "assistant", "text": "Hi."}]
    question = {
        "id": "q1",
        "kind": "single-user",
        "time": "2025-09-01T10:00:00Z",
        "question": "What?",
        "answer": "Hello",
        "evidence": ["S1:1"],
    }
    sessions = [{"id": "S1", "time": "2025-01-12T18:20:00Z", "messages": messages}]
    return {"sessions": sessions, "questions": [question | changed]}


def test_messages_count_by_rank_sessions_by_their_best_message_and_contexts_by_what_they_hold() -> None:
    one = found(("S1:2", "S3:1"), ("S2:1", "S1:2", "S1:1", "S3:1"), ("S1:2",))

    row = chats.figures([one])

    assert one.share(2) == 0.5
    assert row["recall@5"] == 1.0
    assert row["mrr"] == 0.5
    assert row["session@1"] == 0.0
    assert row["session@3"] == 1.0
    assert row["covered@500"] == 0.5


def test_what_was_not_found_counts_nothing() -> None:
    assert set(chats.figures([found(("S3:1",), ("S1:1",))]).values()) == {0.0}


def test_a_question_about_a_message_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(told(evidence=["S9:9"])), "utf-8")

    with pytest.raises(ValueError, match="q1 has no evidence, or names messages that are not there"):
        chats.load(tmp_path)


def test_the_chats_of_the_project_are_whole() -> None:
    given = chats.load()

    assert given
    for chat in given:
        assert all(question.time > chat.messages[-1].time for question in chat.questions)
        assert {message.role for message in chat.messages} == {"user", "assistant"}
