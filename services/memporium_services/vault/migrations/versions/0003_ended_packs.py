"""Where cubes under an agreement lie, and which packs were deleted when theirs had ended.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "licensed_vaults",
        sa.Column("agreement", sa.Text, primary_key=True),
        sa.Column("vault_uid", sa.Text, primary_key=True),
    )
    # Agreements stand in the cubes only sealed and keyed: of vaults that are there already, any may be meant.
    op.execute("INSERT INTO licensed_vaults SELECT DISTINCT '', vault_uid FROM cubes WHERE licensed")
    op.create_table(
        "ended_packs",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("vault_id", sa.Text, primary_key=True),
        sa.Column("agreement", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("end_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ended_mounts",
        sa.Column("vault_uid", sa.Text, primary_key=True),
        sa.Column("mount_id", sa.Text, primary_key=True),
        sa.Column("pack_id", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("ended_mounts", "ended_packs", "licensed_vaults"):
        op.drop_table(table)
