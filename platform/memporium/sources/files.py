"""Folders that strangers filled: no link is followed, nothing outside is read, no file is larger than it may be."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from memporium.sources.items import Item, Page, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIXES = {".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain", ".rst": "text/plain"}
# What the reader takes of one document.
MOST_FILE_BYTES = 16 << 20
_MOST_DEPTH = 64
# What tools of notes put before the text, between two lines of hyphens.
_FRONT = re.compile(r"---\n((?:[^\n]{0,4096}\n){0,200}?)---\n")
_TITLE = re.compile(r"^title:[ \t]*(.{1,250})$", re.MULTILINE)


def read_folder(folder: Path) -> Iterator[Item]:
    """Yield the Markdown and text files of a folder and what lies below it, in order of their paths."""
    yield from _below(folder, folder, 0)


def read_file(path: Path) -> Iterator[Item]:
    """Yield one Markdown or text file."""
    yield _page(path, path.name)


def opened_text(path: Path) -> str:
    """Return the text of a file that is no link.

    Raises:
        OSError: It is a link, or cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(MOST_FILE_BYTES + 1).decode("utf-8-sig")


def _below(folder: Path, root: Path, depth: int) -> Iterator[Item]:
    if depth > _MOST_DEPTH:
        yield Problem(str(folder.relative_to(root)), f"lies more than {_MOST_DEPTH} folders deep")
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda one: one.name)
    for entry in entries:
        path = Path(entry.path)
        # Names of files are bytes; those that are no UTF-8 would break what prints them.
        place = os.fsencode(path.relative_to(root)).decode("utf-8", errors="replace")
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            yield Problem(place, "is a link, and not followed")
        elif entry.is_dir(follow_symlinks=False):
            yield from _below(path, root, depth + 1)
        elif path.suffix.lower() in _SUFFIXES:
            yield _page(path, place)


def _page(path: Path, source: str) -> Item:
    try:
        if not path.is_file():
            return Problem(source, "is no file")
        text = opened_text(path)
    except UnicodeDecodeError:
        return Problem(source, "is not UTF-8")
    except OSError as error:
        return Problem(source, error.strerror or "cannot be read")
    if len(text) > MOST_FILE_BYTES // 2 and len(text.encode()) > MOST_FILE_BYTES:
        return Problem(source, f"has more than {MOST_FILE_BYTES} bytes")
    title, text = _without_front(text)
    if not text.strip():
        return Problem(source, "is empty")
    return Page(source, title or path.stem, text, _SUFFIXES[path.suffix.lower()])


def _without_front(text: str) -> tuple[str, str]:
    """Return the title that the front matter of a document names, "" for none, and the document without it."""
    match = _FRONT.match(text)
    if match is None:
        return "", text
    title = _TITLE.search(match[1])
    return title[1].strip("\"' ") if title else "", text[match.end() :]
