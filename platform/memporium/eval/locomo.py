"""LoCoMo: a JSON list of conversations of two people, with questions and the turns that hold the answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memporium.eval.samples import FormatError, Question, Said, Sample, Talk
from memporium.sources.json_stream import elements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_SESSION = re.compile(r"session_(\d+)")
# Labels are mostly "D1:3"; "D8:6; D9:17", "D9:1 D4:4", "D:11:26" and "D30:05" occur, too.
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
_TIMES = ("%I:%M %p on %d %B, %Y", "%I:%M %p on %d %B %Y", "%Y-%m-%d %H:%M")


def load(path: Path) -> Iterator[Sample]:
    """Yield the conversations of a file.

    Raises:
        FormatError: It is not in LoCoMo's format.
    """
    for number, sample in enumerate(elements(path), 1):
        try:
            yield _sample(sample, str(sample.get("sample_id", number)))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise FormatError(f"{path}: conversation {number} is not in LoCoMo's format: {error}") from error


def _sample(sample: dict[str, Any], name: str) -> Sample:
    conversation = sample["conversation"]
    numbers = sorted(int(match[1]) for key in conversation if (match := _SESSION.fullmatch(key)))
    talks = []
    for number in numbers:
        turns = tuple(
            Said(turn["dia_id"], turn["speaker"], "", turn.get("text", ""), turn.get("blip_caption", ""))
            for turn in conversation[f"session_{number}"]
        )
        if turns:
            talks.append(Talk(f"session_{number}", _time(conversation[f"session_{number}_date_time"]), turns))
    if not talks:
        raise ValueError("no session with turns")
    where = {turn.id: talk.id for talk in talks for turn in talk.turns}
    asked = [_question(one, f"{name}:{index}", where) for index, one in enumerate(sample["qa"])]
    return Sample(name, tuple(talks), tuple(asked))


def _question(one: dict[str, Any], name: str, where: dict[str, str]) -> Question:
    labels = [f"D{int(session)}:{int(turn)}" for label in one.get("evidence", []) for session, turn in _found(label)]
    evidence = tuple(dict.fromkeys((where[label], label) for label in labels if label in where))
    category = int(one["category"])
    unanswerable = CATEGORIES.get(category) == "adversarial"
    return Question(
        id=name,
        text=str(one["question"]),
        answer="" if unanswerable else str(one["answer"]),
        category=CATEGORIES.get(category, str(category)),
        evidence=evidence,
        sessions=tuple(dict.fromkeys(session for session, _turn in evidence)),
        unanswerable=unanswerable,
    )


def _found(label: Any) -> list[tuple[str, str]]:
    return _EVIDENCE.findall(str(label))


def _time(text: str) -> datetime:
    for shape in _TIMES:
        try:
            return datetime.strptime(text.strip(), shape).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(f"no time in a known shape: {text!r}")
