"""Tables that the kernel keeps in every service's schema, so that they commit together with the service's own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

if TYPE_CHECKING:
    from alembic.operations import Operations

_METADATA = MetaData()

# One row for each mutation that carried a request id; kept 24 hours.
IDEMPOTENCY = Table(
    "idempotency",
    _METADATA,
    Column("principal", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    # What the first run left to build its answer from anew: names and versions, never a payload.
    Column("remembered", Text, nullable=False),
    Column("create_time_us", BigInteger, nullable=False),
    Index("idempotency_by_time", "create_time_us"),
)

# Audit records of mutations, written in the mutation's own transaction and deleted once governance has them.
AUDIT_OUTBOX = Table(
    "audit_outbox",
    _METADATA,
    # A ULID: sorts by time.
    Column("decision_id", Text, primary_key=True),
    # The record as JSON (`memporium_platform.audit.AuditRecord`).
    Column("record", Text, nullable=False),
)

_TABLES = (IDEMPOTENCY, AUDIT_OUTBOX)


def attach(metadata: MetaData) -> None:
    """Add the kernel's tables to a service's metadata; call it at the end of `adapters/tables.py`."""
    for table in _TABLES:
        table.to_metadata(metadata)


def upgrade_0001(op: Operations) -> None:
    """Make the kernel's tables; call it in a service's first migration."""
    for table in _TABLES:
        columns = [column._copy() for column in table.columns]  # noqa: SLF001 - as Table.to_metadata does
        op.create_table(table.name, *columns)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            op.create_index(index.name, table.name, [column.name for column in index.columns])
