"""Writers of the export formats: each writes beside its target and takes its place when it is whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from memporium.sources import memos
from memporium.sources.items import Problem
from memporium.sources.times import time_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from memporium.sources.outgoing import Outgoing

_IDS = ("user_id", "agent_id", "run_id")
_SLUG = re.compile(r"[^a-z0-9]+")


class Writer(Protocol):
    """One export."""

    def write(self, one: Outgoing) -> Problem | None:
        """Write a cube; return why it has no place in this format, if it has none."""
        ...

    def finish(self) -> None:
        """Put what was written in its place."""
        ...

    def abort(self) -> None:
        """Leave nothing behind."""
        ...


class _File:
    """A file that appears when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._draft = path, path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self.file: TextIO = os.fdopen(os.open(self._draft, flags, 0o600), "w", encoding="utf-8", newline="\n")

    def finish(self) -> None:
        """Put it in its place."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._draft.replace(self._path)

    def abort(self) -> None:
        """Remove it."""
        self.file.close()
        self._draft.unlink(missing_ok=True)


class JsonLines(_File):
    """An object a line."""

    def write(self, one: Outgoing) -> Problem | None:
        """Write a cube as a line."""
        row = {
            "id": one.id,
            "text": one.text,
            "title": one.title,
            "source": one.source,
            "time": one.time,
            "role": one.statements[0].role,
            "tags": list(one.tags),
            "metadata": one.metadata,
            "attribution": one.attribution,
        }
        self.file.write(_line({key: value for key, value in row.items() if value}) + "\n")
        return None


class Mem0(_File):
    """An object with `results`, a memory a statement."""

    def __init__(self, path: Path) -> None:
        """Begin the file."""
        super().__init__(path)
        self._first = True
        self.file.write('{"results": [')

    def write(self, one: Outgoing) -> Problem | None:
        """Write a cube's statements."""
        ids = {key: one.metadata[key] for key in _IDS if key in one.metadata}
        metadata = {key: value for key, value in one.metadata.items() if key not in ids}
        for statement in one.statements:
            row: dict[str, Any] = {
                "id": statement.id,
                "memory": statement.text,
                "metadata": metadata,
                "created_at": statement.time or one.time or one.created,
                "updated_at": one.updated,
                **ids,
            }
            if statement.role:
                row["role"] = statement.role
            if one.tags:
                row["categories"] = list(one.tags)
            self.file.write(("\n" if self._first else ",\n") + _line(row))
            self._first = False
        return None

    def finish(self) -> None:
        """End the file."""
        self.file.write("\n]}\n")
        super().finish()


class ChatGpt(_File):
    """A list of conversations; what is no dialogue has no place in it."""

    def __init__(self, path: Path) -> None:
        """Begin the file."""
        super().__init__(path)
        self._chats: dict[str, tuple[str, list[tuple[str, int, str, str]]]] = {}

    def write(self, one: Outgoing) -> Problem | None:
        """Take up a cube's statements: a session lies in several cubes."""
        if not one.dialogue:
            return Problem(one.name, "is no dialogue")
        for number, each in enumerate(one.statements):
            chat = self._chats.setdefault(each.session or one.source, (one.title, []))
            role = each.role if each.role in {"user", "assistant"} else "user"
            told = each.text if each.role else f"{each.speaker}: {each.text}"
            chat[1].append((each.time or one.time, number, role, told))
        return None

    def finish(self) -> None:
        """Write the conversations."""
        for number, (name, (title, said)) in enumerate(sorted(self._chats.items())):
            self.file.write(("[\n" if not number else ",\n") + _line(_conversation(name, title, sorted(said))))
        self.file.write("\n]\n" if self._chats else "[]\n")
        super().finish()


