"""Rows as the values of a statement."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def values_of(kind: type[Any], *left_out: str) -> Callable[[Any], dict[str, Any]]:
    """Return what turns a row into its values by name, all but some; `asdict` would copy each value, which is slow."""
    names = tuple(field.name for field in fields(kind) if field.name not in left_out)
    get = attrgetter(*names)
    return lambda row: dict(zip(names, get(row), strict=True))
