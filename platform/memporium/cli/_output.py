"""Printing: aligned columns for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.markup import escape

from memporium.cli import _plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.message import Message

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
# Set by the root command: print nothing but the names of resources, for shells.
names_only: ContextVar[bool] = ContextVar("names_only", default=False)
_GAP = "  "
# Signed documents, the same terms once more, and what only programs need; `--json` has them.
_FOR_PROGRAMS = frozenset({"uid", "etag", "history", "terms_document", "document", "payload_type"})
# Longer keys stand on a line of their own.
_KEY_WIDTH = 26


def as_dict(message: Message) -> dict[str, Any]:
    """Return a message as plain JSON values with the proto's own field names."""
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def print_json(value: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_json_line(message: Message) -> None:
    """Print one message of a stream as one line of JSON, at once."""
    sys.stdout.write(json.dumps(as_dict(message), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """Print markup without breaking lines: what is copied from the terminal is whole."""
    console.print(text, soft_wrap=True)


def show(message: Message, *, as_json: bool, title: str = "") -> None:
    """Print one message: JSON, or a line a field."""
    if as_json:
        print_json(as_dict(message))
        return
    if names_only.get():
        sys.stdout.write(_name(message) + "\n")
        return
    if title:
        line(f"[green]{escape(title)}[/green]")
    show_pairs(_plain.fields(message, skip=_FOR_PROGRAMS))


def _name(message: Any) -> str:
    """Return the name of a resource, or of the first one that a response wraps; "" where there is none."""
    if "name" in message.DESCRIPTOR.fields_by_name:
        return str(message.name)
    for field, value in message.ListFields():
        if field.message_type is not None and not field.is_repeated and (found := _name(value)):
            return found
    return ""


def show_pairs(given: Iterable[tuple[str, str]]) -> None:
    """Print keys and values, aligned; a value that is too long for its line begins on the next one."""
    pairs = [(key, value) for key, value in given if value]
    width = max((len(key) for key, _ in pairs if len(key) <= _KEY_WIDTH), default=0)
    for key, value in pairs:
        room = console.width - width - len(_GAP)
        if len(key) > width or len(value) > room or "\n" in value:
            line(f"[bold]{escape(key)}[/bold]")
            for part in value.splitlines():
                line(f"{_GAP}{escape(part)}")
        else:
            line(f"[bold]{escape(key):<{width + len(escape(key)) - len(key)}}[/bold]{_GAP}{escape(value)}")


def show_all(messages: Iterable[Message], columns: Sequence[str], *, as_json: bool, title: str = "") -> None:
    """Print many messages: a JSON list, or a table with these columns (dotted paths of fields)."""
    found = list(messages)
    if as_json:
        print_json([as_dict(message) for message in found])
        return
    if names_only.get():
        sys.stdout.writelines(_name(message) + "\n" for message in found)
        return
    if title:
        line(f"[green]{escape(title)}[/green]")
    heads = [column.rsplit(".", 1)[-1].replace("_", " ") for column in columns]
    show_rows(heads, [[_plain.pick(message, column) for column in columns] for message in found])
    line(f"[dim]{len(found)} shown[/dim]")


def show_rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table where it fits the width; else a block a row: the first column, and below it the others."""
    if not rows:
        return
    clean = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *clean, strict=True)]
    if sum(widths) + len(_GAP) * (len(widths) - 1) <= console.width:
        for index, row in enumerate([list(heads), *clean]):
            text = escape(_GAP.join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
            line(f"[bold]{text}[/bold]" if index == 0 else text)
        return
    for row in clean:
        line(f"[bold]{escape(row[0])}[/bold]")
        more = [f"{head}: {cell}" for head, cell in zip(heads[1:], row[1:], strict=True) if cell]
        for text in _packed(more, console.width - len(_GAP)):
            line(f"{_GAP}{escape(text)}")


def _packed(parts: Sequence[str], width: int) -> Iterable[str]:
    """Put as many parts on a line as there is room for."""
    row = ""
    for part in parts:
        if row and len(row) + len(_GAP) + len(part) > width:
            yield row
            row = ""
        row = f"{row}{_GAP}{part}" if row else part
    if row:
        yield row
