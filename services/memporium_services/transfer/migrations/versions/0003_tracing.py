"""Marked copies, and the room that a bundle's text has for marks.

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
    op.add_column("bundles", sa.Column("slots", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("bundles", sa.Column("words", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "marked_copies",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("bundle_id", sa.Text, primary_key=True),
        sa.Column("agreement", sa.Text, primary_key=True),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("commitment", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_marked_copies_line", "marked_copies", ["org", "line"])


def downgrade() -> None:
    op.drop_index("ix_marked_copies_line", "marked_copies")
    op.drop_table("marked_copies")
    for column in ("words", "slots"):
        op.drop_column("bundles", column)
