"""Samples of leaks, in whatever form they come: text, JSON, lines of JSON, or a tensor file."""

from __future__ import annotations

import json
from typing import Any

from memporium_platform.bundle.tensors import TensorFileError
from memporium_platform.tracing.tensors import TensorFile

# Deepest JSON that is looked through.
_DEEPEST = 64


def is_tensor_file(data: bytes) -> bool:
    """Return whether a sample is a tensor file."""
    try:
        TensorFile(data)
    except TensorFileError:
        return False
    return True


def texts_in(data: bytes) -> list[str]:
    """Return the texts of a sample: the strings of its JSON, or else all of it."""
    text = data.decode("utf-8", errors="replace")
    whole = _strings_of(text)
    if whole is not None:
        return whole
    found: list[str] = []
    plain: list[str] = []
    for line in text.splitlines():
        strings = _strings_of(line) if line.lstrip()[:1] in {"{", "["} else None
        if strings is None:
            plain.append(line)
        else:
            found += strings
    return [*found, "\n".join(plain)] if plain else found


def _strings_of(text: str) -> list[str] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict | list):
        return None
    found: list[str] = []
    _collect(value, found, _DEEPEST)
    return found


def _collect(value: Any, found: list[str], depth: int) -> None:
    if isinstance(value, str):
        found.append(value)
    elif depth and isinstance(value, list):
        for one in value:
            _collect(one, found, depth - 1)
    elif depth and isinstance(value, dict):
        for one in value.values():
            _collect(one, found, depth - 1)
