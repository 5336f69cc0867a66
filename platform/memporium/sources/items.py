"""What importers read: memories, chats and pages, and what they could not read, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory of another system, word for word.

    Attributes:
        id: Its id there; with the system's name it makes the cube's.
        text: What it says.
        system: Where it comes from, for instance `mem0`.
        title: A title; "" where it has none.
        role: Role of who said it; "" where not told.
        time: When it was made or said; None: not told.
        tags: Labels.
        metadata: All else that was told of it, as JSON.
    """

    id: str
    text: str
    system: str
    title: str = ""
    role: str = ""
    time: datetime | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    id: str
    role: str
    speaker: str
    text: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat; its messages in order."""

    id: str
    title: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One document: its path within what is imported, and its text."""

    source: str
    title: str
    text: str
    media_type: str = "text/markdown"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not imported: where it stands, and why."""

    place: str
    why: str


Item = Memory | Chat | Page | Problem
