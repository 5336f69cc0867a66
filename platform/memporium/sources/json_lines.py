"""JSON lines: objects with `text`; `id`, `title`, `source`, `time`, `role`, `tags` and `metadata` are optional."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from memporium.sources.items import Item, Memory, Problem
from memporium.sources.times import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYSTEM = "jsonl"
# Bytes of one line; a longer one is passed over without being held in memory.
MOST_LINE_BYTES = 1 << 24


def read(path: Path) -> Iterator[Item]:
    """Yield the memories of a file, and a problem for each line that is none."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MOST_LINE_BYTES):
            number += 1
            place = f"{path.name}:{number}"
            if len(line) == MOST_LINE_BYTES and not line.endswith(b"\n"):
                while (more := file.readline(MOST_LINE_BYTES)) and not more.endswith(b"\n"):
                    pass
                yield Problem(place, f"has more than {MOST_LINE_BYTES} bytes")
                continue
            if line.strip(b" \t\r\n\xef\xbb\xbf"):
                yield _item(line, place)


def _item(line: bytes, place: str) -> Item:
    try:
        one = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Problem(place, "is not UTF-8")
    except RecursionError:
        return Problem(place, "is nested too deep")
    except ValueError as error:
        return Problem(place, f"is no JSON: {error}")
    text = one.get("text") if isinstance(one, dict) else None
    if not isinstance(text, str) or not text.strip():
        return Problem(place, "has no text under `text`")
    return _memory(one, text)


def _memory(one: dict[str, Any], text: str) -> Memory:
    tags, metadata = one.get("tags"), one.get("metadata")
    made = hashlib.sha256(f"{one.get('source', '')}\x00{one.get('title', '')}\x00{text}".encode()).hexdigest()[:32]
    more = {"source": one["source"]} if isinstance(one.get("source"), str) and one["source"] else {}
    return Memory(
        id=str(one.get("id") or made),
        text=text,
        system=SYSTEM,
        title=str(one.get("title") or ""),
        role=str(one.get("role") or ""),
        time=time_of(one.get("time")),
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        metadata={**(metadata if isinstance(metadata, dict) else {}), **more},
    )
