"""Messages in, memories out: what was said, without the frame that formation gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from memporium.cube.v1 import cube_pb2

_USER = "user"


def messages_of(given: str | dict[str, Any] | Iterable[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return messages as role, speaker and text; text alone is the user's.

    Raises:
        ValueError: There is nothing to remember.
    """
    if isinstance(given, str):
        given = [{"role": _USER, "content": given}]
    elif isinstance(given, dict):
        given = [given]
    found = []
    for one in given:
        role = str(one.get("role") or _USER)
        text = text_of(one.get("content"))
        # Instructions of the application are no memory of a user.
        if text.strip() and role != "system":
            found.append((role, str(one.get("name") or role), text))
    if not found:
        raise ValueError("messages hold no text")
    return found


def said(cube: cube_pb2.Cube) -> str:
    """Return what a memory says: its own words, without speaker and date."""
    facts = [fact for fact in cube.payload.plaintext.mem_cell.facts if not fact.extracted_by]
    return " ".join(bare(fact) for fact in facts)


def first(cube: cube_pb2.Cube) -> cube_pb2.AtomicFact | None:
    """Return the first statement of a memory; None where it has none."""
    return next(iter(cube.payload.plaintext.mem_cell.facts), None)


def iso(moment: Timestamp) -> str:
    """Return a time as ISO 8601."""
    return moment.ToJsonString()


def timestamp(moment: datetime) -> Timestamp:
    """Return a time as its message."""
    found = Timestamp()
    found.FromDatetime(moment)
    return found


def framed(text: str, speaker: str, day: str) -> str:
    """Return a statement as formation writes it."""
    return f"{speaker}: {text} ({day})" if day else f"{speaker}: {text}"


def day_of(fact: cube_pb2.AtomicFact) -> str:
    """Return the last brackets of a statement: when it was said."""
    start = fact.text.rfind(" (")
    return fact.text[start + 2 : -1] if start >= 0 and fact.text.endswith(")") else ""


def bare(fact: cube_pb2.AtomicFact) -> str:
    """Return a statement in its own words: without the speaker and day that formation puts around it."""
    text, frame = fact.text, f"{fact.source.speaker}: "
    if not fact.source.speaker or not text.startswith(frame):
        return text
    text = text.removeprefix(frame)
    start = text.rfind(" (")
    return text[:start] if start >= 0 and text.endswith(")") else text


def text_of(content: Any) -> str:
    """Return the text of a message; of a list of parts, that of all with text."""
    if isinstance(content, list):
        texts = (str(part.get("text") or "") for part in content if isinstance(part, dict))
        return "\n".join(text for text in texts if text.strip())
    return "" if content is None else str(content)
