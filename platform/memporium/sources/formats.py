"""The formats that are imported, and how each is told from what lies at a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.sources import chatgpt, files, json_lines, mem0, memos
from memporium.sources.json_stream import JsonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from memporium.sources.items import Item


def _markdown(path: Path) -> Iterator[Item]:
    return files.read_folder(path) if path.is_dir() else files.read_file(path)


READERS: Mapping[str, Callable[[Path], Iterator[Item]]] = {
    "memos": memos.read,
    "mem0": mem0.read,
    "markdown": _markdown,
    "chatgpt": chatgpt.read,
    "jsonl": json_lines.read,
}
FORMATS = tuple(READERS)
_CHATS = "conversations.json"
_HEAD_CHARS = 4_096


def told(path: Path) -> str:
    """Return the format of what lies at a path.

    Raises:
        JsonError: It is none of them.
    """
    if path.is_dir():
        if (path / memos.CONFIG).is_file() and any(path.glob("*.json")):
            return "memos"
        return "chatgpt" if (path / _CHATS).is_file() else "markdown"
    if path.suffix.lower() in {".md", ".markdown", ".txt", ".rst"}:
        return "markdown"
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return "jsonl"
    if path.suffix.lower() == ".json":
        return "chatgpt" if path.name == _CHATS or '"mapping"' in _head(path) else "mem0"
    raise JsonError(f"{path}: is of no known format; name one of {', '.join(FORMATS)}")


def read(path: Path, name: str = "") -> Iterator[Item]:
    """Yield what lies at a path, in a format; "": the one that it is told by.

    Raises:
        JsonError: It is not in that format.
    """
    name = name or told(path)
    if name == "chatgpt" and path.is_dir():
        path /= _CHATS
    if path.is_dir() and name not in {"memos", "markdown"}:
        raise JsonError(f"{path}: is a folder; {name} is a file")
    if not path.is_dir() and name == "memos":
        raise JsonError(f"{path}: is no folder; a MemOS cube is one")
    return READERS[name](path)


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_HEAD_CHARS).decode("utf-8", errors="replace")
