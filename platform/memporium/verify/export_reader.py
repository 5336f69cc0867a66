"""Reads the rows of an exported audit log: JSON lines, or CSV whose columns agree with the row that they show."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from memporium.verify.export_format import COLUMNS, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

# A row with 256 leaf hashes has 11 KiB; a record some more with its details.
_MAX_CELL_CHARS = 1 << 20


class ExportError(Exception):
    """The file is malformed."""


def read_rows(data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers and rows.

    Raises:
        ExportError: The file is neither form, or a row is malformed.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ExportError("it is not UTF-8") from error
    if text.startswith("{"):
        for number, line in enumerate(text.split("\n"), 1):
            if line:
                yield number, _row(line, number)
    else:
        yield from _csv_rows(text)


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_MAX_CELL_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if next(reader, None) != list(COLUMNS):
            raise ExportError("the columns are not those of an export")
        for cells in reader:
            line = reader.line_num
            if len(cells) != len(COLUMNS):
                raise ExportError(f"line {line}: it has {len(cells)} columns")
            row = _row(cells[-1], line)
            if cells[:-1] != shown(row):
                different = next(
                    name for name, cell, right in zip(COLUMNS, cells, shown(row), strict=False) if cell != right
                )
                message = f"row {row.get('index', '')} (line {line}) was altered: column {different}"
                raise ExportError(message)
            yield line, row
    except csv.Error as error:
        raise ExportError(f"line {reader.line_num}: {error}") from error


def _row(text: str, line: int) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"line {line}: it is not JSON") from error
    if not isinstance(row, dict):
        raise ExportError(f"line {line}: it is no object")
    return row
