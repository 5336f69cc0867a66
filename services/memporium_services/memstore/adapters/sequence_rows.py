"""Numbers that only grow; taken and used in one transaction, so nobody sees a later one before an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters.tables import sequences

if TYPE_CHECKING:
    from sqlalchemy import Connection


def next_number(conn: Connection, key: str) -> int:
    """Return the next number of a sequence, from 1."""
    table = sequences.c
    if not conn.execute(update(sequences).where(table.key == key).values(value=table.value + 1)).rowcount:
        first = {"key": key, "value": 1}
        conn.execute(upsert(sequences, first, index_elements=["key"], set_={"value": table.value + 1}))
    return int(conn.execute(select(table.value).where(table.key == key)).scalar_one())
