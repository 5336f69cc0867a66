"""What the benchmarks have in common: dialogues, and questions about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class FormatError(ValueError):
    """A file that is not in the benchmark's format; says where."""


@dataclass(frozen=True, slots=True)
class Said:
    """One turn.

    Attributes:
        id: Its id within the session.
        speaker: Who speaks.
        role: `user`, `assistant` or the like; "" where people talk with each other.
        text: What was said.
        caption: What a shared picture shows; "" where none was.
    """

    id: str
    speaker: str
    role: str
    text: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """One session: its turns follow its start by a second each."""

    id: str
    start: datetime
    turns: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        id: Unique in the benchmark.
        text: The question, or what the user writes.
        answer: The right answer; for a choice the letter, for instance `b`.
        category: The benchmark's kind of question.
        now: When it is asked; None: after everything.
        evidence: Pairs of session and turn that hold the answer; empty where not labelled.
        sessions: Sessions that hold the answer.
        options: The answers to choose from, by letter; empty where the answer is free.
        unanswerable: Right is to say that it is not known.
        after: Sessions of the sample that are remembered before it is asked; None: all.
    """

    id: str
    text: str
    answer: str
    category: str
    now: datetime | None = None
    evidence: tuple[tuple[str, str], ...] = ()
    sessions: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    unanswerable: bool = False
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One memory and what is asked of it."""

    id: str
    talks: tuple[Talk, ...]
    questions: tuple[Question, ...]
