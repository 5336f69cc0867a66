"""Selects of the hot paths: compiled once, and given to SQLite's driver as they are.

SQLAlchemy takes several times as long to prepare a select and to wrap its rows as SQLite takes to find them, so it only
knows of the connection and its transaction. A list of
keys is the worst: it writes it anew into the statement, key by key, at each run. Here keys are parameters of their own,
in lists of few lengths.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import BindParameter, Connection, Dialect, Select

# Keys of one statement, at most: below every engine's limit of parameters.
_TOGETHER = 512
_KEY = "key_"


class _Compiled(NamedTuple):
    text: str
    # Of the parameters before the keys, and behind them.
    names: tuple[tuple[str, ...], tuple[str, ...]]
    # Parameters that the statement has the values of.
    fixed: dict[str, Any]
    # Columns that the driver gives in another form, and what makes the right one of it.
    converted: tuple[tuple[int, Callable[[Any], Any]], ...]


class Prepared:
    """A select. Safe to use from several threads."""

    def __init__(self, statement: Select[Any]) -> None:
        """Take the select; lists in it must be parameters one by one."""
        self._statement = statement
        self._compiled: _Compiled | None = None

    def rows(self, conn: Connection, values: Mapping[str, Any], keys: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Return the rows for values of the parameters; `keys`: of the parameters `key_0`, `key_1` and so on."""
        if conn.dialect.name != "sqlite":
            listed = {f"{_KEY}{slot}": key for slot, key in enumerate(keys)}
            return conn.execute(self._statement, {**values, **listed}).all()
        compiled = self._compiled or self._compile(conn.dialect)
        given = {**compiled.fixed, **values}
        before, after = compiled.names
        driver: Any = conn.connection.driver_connection
        try:
            parameters = (*[given[name] for name in before], *keys, *[given[name] for name in after])
            found: list[Any] = driver.execute(compiled.text, parameters).fetchall()
        except sqlite3.Error as error:
            # As SQLAlchemy would tell it, but without the values, which are someone's data.
            raise DBAPIError.instance(compiled.text, None, error, sqlite3.Error) from error
        return [_converted(row, compiled.converted) for row in found] if compiled.converted else found

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect)
        converters = (
            (place, column.type.result_processor(dialect, None))
            for place, column in enumerate(self._statement.selected_columns)
        )
        converted = tuple((place, convert) for place, convert in converters if convert is not None)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._compiled = _Compiled(str(compiled), _around_keys(compiled.positiontup or ()), fixed, converted)
        return self._compiled


class RowsByKeys:
    """A select with a list of keys. Safe to use from several threads."""

    def __init__(self, statement: Callable[[Sequence[BindParameter[Any]]], Select[Any]]) -> None:
        """Take what makes the select for a list of keys, for instance for `column.in_(keys)`.

        Args:
            statement: Its other parameters have names, of which none begins with `key_`; it has no other lists.
        """
        self._make = statement
        self._by_slots: dict[int, Prepared] = {}
        self._lock = threading.Lock()

    def rows(self, conn: Connection, keys: Sequence[Any], **values: Any) -> Iterator[Sequence[Any]]:
        """Yield the rows for keys, and for the values of the other parameters; the order is the statement's own.

        A list is cut where it is too long: the order holds within a piece.
        """
        for start in range(0, len(keys), _TOGETHER):
            some = keys[start : start + _TOGETHER]
            # The next power of two; the last key fills what is left.
            slots = 1 << (len(some) - 1).bit_length()
            filled = [*some, *[some[-1]] * (slots - len(some))]
            yield from self._prepared(slots).rows(conn, values, filled)

    def _prepared(self, slots: int) -> Prepared:
        with self._lock:
            known = self._by_slots.get(slots)
            if known is None:
                statement = self._make([bindparam(f"{_KEY}{slot}") for slot in range(slots)])
                known = self._by_slots[slots] = Prepared(statement)
        return known


def _around_keys(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the parameters before the keys and behind them; keys stand together, in order."""
    at = [place for place, name in enumerate(names) if name.startswith(_KEY)]
    first, end = (at[0], at[-1] + 1) if at else (0, 0)
    assert list(names[first:end]) == [f"{_KEY}{slot}" for slot in range(len(at))]  # noqa: S101 - how SQLAlchemy writes it
    return tuple(names[:first]), tuple(names[end:])


def _converted(row: Sequence[Any], converted: Sequence[tuple[int, Callable[[Any], Any]]]) -> Sequence[Any]:
    values = list(row)
    for place, convert in converted:
        values[place] = convert(values[place])
    return values
