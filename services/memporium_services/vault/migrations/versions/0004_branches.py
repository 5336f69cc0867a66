"""Branches that are copied piece by piece, and seen when they are whole.

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
    """Make the table, and the vaults' column."""
    op.add_column("vaults", sa.Column("filling", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "branches",
        sa.Column("vault_uid", sa.Text, primary_key=True),
        sa.Column("source_uid", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("moment_us", sa.BigInteger),
        sa.Column("after_id", sa.Text, nullable=False),
        sa.Column("done_cubes", sa.BigInteger, nullable=False),
        sa.Column("total_cubes", sa.BigInteger, nullable=False),
        sa.Column("update_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_branches_source", "branches", ["source_uid"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("branches")
    op.drop_column("vaults", "filling")
