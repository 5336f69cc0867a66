"""A MemOS cube's folder: `config.json` beside `textual_memory.json`, as its `dump` writes them.

The text memory is a list of memories (`naive_text`, `general_text`), or the nodes and edges of a tree (`tree_text`).
Activation and parametric memory of a cube belong to the models that made them and are pickles: they are left alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memporium.memory.scopes import MOST_METADATA_CHARS
from memporium.sources.files import MOST_FILE_BYTES, opened_text
from memporium.sources.items import Item, Memory, Problem
from memporium.sources.json_stream import JsonError, elements
from memporium.sources.times import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYSTEM = "memos"
CONFIG, TEXT = "config.json", "textual_memory.json"
_LEFT = ("activation_memory.pickle", "parametric_memory.adapter", "parametric_memory.pickle")
# Embeddings are made anew by the vault's own model; the others have fields of their own here.
_DROPPED = frozenset({"embedding", "tags", "created_at", "updated_at", "key", "role", "usage", "history"})
# What stays of metadata that are too long to be kept whole.
_SHORT = ("user_id", "session_id", "status", "type", "source", "memory_type", "visibility", "confidence")


def read(folder: Path) -> Iterator[Item]:
    """Yield the memories of a cube's folder.

    Raises:
        JsonError: It holds no cube, or one that is no JSON.
    """
    path = _text_of(folder)
    if path.is_symlink() or not path.is_file():
        raise JsonError(f"{folder}: holds no {path.name}")
    for name in _LEFT:
        if (folder / name).exists():
            yield Problem(name, "is bound to the model that made it, and left alone")
    for number, one in enumerate(elements(path, keys={"nodes"}), 1):
        yield _item(one, f"{path.name}: memory {number}")


def _item(one: Any, place: str) -> Item:
    text = one.get("memory") if isinstance(one, dict) else None
    if not isinstance(text, str) or not text.strip():
        return Problem(place, "has no text under `memory`")
    given = one.get("metadata")
    metadata: dict[str, Any] = given if isinstance(given, dict) else {}
    if metadata.get("status") in {"deleted", "archived"}:
        return Problem(place, f"is {metadata['status']} there")
    if not one.get("id"):
        return Problem(place, "has no id")
    tags = metadata.get("tags")
    return Memory(
        id=str(one["id"]),
        text=text,
        system=SYSTEM,
        title=str(metadata.get("key") or ""),
        role=str(metadata.get("role") or "user"),
        time=time_of(metadata.get("memory_time")) or time_of(metadata.get("created_at") or metadata.get("updated_at")),
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        metadata=_kept(metadata),
    )


def _kept(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that have no field of their own here, as far as there is room for them."""
    found = {key: value for key, value in metadata.items() if key not in _DROPPED and value not in (None, "", [], {})}
    if len(json.dumps(found, ensure_ascii=False)) > MOST_METADATA_CHARS:
        found = {key: found[key] for key in _SHORT if isinstance(found.get(key), str | int | float)}
    return found


def _text_of(folder: Path) -> Path:
    """Return the file of the text memory: the configuration may name it otherwise, but never another folder's."""
    path = folder / CONFIG
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_FILE_BYTES:
        return folder / TEXT
    try:
        config = json.loads(opened_text(path))
        name = config["text_mem"]["config"]["memory_filename"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return folder / TEXT
    if not isinstance(name, str) or "/" in name or "\\" in name or name in {"", ".", ".."}:
        return folder / TEXT
    return folder / name
