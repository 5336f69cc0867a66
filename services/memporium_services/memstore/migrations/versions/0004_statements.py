"""Each use stands on one statement; audiences of what can be seen.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Mark uses with the number of their statement, and find statements by time."""
    op.add_column("usage", sa.Column("statement", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("ix_usage_agreement_statement", "usage", ["agreement", "statement", "time_us"])
    op.add_column("statements", sa.Column("end_us", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("ix_statements_provider", "statements", ["provider", "end_us"])
    op.create_index("ix_statements_consumer", "statements", ["consumer", "end_us"])
    # Who may see a resource stands there only while others than its own organisation may.
    op.execute(
        "DELETE FROM audiences WHERE resource IN"
        " (SELECT name FROM listings WHERE state NOT IN ('PUBLISHED', 'DEPRECATED'))"
    )
    op.execute("DELETE FROM audiences WHERE resource IN (SELECT name FROM offers WHERE state <> 'OPEN')")


def downgrade() -> None:
    """Take the marks away."""
    op.drop_index("ix_statements_consumer", "statements")
    op.drop_index("ix_statements_provider", "statements")
    op.drop_column("statements", "end_us")
    op.drop_index("ix_usage_agreement_statement", "usage")
    op.drop_column("usage", "statement")
