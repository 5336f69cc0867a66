"""Usage statements as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from memporium_services.memstore.adapters import tables
from memporium_services.memstore.adapters.entity_rows import Body, EntityRows
from memporium_services.memstore.domain.statements import UsageStatement

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

_BODY: Body[UsageStatement] = Body(UsageStatement)
_COLUMNS = ("name", "agreement", "provider", "consumer", "number", "end_us")


class SqlStatements(EntityRows[UsageStatement]):
    """The statements within one transaction."""

    def __init__(self, conn: Connection) -> None:
        """Work on a connection."""
        super().__init__(
            conn,
            tables.statements,
            body=_BODY,
            columns=lambda entity: {name: getattr(entity, name) for name in _COLUMNS},
        )

    def of_agreement(self, agreement: str, *, after: int, limit: int) -> list[UsageStatement]:
        """Return the statements of an agreement behind a number, by number."""
        table = tables.statements.c
        query = select(table.body).where(table.agreement == agreement, table.number > after)
        return self._all(query.order_by(table.number).limit(limit))

    def last(self, agreement: str) -> UsageStatement | None:
        """Return the newest statement of an agreement, or None."""
        table = tables.statements.c
        query = select(table.body).where(table.agreement == agreement).order_by(table.number.desc()).limit(1)
        return next(iter(self._all(query)), None)

    def billed(self, org: str, *, start_us: int, end_us: int, limit: int) -> list[UsageStatement]:
        """Return the statements in which an organisation is a party, by time; an `end_us` of 0 is no end."""
        table = tables.statements.c
        query = select(table.body).where(or_(table.provider == org, table.consumer == org), table.end_us >= start_us)
        if end_us:
            query = query.where(table.end_us < end_us)
        return self._all(query.order_by(table.end_us, table.name).limit(limit))

    def _all(self, query: Select[Any]) -> list[UsageStatement]:
        return [_BODY.read(text) for text in self._conn.execute(query).scalars()]
