"""The rows of an exported audit log, as JSON lines or CSV.

`header` first; an `entry` for each record; `leaves` with the leaf hashes of the whole log, 256 a row; `checkpoint`
last.
In CSV each row has the record's fields in columns for people, and in the last column what the JSON line would hold.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = dict[str, Any]

VERSION = 1
COLUMNS = (
    "type",
    "index",
    "time",
    "principal",
    "action",
    "resource",
    "effect",
    "reason",
    "rule",
    "epoch",
    "purpose",
    "region",
    "memory_type",
    "terms_digest",
    "via",
    "credential",
    "decision_id",
    "root_id",
    "trace_id",
    "json",
)
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def header(organisation: str, tree_size: int, *, complete: bool, verifier_key: str) -> Row:
    """Return the first row."""
    return {
        "type": "header",
        "version": VERSION,
        "organisation": organisation,
        "tree_size": tree_size,
        "complete": complete,
        "verifier_key": verifier_key,
    }


def entry(index: int, *, record: bytes, salt: bytes, leaf_hash: bytes) -> Row:
    """Return the row of a record; of an erased one only the leaf hash is left."""
    if not record:
        return {"type": "entry", "index": index, "erased": True, "leaf": leaf_hash.hex()}
    return {"type": "entry", "index": index, "salt": salt.hex(), "record": json.loads(record)}


def leaves(start: int, hashes: str) -> Row:
    """Return a row of leaf hashes, base64, from leaf `start` on."""
    return {"type": "leaves", "start": start, "hashes": hashes}


def checkpoint(note: str) -> Row:
    """Return the last row."""
    return {"type": "checkpoint", "note": note}


def json_line(row: Row) -> bytes:
    """Return a row as a JSON line."""
    return (_text(row) + "\n").encode()


def csv_header() -> bytes:
    """Return the names of the columns."""
    return _csv(COLUMNS)


def csv_line(row: Row) -> bytes:
    """Return a row as a CSV line."""
    return _csv([*shown(row), _text(row)])


def shown(row: Mapping[str, Any]) -> list[str]:
    """Return the columns for people: all but the last."""
    record = row.get("record")
    fields: Mapping[str, Any] = record if isinstance(record, dict) else {}
    cells = [str(row.get("type", "")), str(row.get("index", ""))]
    cells += [str(fields.get(name, "")) for name in COLUMNS[2:-1]]
    return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]


def _text(row: Row) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _csv(cells: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
