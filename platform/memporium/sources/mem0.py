"""mem0's JSON: what `get_all` returns, or an export: a list, or an object with `results` or `memories`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from memporium.sources.items import Item, Memory, Problem
from memporium.sources.json_stream import elements
from memporium.sources.times import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYSTEM = "mem0"
_KEYS = frozenset({"results", "memories", "data"})
_IDS = ("user_id", "agent_id", "app_id", "run_id", "actor_id")


def read(path: Path) -> Iterator[Item]:
    """Yield the memories of a file.

    Raises:
        JsonError: It is no JSON.
    """
    for number, one in enumerate(elements(path, keys=_KEYS), 1):
        place = f"{path.name}: memory {number}"
        text = (one.get("memory") or one.get("text") or one.get("data")) if isinstance(one, dict) else None
        if not isinstance(text, str) or not text.strip():
            yield Problem(place, "has no text under `memory`")
            continue
        yield _memory(one, text)


def _memory(one: dict[str, Any], text: str) -> Memory:
    given = one.get("metadata")
    metadata = dict(given) if isinstance(given, dict) else {}
    ids = {key: str(one[key]) for key in _IDS if one.get(key)}
    labels = one.get("categories")
    return Memory(
        id=str(one.get("id") or hashlib.sha256(text.encode()).hexdigest()[:32]),
        text=text,
        system=SYSTEM,
        role=str(one.get("role") or "user"),
        time=time_of(one.get("created_at")),
        tags=tuple(str(label) for label in labels) if isinstance(labels, list) else (),
        metadata={**metadata, **ids},
    )
