"""Many rows into a table at once.

SQLite's driver lets go of the interpreter at each row of an `executemany`, and a busy event loop gives it back late; a
statement with many rows lets go once. PostgreSQL's sends all rows in one go anyway.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

# Rows of one statement, at most; the driver keeps statements prepared, so few sizes are used: the powers of two.
_TOGETHER = 64


def insert_many(conn: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, each a tuple in the order of the table's columns."""
    if conn.dialect.name != "sqlite":
        if rows:
            conn.exec_driver_sql(_statement(table, 1, "%s"), list(rows))
        return
    done = 0
    while done < len(rows):
        size = min(_TOGETHER, 1 << ((len(rows) - done).bit_length() - 1))
        values = tuple(value for row in rows[done : done + size] for value in row)
        conn.exec_driver_sql(_statement(table, size, "?"), values)
        done += size


@lru_cache(maxsize=256)
def _statement(table: Table, rows: int, mark: str) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    row = f"({', '.join([mark] * len(table.columns))})"
    return f'INSERT INTO "{table.name}" ({names}) VALUES {", ".join([row] * rows)}'  # noqa: S608 - our own names
