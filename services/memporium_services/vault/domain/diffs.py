"""Compares two states of a cube, given as plain JSON-like values, field by field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """A path at which two values differ; the values as JSON, empty where absent."""

    path: str
    before: str
    after: str


def differences(before: Any, after: Any, path: str = "") -> list[Difference]:
    """Return what differs, by path in order; objects are entered, lists are compared whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[Difference] = []
        for key in sorted(before.keys() | after.keys()):
            found += differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        return found
    if before == after:
        return []
    if isinstance(before, dict) and after is None:
        return differences(before, {}, path) or [Difference(path, _json(before), "")]
    if isinstance(after, dict) and before is None:
        return differences({}, after, path) or [Difference(path, "", _json(after))]
    return [Difference(path, _json(before), _json(after))]


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
