"""Forgetting in all vaults of an organisation, as far as it is.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "errands",
        sa.Column("errand_id", sa.Text, primary_key=True),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("asked_sealed", sa.LargeBinary, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("update_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "errand_vaults",
        sa.Column("errand_id", sa.Text, primary_key=True),
        sa.Column("vault_uid", sa.Text, primary_key=True),
        sa.Column("vault", sa.Text, nullable=False),
        sa.Column("outcome", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("errand_vaults")
    op.drop_table("errands")
