"""Printing: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.message import Message

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def as_dict(message: Message) -> dict[str, Any]:
    """Return a message as plain JSON values with the proto's own field names."""
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def print_json(value: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show(message: Message, *, as_json: bool, title: str = "") -> None:
    """Print one message: JSON, or a table of its fields."""
    if as_json:
        print_json(as_dict(message))
        return
    table = Table(title=title or None, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in _flat(as_dict(message)):
        table.add_row(key, value)
    console.print(table)


def show_all(messages: Iterable[Message], columns: Sequence[str], *, as_json: bool, title: str = "") -> None:
    """Print many messages: a JSON list, or a table with these columns (dotted paths of fields)."""
    rows = [as_dict(message) for message in messages]
    if as_json:
        print_json(rows)
        return
    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column.rsplit(".", 1)[-1].replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(_pick(row, column)) for column in columns))
    console.print(table)
    console.print(f"[dim]{len(rows)} shown[/dim]")


def _pick(row: dict[str, Any], path: str) -> Any:
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _flat(value: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _cell(item)
