"""When a seat was given back.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: every seat that was taken is still held."""
    op.add_column("seats", sa.Column("end_us", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("seats", "end_us")
