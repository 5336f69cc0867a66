"""Agreements that ended before their time: publishers' lists of revocations name them.

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
    op.create_table(
        "ended_agreements",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("agreement", sa.Text, primary_key=True),
        sa.Column("end_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("ended_agreements")
