"""Usage statements as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, or_, select

from memporium_platform.storage.sql.upsert import upsert
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

    def due(self, now_us: int, *, limit: int) -> list[str]:
        """Return agreements whose next statement is due, the longest due first."""
        table = tables.statement_dues.c
        query = select(table.agreement).where(table.due_us <= now_us).order_by(table.due_us, table.agreement)
        return list(self._conn.execute(query.limit(limit)).scalars())

    def next_due(self, agreement: str) -> int | None:
        """Return when the next statement of an agreement is due; 0: not told yet; None: never."""
        table = tables.statement_dues.c
        return self._conn.execute(select(table.due_us).where(table.agreement == agreement)).scalar_one_or_none()

    def set_due(self, agreement: str, due_us: int | None) -> None:
        """Say when the next statement of an agreement is due; None: never."""
        table = tables.statement_dues
        if due_us is None:
            self._conn.execute(delete(table).where(table.c.agreement == agreement))
            return
        row = {"agreement": agreement, "due_us": due_us}
        self._conn.execute(upsert(table, row, index_elements=["agreement"], set_=["due_us"]))

    def _all(self, query: Select[Any]) -> list[UsageStatement]:
        return [_BODY.read(text) for text in self._conn.execute(query).scalars()]
