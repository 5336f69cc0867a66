"""LongMemEval: a JSON list of questions, each with its own history of chats with an assistant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memporium.eval.samples import FormatError, Question, Said, Sample, Talk
from memporium.sources.json_stream import elements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ABSTENTION = "_abs"
# A day of the week stands between the day and the hour.
_WEEKDAY = re.compile(r"\s*\([A-Za-z]+\)\s*")
_TIMES = ("%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y-%m-%d %H:%M")


def load(path: Path) -> Iterator[Sample]:
    """Yield a sample a question.

    Raises:
        FormatError: It is not in LongMemEval's format.
    """
    for number, one in enumerate(elements(path), 1):
        try:
            yield _sample(one)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise FormatError(f"{path}: question {number} is not in LongMemEval's format: {error}") from error


def _sample(one: dict[str, Any]) -> Sample:
    name = str(one["question_id"])
    talks, evidence, seen = [], [], set()
    histories = zip(one["haystack_session_ids"], one["haystack_dates"], one["haystack_sessions"], strict=True)
    for session, date, turns in histories:
        # Fillers occur twice in some histories; a session is remembered once.
        if session in seen:
            continue
        seen.add(session)
        said = []
        for index, turn in enumerate(turns):
            if not str(turn["content"]).strip():
                continue
            role = str(turn["role"])
            said.append(Said(f"t{index}", role, role, str(turn["content"])))
            if turn.get("has_answer"):
                evidence.append((str(session), f"t{index}"))
        if said:
            talks.append(Talk(str(session), _time(date), tuple(said)))
    unanswerable = name.endswith(_ABSTENTION)
    question = Question(
        id=name,
        text=str(one["question"]),
        answer=str(one["answer"]),
        category="abstention" if unanswerable else str(one["question_type"]),
        now=_time(one["question_date"]) if one.get("question_date") else None,
        # What is asked in vain has no place that holds the answer.
        evidence=() if unanswerable else tuple(evidence),
        sessions=() if unanswerable else tuple(str(session) for session in one.get("answer_session_ids", [])),
        unanswerable=unanswerable,
    )
    return Sample(name, tuple(sorted(talks, key=lambda talk: talk.start)), (question,))


def _time(text: str) -> datetime:
    for shape in _TIMES:
        try:
            return datetime.strptime(_WEEKDAY.sub(" ", text).strip(), shape).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(f"no time in a known shape: {text!r}")
