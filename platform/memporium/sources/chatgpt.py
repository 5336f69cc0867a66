"""ChatGPT's export: `conversations.json`, a list of conversations, each a tree of messages.

The tree holds every version of a message that was edited or made anew. What counts is the branch that was seen last:
from `current_node` up to the root. Without it, the branch of the newest message counts.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memporium.sources.items import Chat, Item, Message, Problem
from memporium.sources.json_stream import elements
from memporium.sources.times import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Instructions and the work of tools are no dialogue.
_ROLES = frozenset({"user", "assistant"})
_MOST_NODES = 100_000
_UNKNOWN = datetime(2022, 11, 30, tzinfo=UTC)
_MOST_ID_CHARS = 200


def read(path: Path) -> Iterator[Item]:
    """Yield the conversations of a file.

    Raises:
        JsonError: It is no JSON.
    """
    for number, one in enumerate(elements(path), 1):
        place = f"{path.name}: conversation {number}"
        try:
            yield _chat(one, number) or Problem(place, "has no messages of people or assistants")
        except _TreeError as error:
            yield Problem(place, str(error))


class _TreeError(Exception):
    """A conversation whose tree is none."""


def _chat(one: Any, number: int) -> Chat | None:
    nodes = one.get("mapping") if isinstance(one, dict) else None
    if not isinstance(nodes, dict):
        raise _TreeError("has no `mapping`")
    if len(nodes) > _MOST_NODES:
        raise _TreeError(f"has more than {_MOST_NODES} messages")
    title = str(one.get("title") or "")
    chat_id = str(one.get("conversation_id") or one.get("id") or "")
    if not chat_id:
        told = f"{title}\x00{one.get('create_time')}\x00{number}"
        chat_id = hashlib.sha256(told.encode()).hexdigest()[:32]
    moment = time_of(one.get("create_time")) or _UNKNOWN
    messages = []
    for node_id, message in _branch(nodes, one.get("current_node")):
        role, text = _said(message)
        # Times may be missing, and in old exports run backwards.
        moment = max(moment, time_of(message.get("create_time")) or moment)
        if role in _ROLES and text:
            messages.append(Message(node_id[:_MOST_ID_CHARS], role, role, text, moment))
    return Chat(chat_id[:_MOST_ID_CHARS], title[:200], tuple(messages)) if messages else None


def _branch(nodes: dict[str, Any], last: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the messages from the root to a node, in order."""
    at = last if isinstance(last, str) and last in nodes else _newest(nodes)
    found: list[tuple[str, dict[str, Any]]] = []
    seen: set[str] = set()
    while at is not None:
        if at in seen:
            raise _TreeError(f"goes in a circle at {at[:40]}")
        seen.add(at)
        node = nodes.get(at)
        if not isinstance(node, dict):
            raise _TreeError(f"lacks the message {at[:40]}")
        message = node.get("message")
        if isinstance(message, dict):
            found.append((at, message))
        parent = node.get("parent")
        at = parent if isinstance(parent, str) and parent else None
    return found[::-1]


def _newest(nodes: dict[str, Any]) -> str | None:
    """Return the newest message without replies; None where there is none."""
    leaves = [
        (str(_time_in(node)), name)
        for name, node in nodes.items()
        if isinstance(node, dict) and not node.get("children") and isinstance(node.get("message"), dict)
    ]
    return max(leaves)[1] if leaves else None


def _time_in(node: dict[str, Any]) -> datetime:
    return time_of(node["message"].get("create_time")) or _UNKNOWN


def _said(message: dict[str, Any]) -> tuple[str, str]:
    """Return the role and text of a message; "" where it shows nothing."""
    author, content = message.get("author"), message.get("content")
    role = author.get("role") if isinstance(author, dict) else ""
    if not isinstance(content, dict):
        return str(role), ""
    parts = content.get("parts")
    if not isinstance(parts, list):
        parts = [content.get("text")]
    # Parts that are no text are pictures and files.
    texts = [
        part if isinstance(part, str) else part.get("text", "") if isinstance(part, dict) else "" for part in parts
    ]
    return str(role), "\n".join(text for text in texts if isinstance(text, str) and text.strip()).strip()
