"""Keys and the names of destroyed ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "keys",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("kek_id", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_keys_parent", "keys", ["parent"])
    op.create_table(
        "destroyed",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("destroy_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("destroyed")
    op.drop_table("keys")
