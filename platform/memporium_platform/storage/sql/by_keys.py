"""Rows by a list of keys, without a statement being made for each list.

SQLAlchemy writes a list that is expanded anew into each statement, key by key, which takes longer than SQLite takes to
find the rows. Here the keys are parameters of their own, in lists of few lengths, so that a statement is compiled once
a length; SQLite's is then given to the driver as it is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import BindParameter, Connection, Dialect, Select

# Keys of one statement, at most: below every engine's limit of parameters.
_TOGETHER = 512


class _Compiled(NamedTuple):
    text: str
    names: tuple[str, ...]
    # Parameters that the statement has the values of.
    fixed: dict[str, Any]
    # Columns that the driver gives in another form, and what makes the right one of it.
    converted: tuple[tuple[int, Callable[[Any], Any]], ...]


class RowsByKeys:
    """A select with a list of keys. Safe to use from several threads."""

    def __init__(self, statement: Callable[[Sequence[BindParameter[Any]]], Select[Any]]) -> None:
        """Take what makes the select for a list of keys, for instance for `column.in_(keys)`.

        Args:
            statement: Its other parameters have names, of which none begins with `key_`; it has no other lists.
        """
        self._make = statement
        self._statements: dict[int, Select[Any]] = {}
        self._compiled: dict[int, _Compiled] = {}
        self._lock = threading.Lock()

    def rows(self, conn: Connection, keys: Sequence[Any], **values: Any) -> Iterator[Sequence[Any]]:
        """Yield the rows for keys, and for the values of the other parameters; the order is the statement's own.

        A list is cut where it is too long: the order holds within a piece.
        """
        for start in range(0, len(keys), _TOGETHER):
            yield from self._piece(conn, keys[start : start + _TOGETHER], values)

    def _piece(self, conn: Connection, keys: Sequence[Any], values: dict[str, Any]) -> Sequence[Sequence[Any]]:
        # The next power of two; the last key fills what is left.
        slots = 1 << (len(keys) - 1).bit_length()
        given = values | {f"key_{slot}": key for slot, key in enumerate(keys)}
        given.update((f"key_{slot}", keys[-1]) for slot in range(len(keys), slots))
        if conn.dialect.name != "sqlite":
            return conn.execute(self._statement(slots), given).all()
        compiled = self._compiled.get(slots) or self._compile(slots, conn.dialect)
        given |= compiled.fixed
        found = conn.exec_driver_sql(compiled.text, tuple([given[name] for name in compiled.names])).all()
        return [_converted(row, compiled.converted) for row in found] if compiled.converted else found

    def _statement(self, slots: int) -> Select[Any]:
        with self._lock:
            known = self._statements.get(slots)
            if known is None:
                known = self._statements[slots] = self._make([bindparam(f"key_{slot}") for slot in range(slots)])
        return known

    def _compile(self, slots: int, dialect: Dialect) -> _Compiled:
        statement = self._statement(slots)
        compiled = statement.compile(dialect=dialect)
        converters = (
            (place, column.type.result_processor(dialect, None))
            for place, column in enumerate(statement.selected_columns)
        )
        converted = tuple((place, convert) for place, convert in converters if convert is not None)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        made = _Compiled(str(compiled), tuple(compiled.positiontup or ()), fixed, converted)
        self._compiled[slots] = made
        return made


def _converted(row: Sequence[Any], converted: Sequence[tuple[int, Callable[[Any], Any]]]) -> Sequence[Any]:
    values = list(row)
    for place, convert in converted:
        values[place] = convert(values[place])
    return values
