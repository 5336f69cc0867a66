"""PersonaMem: a CSV of questions with four answers to choose from, and JSON lines of the chats that they share.

A question sees its chat up to an index, so a chat is remembered piece by piece and asked in between.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from memporium.eval.samples import FormatError, Question, Said, Sample, Talk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# The data tell no times: a session a day, so that what is said later counts as newer.
_START = datetime(2024, 1, 1, 9, tzinfo=UTC)
_OPTION = re.compile(r"^\s*\(?([a-z])\)\s*(.*)$", re.DOTALL)
_MOST_FIELD_CHARS = 1 << 24
_SPEAKERS = {"system", "user", "assistant"}


def load(path: Path, contexts: Path) -> Iterator[Sample]:
    """Yield a sample a chat.

    Raises:
        FormatError: The files are not in PersonaMem's format.
    """
    asked: dict[str, list[dict[str, str]]] = {}
    csv.field_size_limit(_MOST_FIELD_CHARS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                asked.setdefault(row["shared_context_id"], []).append(row)
    except (KeyError, csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: is not in PersonaMem's format: {error}") from error
    for name, messages in _contexts(contexts):
        if rows := asked.pop(name, None):
            try:
                yield _sample(name, messages, rows)
            except (KeyError, TypeError, ValueError, SyntaxError) as error:
                raise FormatError(f"{path}: questions on {name} are not in PersonaMem's format: {error}") from error
    if asked:
        raise FormatError(f"{contexts}: has no chat {min(asked)}")


def _contexts(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                ((name, messages),) = json.loads(line.decode("utf-8-sig")).items()
            except (ValueError, AttributeError, RecursionError) as error:
                raise FormatError(f"{path}:{number}: is no JSON object with one chat") from error
            yield str(name), messages


def _sample(name: str, messages: Sequence[dict[str, Any]], rows: Sequence[dict[str, str]]) -> Sample:
    ends = sorted({min(int(row["end_index_in_shared_context"]), len(messages)) for row in rows})
    talks: list[Talk] = []
    talks_before: dict[int, int] = {}
    at = 0
    for end in ends:
        for start, stop in _sessions(messages, at, end):
            said = tuple(_said(messages[index], index) for index in range(start, stop) if _text(messages[index]))
            if said:
                talks.append(Talk(f"m{start}", _START + timedelta(days=len(talks)), said))
        talks_before[end], at = len(talks), end
    questions = tuple(_question(row, talks, talks_before[min(int(row[_END]), len(messages))]) for row in rows)
    return Sample(name, tuple(talks), questions)


_END = "end_index_in_shared_context"


def _sessions(messages: Sequence[dict[str, Any]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the sessions between two messages: each begins with a message of the system."""
    begin = start
    for index in range(start + 1, end):
        if messages[index]["role"] == "system":
            yield begin, index
            begin = index
    if begin < end:
        yield begin, end


def _text(message: dict[str, Any]) -> str:
    return str(message["content"]).strip()


def _said(message: dict[str, Any], index: int) -> Said:
    role = str(message["role"])
    if role not in _SPEAKERS:
        raise ValueError(f"role {role!r}")
    return Said(f"t{index}", role, role, _text(message))


def _question(row: dict[str, str], talks: Sequence[Talk], after: int) -> Question:
    given = ast.literal_eval(row["all_options"])
    options = []
    for option in given:
        match = _OPTION.match(option)
        if match is None:
            raise ValueError(f"no letter before {option[:40]!r}")
        options.append((match[1], match[2].strip()))
    right = row["correct_answer"].strip().strip("()")
    if right not in dict(options):
        raise ValueError(f"answer {right!r} is no option")
    return Question(
        id=row["question_id"],
        text=row["user_question_or_message"],
        answer=right,
        category=row["question_type"],
        now=talks[after - 1].start + timedelta(hours=12) if after else None,
        options=tuple(options),
        after=after,
    )
