"""Tables that live in every service's schema, so that one commit covers them and the service's own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

if TYPE_CHECKING:
    from alembic.operations import Operations

# SQLite numbers rows by itself only in a column of the very type INTEGER.
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


def _idempotency_columns() -> list[Column[Any]]:
    return [
        Column("principal", Text, primary_key=True),
        Column("method", Text, primary_key=True),
        Column("request_id", Text, primary_key=True),
        Column("digest", LargeBinary, nullable=False),
        # What the answer can be made from again: names and versions, never payload.
        Column("remembered", Text, nullable=False),
        Column("create_us", BigInteger, nullable=False),
    ]


def _audit_outbox_columns() -> list[Column[Any]]:
    return [
        Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
        Column("decision_id", Text, nullable=False, unique=True),
        Column("record", Text, nullable=False),
        Column("create_us", BigInteger, nullable=False),
    ]


def attach(metadata: MetaData) -> tuple[Table, Table]:
    """Add the tables to a service's metadata and return them: `idempotency`, `audit_outbox`. Again is no error."""
    if "idempotency" in metadata.tables:
        return metadata.tables["idempotency"], metadata.tables["audit_outbox"]
    idempotency = Table(
        "idempotency", metadata, *_idempotency_columns(), Index("ix_idempotency_create_us", "create_us")
    )
    # A sequence number is never given twice, even after the newest rows were shipped and removed.
    outbox = Table("audit_outbox", metadata, *_audit_outbox_columns(), sqlite_autoincrement=True)
    return idempotency, outbox


# The same columns in every schema, so statements built on these tables fit each service's connection.
IDEMPOTENCY, AUDIT_OUTBOX = attach(MetaData())


def upgrade_0001(op: Operations | Any) -> None:
    """Make the tables in a service's first migration."""
    op.create_table("idempotency", *_idempotency_columns())
    op.create_index("ix_idempotency_create_us", "idempotency", ["create_us"])
    op.create_table("audit_outbox", *_audit_outbox_columns(), sqlite_autoincrement=True)


def downgrade_0001(op: Operations | Any) -> None:
    """Remove the tables."""
    op.drop_table("audit_outbox")
    op.drop_table("idempotency")
