"""Rows as the values of a statement."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Table


def values_of(kind: type[Any], *left_out: str) -> Callable[[Any], dict[str, Any]]:
    """Return what turns a row into its values by name, all but some; `asdict` would copy each value, which is slow."""
    names = tuple(field.name for field in fields(kind) if field.name not in left_out)
    get = attrgetter(*names)
    return lambda row: dict(zip(names, get(row), strict=True))


def tuples_of(table: Table, *given: str) -> Callable[..., tuple[Any, ...]]:
    """Return what turns the values of the first columns, and a row with the others, into a tuple for `insert_many`.

    Args:
        table: The table.
        given: Its first columns, which the row does not tell: for instance the vault's id.
    """
    names: Sequence[str] = table.columns.keys()
    if tuple(names[: len(given)]) != given:
        message = f"{table.name} begins with {names[: len(given)]}"
        raise ValueError(message)
    get = attrgetter(*names[len(given) :])

    def values(*first_and_row: Any) -> tuple[Any, ...]:
        *first, row = first_and_row
        return (*first, *get(row))

    return values
