"""Documents: the Python language reference inside CPython, a folder of Markdown or text, one file, JSON lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium.reader.v1 import remember_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_SUFFIXES = {".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain", ".rst": "text/plain"}
# A document travels in messages of at most this many bytes; the rest is appended.
_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Document:
    """One document to remember."""

    source: str
    title: str
    text: str
    media_type: str = "text/plain"


def python_reference() -> list[Document]:
    """Return the Python language reference that ships inside CPython (`pydoc_data.topics`), a document a topic."""
    from pydoc_data.topics import topics  # CPython's own data, about 700 kB

    return [
        Document(source=f"python:{name}", title=text.strip().split("\n", 1)[0].strip() or name, text=text)
        for name, text in sorted(topics.items())
    ]


def load(path: Path) -> list[Document]:
    """Return the documents of a folder (Markdown and text, recursively), a file, or JSON lines.

    A JSON line is an object with `text`, and `title` and `source` where it has them.

    Raises:
        ValueError: Nothing to read there, or a line is not such an object.
    """
    if path.is_dir():
        found = [
            Document(
                source=str(file.relative_to(path)), title=file.stem, text=_read(file), media_type=_SUFFIXES[file.suffix]
            )
            for file in sorted(path.rglob("*"))
            # A link may lead out of the folder, to what nobody meant to be remembered.
            if file.is_file() and not file.is_symlink() and file.suffix in _SUFFIXES
        ]
    elif path.suffix == ".jsonl":
        found = list(_json_lines(path))
    elif path.suffix in _SUFFIXES:
        found = [Document(source=path.name, title=path.stem, text=_read(path), media_type=_SUFFIXES[path.suffix])]
    else:
        found = []
    found = [document for document in found if document.text.strip()]
    if not found:
        raise ValueError(f"{path}: no Markdown, text or JSON lines with text in them")
    return found


def requests(
    parent: str,
    found: Iterable[Document],
    *,
    tags: Sequence[str] = (),
    persona: str = "",
    trust: float | None = None,
) -> Iterator[remember_pb2.RememberDocumentsRequest]:
    """Yield the messages that remember documents in a vault."""
    header = remember_pb2.RememberDocumentsHeader(parent=parent, tags=tags, persona=persona, trust=trust)
    yield remember_pb2.RememberDocumentsRequest(header=header)
    for document in found:
        for index in range(0, len(document.text), _PIECE_BYTES):
            yield remember_pb2.RememberDocumentsRequest(
                document=remember_pb2.SourceDocument(
                    source=document.source,
                    title=document.title,
                    text=document.text[index : index + _PIECE_BYTES],
                    media_type=document.media_type,
                    append=index > 0,
                )
            )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _json_lines(path: Path) -> Iterator[Document]:
    for number, line in enumerate(_read(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text = row["text"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}:{number}: not a JSON object with a text") from error
        yield Document(
            source=str(row.get("source", f"{path.name}:{number}")),
            title=str(row.get("title", f"{path.stem} {number}")),
            text=str(text),
        )
