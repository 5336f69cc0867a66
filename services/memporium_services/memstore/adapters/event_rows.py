"""Events, cursors and waiting deliveries as rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import case, func, insert, select, update

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters import tables
from memporium_services.memstore.adapters.entity_rows import Body
from memporium_services.memstore.adapters.sequence_rows import next_number
from memporium_services.memstore.domain.subscriptions import Delivery, MarketEvent, Mode, Subscription

if TYPE_CHECKING:
    from sqlalchemy import Connection

_EVENT: Body[MarketEvent] = Body(MarketEvent)
_DELIVERY: Body[Delivery] = Body(Delivery)
SUBSCRIPTION: Body[Subscription] = Body(Subscription)


class SqlEvents:
    """The events within one transaction."""

    def __init__(self, conn: Connection) -> None:
        """Work on a connection."""
        self._conn = conn

    def append(self, event: MarketEvent) -> MarketEvent:
        """Add an event at the end; return it with its cursor."""
        placed = replace(event, cursor=next_number(self._conn, "events"))
        self._conn.execute(
            insert(tables.events).values(
                cursor=placed.cursor, event_id=placed.event_id, listing=placed.listing, body=_EVENT.write(placed)
            )
        )
        return placed

    def after(self, cursor: int, limit: int) -> list[MarketEvent]:
        """Return the events behind a cursor, oldest first."""
        table = tables.events.c
        query = select(table.body).where(table.cursor > cursor).order_by(table.cursor).limit(limit)
        return [_EVENT.read(text) for text in self._conn.execute(query).scalars()]

    def newest(self) -> int:
        """Return the cursor of the newest event, or 0."""
        return int(self._conn.execute(select(func.coalesce(func.max(tables.events.c.cursor), 0))).scalar_one())

    def cursor(self, subscription: str) -> tuple[int, int]:
        """Return up to where a subscription has acknowledged, and up to where it was handed events."""
        table = tables.subscriptions.c
        row = self._conn.execute(select(table.cursor, table.handed).where(table.name == subscription)).one()
        return row.cursor, row.handed

    def set_cursor(self, subscription: str, *, acknowledged: int | None = None, handed: int | None = None) -> None:
        """Move a subscription's cursors forward; neither ever moves back."""
        table = tables.subscriptions.c
        changes = {}
        if acknowledged is not None:
            changes["cursor"] = case((table.cursor < acknowledged, acknowledged), else_=table.cursor)
        if handed is not None:
            changes["handed"] = case((table.handed < handed, handed), else_=table.handed)
        self._conn.execute(update(tables.subscriptions).where(table.name == subscription).values(**changes))

    def pushes(self) -> list[Subscription]:
        """Return the push subscriptions of all organisations."""
        table = tables.subscriptions.c
        query = select(table.body).where(table.mode == Mode.PUSH.value).order_by(table.id)
        return [SUBSCRIPTION.read(text) for text in self._conn.execute(query).scalars()]

    def put_delivery(self, delivery: Delivery, *, done: bool = False) -> None:
        """Insert a delivery, or take the place of the one of its uid."""
        values = {"uid": delivery.uid, "done": done, "next_us": delivery.next_us, "body": _DELIVERY.write(delivery)}
        changed = ["done", "next_us", "body"]
        self._conn.execute(upsert(tables.deliveries, values, index_elements=["uid"], set_=changed))

    def due(self, now_us: int, limit: int) -> list[Delivery]:
        """Return deliveries whose time has come."""
        table = tables.deliveries.c
        query = select(table.body).where(table.done.is_(False), table.next_us <= now_us).order_by(table.next_us)
        return [_DELIVERY.read(text) for text in self._conn.execute(query.limit(limit)).scalars()]
