"""Chats of one user with an assistant, and questions with the messages that hold their answers.

The files in `tests/benchmarks/chats` were made for this project: invented people, and long messages of an assistant that
speak of the same things as the user does. Nothing of recall was looked at when they were written.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "chats"
BUDGETS = (500, 1_000, 2_000)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its id, session, role, text and time."""

    id: str
    session: str
    role: str
    text: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its kind, when it is asked, and the ids of the messages that are needed to answer it."""

    id: str
    kind: str
    text: str
    time: datetime
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chat:
    """All messages of one user, in order, and the questions."""

    id: str
    messages: tuple[Message, ...]
    questions: tuple[Question, ...]

    @property
    def sessions(self) -> dict[str, list[Message]]:
        """Return the messages by session, in order."""
        found: dict[str, list[Message]] = {}
        for message in self.messages:
            found.setdefault(message.session, []).append(message)
        return found


def load(folder: Path = FOLDER) -> list[Chat]:
    """Return the chats of a folder, by the names of their files.

    Raises:
        ValueError: A question names a message that is not there, an id occurs twice, or times go backwards.
    """
    return [_chat(path) for path in sorted(folder.glob("*.json"))]


def _chat(path: Path) -> Chat:
    told = json.loads(path.read_text("utf-8"))
    messages = tuple(
        Message(one["id"], session["id"], one["role"], one["text"], datetime.fromisoformat(session["time"]))
        for session in told["sessions"]
        for one in session["messages"]
    )
    known = {message.id for message in messages}
    times = [message.time for message in messages]
    if len(known) < len(messages) or times != sorted(times):
        raise ValueError(f"{path.name}: ids occur twice, or times go backwards")
    questions = tuple(
        Question(one["id"], one["kind"], one["question"], datetime.fromisoformat(one["time"]), tuple(one["evidence"]))
        for one in told["questions"]
    )
    for question in questions:
        if not question.evidence or not known.issuperset(question.evidence):
            raise ValueError(f"{path.name}: {question.id} has no evidence, or names messages that are not there")
    return Chat(path.stem, messages, questions)


@dataclass(frozen=True, slots=True)
class Found:
    """What a system found for one question: messages and sessions by rank, and by budget those in the context."""

    question: Question
    ranking: tuple[str, ...]
    session_of: dict[str, str]
    held: dict[int, frozenset[str]]
    latency_ms: float = 0.0

    def share(self, k: int) -> float:
        """Return the share of the evidence among the first `k` messages."""
        first = set(self.ranking[:k])
        return sum(one in first for one in self.question.evidence) / len(self.question.evidence)

    def sessions(self, k: int) -> float:
        """Return the share of the evidence's sessions among the first `k`; a session ranks by its best message."""
        order = list(dict.fromkeys(self.session_of[one] for one in self.ranking))[:k]
        wanted = {self.session_of[one] for one in self.question.evidence}
        return len(wanted.intersection(order)) / len(wanted)

    def covered(self, budget: int) -> float:
        """Return the share of the evidence that the context of a budget holds."""
        held = self.held[budget]
        return sum(one in held for one in self.question.evidence) / len(self.question.evidence)

    def reciprocal(self) -> float:
        """Return one by the rank of the first message of the evidence; 0 where none was found."""
        wanted = set(self.question.evidence)
        return next((1 / rank for rank, one in enumerate(self.ranking, 1) if one in wanted), 0.0)


def figures(found: Sequence[Found]) -> dict[str, float]:
    """Return the row of one system: recall at 5, 10 and 20, all at 10, MRR, sessions, and coverage by budget."""
    row = {f"recall@{k}": statistics.fmean(one.share(k) for one in found) for k in (5, 10, 20)}
    row["all@10"] = statistics.fmean(one.share(10) == 1 for one in found)
    row["mrr"] = statistics.fmean(one.reciprocal() for one in found)
    row |= {f"session@{k}": statistics.fmean(one.sessions(k) for one in found) for k in (1, 3)}
    if found[0].held:
        row |= {f"covered@{budget}": statistics.fmean(one.covered(budget) for one in found) for budget in BUDGETS}
    return {name: round(value, 4) for name, value in row.items()}
