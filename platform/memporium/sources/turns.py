"""Dialogues: files in the shape of LoCoMo (samples of sessions of turns), as requests to the reader service."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from memporium.reader.v1 import remember_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_SESSION = re.compile(r"session_(\d+)")
_TIME_FORMAT = "%I:%M %p on %d %B, %Y"


@dataclass(frozen=True)
class Session:
    """One stretch of dialogue: an id, when it began, and its turns as (id, speaker, text, caption)."""

    session: str
    start: datetime
    turns: tuple[tuple[str, str, str, str], ...] = field(default=())


def is_dialogue(path: Path) -> bool:
    """Say whether a file is a JSON list of samples with a conversation each."""
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        samples = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    return isinstance(samples, list) and bool(samples) and "conversation" in samples[0]


def load(path: Path) -> list[Session]:
    """Return the sessions of every sample, in order; a session's id begins with its sample's."""
    samples = json.loads(path.read_text(encoding="utf-8"))
    return [session for sample in samples for session in _sessions(sample)]


def requests(
    parent: str,
    session: Session,
    *,
    tags: Sequence[str] = (),
    persona: str = "",
    trust: Mapping[str, float] | None = None,
) -> Iterator[remember_pb2.RememberRequest]:
    """Yield the messages that remember one session in a vault; turns are a second apart where no time is given."""
    header = remember_pb2.RememberHeader(
        parent=parent, session=session.session, tags=tags, persona=persona, trust=trust or {}
    )
    yield remember_pb2.RememberRequest(header=header)
    for index, (turn_id, speaker, text, caption) in enumerate(session.turns):
        time = Timestamp()
        time.FromDatetime(session.start + timedelta(seconds=index))
        turn = remember_pb2.Turn(id=turn_id, speaker=speaker, text=text, caption=caption, time=time)
        yield remember_pb2.RememberRequest(turn=turn)


def _sessions(sample: dict[str, Any]) -> Iterator[Session]:
    conversation = sample["conversation"]
    numbers = sorted(int(match[1]) for key in conversation if (match := _SESSION.fullmatch(key)))
    for number in numbers:
        name = f"session_{number}"
        start = datetime.strptime(conversation[f"{name}_date_time"], _TIME_FORMAT).replace(tzinfo=UTC)
        turns = tuple(
            (turn["dia_id"], turn["speaker"], turn.get("text", ""), turn.get("blip_caption", ""))
            for turn in conversation[name]
        )
        if turns:
            yield Session(session=f"{sample.get('sample_id', 'dialogue')}:{name}", start=start, turns=turns)
