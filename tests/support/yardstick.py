"""Dialogues in the shape of LoCoMo: sessions of turns, and questions with the turns that hold their answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_SESSION = re.compile(r"session_(\d+)")
# Labels are mostly "D1:3"; "D8:6; D9:17", "D9:1 D4:4", "D:11:26" and "D30:05" occur, too.
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
_TIMES = ("%I:%M %p on %d %B, %Y", "%I:%M %p on %d %B %Y", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, slots=True)
class DialogueTurn:
    id: str
    session: str
    speaker: str
    text: str
    caption: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    text: str
    category: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    id: str
    turns: tuple[DialogueTurn, ...]
    questions: tuple[Asked, ...]

    @property
    def sessions(self) -> list[str]:
        return list(dict.fromkeys(turn.session for turn in self.turns))


def load(path: Path) -> list[Dialogue]:
    """Return the dialogues of a file; questions without valid evidence are left out."""
    return [_dialogue(sample, number) for number, sample in enumerate(json.loads(path.read_text("utf-8")), 1)]


def evidence_of(labels: list[str], known: set[str]) -> tuple[str, ...]:
    """Return the turn ids in labels that some turn has, in order, without repeats."""
    found = [f"D{int(session)}:{int(turn)}" for label in labels for session, turn in _EVIDENCE.findall(str(label))]
    return tuple(dict.fromkeys(one for one in found if one in known))


def _dialogue(sample: dict[str, Any], number: int) -> Dialogue:
    conversation = sample["conversation"]
    numbers = sorted(int(match[1]) for key in conversation if (match := _SESSION.fullmatch(key)))
    turns: list[DialogueTurn] = []
    for session in numbers:
        time = _time(conversation[f"session_{session}_date_time"])
        for turn in conversation[f"session_{session}"]:
            told = (turn["dia_id"], f"session_{session}", turn["speaker"], turn.get("text", ""))
            turns.append(DialogueTurn(*told, turn.get("blip_caption", ""), time))
    known = {turn.id for turn in turns}
    asked = [
        Asked(one["question"], int(one["category"]), evidence)
        for one in sample["qa"]
        if (evidence := evidence_of(one.get("evidence", []), known))
    ]
    return Dialogue(str(sample.get("sample_id", number)), tuple(turns), tuple(asked))


def _time(text: str) -> datetime:
    for shape in _TIMES:
        try:
            return datetime.strptime(text.strip(), shape).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(f"no time in a known shape: {text!r}")
