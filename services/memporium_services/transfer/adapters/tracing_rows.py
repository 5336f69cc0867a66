"""The table of marked copies; every method runs within a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from memporium_platform.storage.sql.times import from_us, to_us
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.transfer.adapters.tables import marked_copies
from memporium_services.transfer.domain.tracing import MarkedCopy

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEY = ("org", "bundle_id", "agreement")


class SqlTracingRows:
    """Which marked copies were handed out."""

    def add(self, conn: Connection, copy: MarkedCopy) -> None:
        """Note a copy; one that is there already stays."""
        row: dict[str, Any] = {name: getattr(copy, name) for name in MarkedCopy.__slots__ if name != "create_time"}
        row["create_us"] = to_us(copy.create_time)
        conn.execute(upsert(marked_copies, row, index_elements=_KEY, set_=["recipient"]))

    def profile(self, conn: Connection, org: str, line: str) -> str:
        """Return the profile of a line, or "" where nothing of it was handed out."""
        of_line = (marked_copies.c.org == org) & (marked_copies.c.line == line)
        return conn.execute(select(marked_copies.c.profile).where(of_line)).scalars().first() or ""

    def of_line(self, conn: Connection, org: str, line: str) -> list[MarkedCopy]:
        """Return the copies of a line, oldest first."""
        of_line = (marked_copies.c.org == org) & (marked_copies.c.line == line)
        ordered = select(marked_copies).where(of_line).order_by(marked_copies.c.create_us, marked_copies.c.bundle_id)
        found = []
        for row in conn.execute(ordered).mappings():
            values: dict[str, Any] = dict(row)
            values["create_time"] = from_us(values.pop("create_us"))
            found.append(MarkedCopy(**values))
        return found
