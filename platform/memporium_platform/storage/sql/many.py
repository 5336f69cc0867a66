"""Many rows of a table at once.

SQLite's driver lets go of the interpreter at each row of an `executemany`, and a busy event loop gives it back late; a
statement with many rows lets go once. PostgreSQL's sends all rows in one go anyway.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

# Rows of one statement, at most; the driver keeps statements prepared, so few sizes are used: the powers of two.
_TOGETHER = 64


def insert_many(conn: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, each a tuple in the order of the table's columns."""
    if conn.dialect.name != "sqlite":
        if rows:
            conn.exec_driver_sql(_statement(table, 1, "%s"), list(rows))
        return
    for some in _pieces(rows):
        conn.exec_driver_sql(_statement(table, len(some), "?"), tuple(chain.from_iterable(some)))


def update_many(
    conn: Connection, table: Table, rows: Sequence[tuple[Any, ...]], *, by: Sequence[str], change: Sequence[str]
) -> None:
    """Change rows, each a tuple of what the columns `by` hold and of what the columns `change` shall hold.

    Where several are for the same row, it is not said which of them counts.
    """
    if conn.dialect.name != "sqlite":
        if rows:
            placed = [(*row[len(by) :], *row[: len(by)]) for row in rows]
            conn.exec_driver_sql(_update(table, tuple(by), tuple(change)), placed)
        return
    for some in _pieces(rows):
        conn.exec_driver_sql(_update_from(table, len(some), tuple(by), tuple(change)), tuple(chain.from_iterable(some)))


def _pieces(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    done = 0
    while done < len(rows):
        size = min(_TOGETHER, 1 << ((len(rows) - done).bit_length() - 1))
        yield rows[done : done + size]
        done += size


@lru_cache(maxsize=256)
def _statement(table: Table, rows: int, mark: str) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    row = f"({', '.join([mark] * len(table.columns))})"
    return f'INSERT INTO "{table.name}" ({names}) VALUES {", ".join([row] * rows)}'  # noqa: S608 - our own names


@lru_cache(maxsize=256)
def _update(table: Table, by: tuple[str, ...], change: tuple[str, ...]) -> str:
    to = ", ".join(f'"{name}" = %s' for name in change)
    which = " AND ".join(f'"{name}" = %s' for name in by)
    return f'UPDATE "{table.name}" SET {to} WHERE {which}'  # noqa: S608 - our own names


@lru_cache(maxsize=256)
def _update_from(table: Table, rows: int, by: tuple[str, ...], change: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in (*by, *change))
    values = ", ".join([f"({', '.join('?' * (len(by) + len(change)))})"] * rows)
    to = ", ".join(f'"{name}" = given."{name}"' for name in change)
    which = " AND ".join(f'"{table.name}"."{name}" = given."{name}"' for name in by)
    given = f"WITH given({names}) AS (VALUES {values})"
    return f'{given} UPDATE "{table.name}" SET {to} FROM given WHERE {which}'  # noqa: S608 - our own names
