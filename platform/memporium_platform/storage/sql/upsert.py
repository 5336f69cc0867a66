"""INSERT ... ON CONFLICT in the words that SQLite and PostgreSQL share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.sql import Executable


def upsert(
    table: Table,
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    index_elements: Iterable[str],
    set_: Iterable[str] | Mapping[str, Any] = (),
) -> Executable:
    """Return an insert that overwrites columns of the row that is there already.

    The statement is PostgreSQL's construct; SQLite's compiler renders the same one, so it fits either connection.

    Args:
        table: The table.
        values: One row, or several.
        index_elements: Columns of the unique key that may conflict.
        set_: Names of the columns to take from the new row, or a mapping of columns to expressions. Empty: the row
            that is there stays as it is.
    """
    statement = postgresql.insert(table).values(values)
    if not set_:
        return statement.on_conflict_do_nothing(index_elements=list(index_elements))
    if hasattr(set_, "items"):
        changes: dict[str, Any] = dict(set_.items())
    else:
        changes = {name: statement.excluded[name] for name in set_}
    return statement.on_conflict_do_update(index_elements=list(index_elements), set_=changes)