def _conversation(name: str, title: str, said: list[tuple[str, int, str, str]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": []}}
    last = "root"
    for number, (moment, _order, role, text) in enumerate(said):
        node = f"{name}-{number}"
        message = {
            "id": node,
            "author": {"role": role},
            "create_time": _seconds(moment),
            "content": {"content_type": "text", "parts": [text]},
        }
        mapping[last]["children"].append(node)
        mapping[node] = {"id": node, "message": message, "parent": last, "children": []}
        last = node
    times = [_seconds(moment) for moment, *_ in said]
    return {
        "id": name,
        "conversation_id": name,
        "title": title,
        "create_time": min(times),
        "update_time": max(times),
        "current_node": last,
        "mapping": mapping,
    }


class _Folder:
    """A folder that appears when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._draft = path, path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        self._draft.mkdir(mode=0o700)

    def finish(self) -> None:
        """Put it in its place, and what was there away."""
        old = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}.old")
        if self._path.exists():
            self._path.replace(old)
        self._draft.replace(self._path)
        shutil.rmtree(old, ignore_errors=True)

    def abort(self) -> None:
        """Remove it."""
        shutil.rmtree(self._draft, ignore_errors=True)


class Markdown(_Folder):
    """A file a cube, with what is told of it in front."""

    def write(self, one: Outgoing) -> Problem | None:
        """Write a cube as a file; its name is made of letters and digits alone."""
        plain = unicodedata.normalize("NFKD", one.title).encode("ascii", "ignore").decode().lower()
        slug = _SLUG.sub("-", plain).strip("-")[:48].strip("-")
        told: dict[str, Any] = {"id": one.id, "title": one.title, "source": one.source, "time": one.time}
        told |= {"tags": list(one.tags)}
        told |= {"metadata": one.metadata, "attribution": one.attribution}
        head = "".join(f"{key}: {_line(value)}\n" for key, value in told.items() if value)
        path = self._draft / f"{slug or 'memory'}-{one.id}.md"
        path.write_text(f"---\n{head}---\n\n{one.text}\n", encoding="utf-8")
        return None


class Memos(_Folder):
    """A MemOS cube: its text memory, and a configuration that names it."""

    def __init__(self, path: Path) -> None:
        """Begin the folder."""
        super().__init__(path)
        self._file = (self._draft / memos.TEXT).open("w", encoding="utf-8", newline="\n")
        self._first, self._name = True, path.name

    def write(self, one: Outgoing) -> Problem | None:
        """Write a cube's statements."""
        for statement in one.statements:
            metadata = {
                **{key: value for key, value in one.metadata.items() if key not in {"tags", "key"}},
                "key": one.title,
                "tags": list(one.tags),
                "created_at": statement.time or one.time or one.created,
                "updated_at": one.updated,
                "status": "activated",
                **({"role": statement.role} if statement.role else {}),
            }
            row: dict[str, Any] = {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{one.name}#{statement.id}")),
                "memory": statement.text,
            }
            self._file.write(("[\n" if self._first else ",\n") + _line({**row, "metadata": metadata}))
            self._first = False
        return None

    def finish(self) -> None:
        """End the files."""
        self._file.write("[]\n" if self._first else "\n]\n")
        self._file.close()
        config = {
            "model_schema": "memos.configs.mem_cube.GeneralMemCubeConfig",
            "user_id": "memporium",
            "cube_id": self._name,
            "config_filename": memos.CONFIG,
            "text_mem": {"backend": "naive_text", "config": {"memory_filename": memos.TEXT}},
            "act_mem": {"backend": "uninitialized", "config": {}},
            "para_mem": {"backend": "uninitialized", "config": {}},
        }
        (self._draft / memos.CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        super().finish()

    def abort(self) -> None:
        """Remove the folder."""
        self._file.close()
        super().abort()


WRITERS: Mapping[str, type[JsonLines | Mem0 | ChatGpt | Markdown | Memos]] = {
    "jsonl": JsonLines,
    "mem0": Mem0,
    "chatgpt": ChatGpt,
    "markdown": Markdown,
    "memos": Memos,
}


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _seconds(moment: str) -> float:
    return (time_of(moment) or datetime(1970, 1, 1, tzinfo=UTC)).timestamp()
