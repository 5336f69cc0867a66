"""Entities as rows: JSON beside the columns that queries need."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import bindparam, exists, or_, select

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters import tables
from memporium_services.memstore.domain.audience import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Table

E = TypeVar("E")


class Body(Generic[E]):
    """Dataclasses to JSON and back."""

    def __init__(self, kind: type[E]) -> None:
        """Take the dataclass."""
        self._adapter: TypeAdapter[E] = TypeAdapter(kind)

    def write(self, entity: E) -> str:
        """Return the entity as JSON."""
        return self._adapter.dump_json(entity).decode()

    def read(self, text: str) -> E:
        """Return the entity that was written."""
        return self._adapter.validate_json(text)


class EntityRows(Generic[E]):
    """The rows of one kind of entity within one transaction."""

    def __init__(
        self, conn: Connection, table: Table, *, body: Body[E], columns: Callable[[E], Mapping[str, Any]]
    ) -> None:
        """Work on `table`; `columns` gives the columns that queries need, `name` among them."""
        self._conn = conn
        self._table = table
        self._body = body
        self._columns = columns

    def get(self, name: str, *, party: str = "") -> E | None:
        """Return the entity of that name, or None; with `party` only where it is provider or consumer."""
        values = {"of_name": name, "of_party": party} if party else {"of_name": name}
        found = self._conn.execute(_get(self._table, of_party=bool(party)), values).scalar_one_or_none()
        return None if found is None else self._body.read(found)

    def put(self, entity: E) -> None:
        """Insert an entity, or take the place of the one of its name."""
        columns = dict(self._columns(entity))
        values = {**columns, "id": columns["name"].rpartition("/")[2], "body": self._body.write(entity)}
        changed = [column for column in values if column != "name"]
        self._conn.execute(upsert(self._table, values, index_elements=["name"], set_=changed))

    def delete(self, name: str) -> bool:
        """Remove the entity of that name; return whether it was there."""
        return self._conn.execute(self._table.delete().where(self._table.c.name == name)).rowcount > 0

    def find(
        self,
        *,
        limit: int,
        after: str = "",
        newest: bool = False,
        party: str = "",
        visible_to: str | None = None,
        **equals: str | int,
    ) -> list[E]:
        """Return entities by the last part of their names.

        Args:
            limit: At most so many.
            after: Begin behind this last part.
            newest: In falling order: ids made by the platform sort by time.
            party: Only where this organisation is provider or consumer.
            visible_to: Only where this organisation is in the audience.
            **equals: Only where these columns have these values; empty values do not count.
        """
        table = self._table.c
        query = select(table.body).order_by(table.id.desc() if newest else table.id).limit(limit)
        if after:
            query = query.where(table.id < after if newest else table.id > after)
        if party:
            query = query.where(or_(table.provider == party, table.consumer == party))
        if visible_to is not None:
            query = query.where(visible(table.name, visible_to))
        for column, value in equals.items():
            if value != "":
                query = query.where(table[column] == value)
        return [self._body.read(text) for text in self._conn.execute(query).scalars()]


@cache
def _get(table: Table, *, of_party: bool) -> Any:
    """Return the statement that reads one entity; building it takes longer than running it."""
    query = select(table.c.body).where(table.c.name == bindparam("of_name"))
    if not of_party:
        return query
    party: Any = bindparam("of_party")
    return query.where(or_(table.c.provider == party, table.c.consumer == party))


def visible(name: Any, org: str) -> Any:
    """Return the condition that `org` is in the audience of the resource in column `name`."""
    audience = tables.audiences.c
    return exists().where(audience.resource == name, audience.org.in_([EVERYBODY, org]))
