"""When the next statement of an agreement is made by itself.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; agreements in force are looked at, and those that state nothing leave it again."""
    op.create_table(
        "statement_dues",
        sa.Column("agreement", sa.Text, primary_key=True),
        sa.Column("due_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_statement_dues_due_us", "statement_dues", ["due_us"])
    op.execute(
        "INSERT INTO statement_dues (agreement, due_us) SELECT name, 0 FROM agreements"
        " WHERE state IN ('ACTIVE', 'SUSPENDED') AND consumer NOT LIKE '%.%'"
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_index("ix_statement_dues_due_us", "statement_dues")
    op.drop_table("statement_dues")
