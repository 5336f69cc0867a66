"""Hybrid keys of peers' organisations.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is filled when an organisation's keys are certified anew."""
    op.add_column("peer_keys", sa.Column("hybrid_key", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("peer_keys", "hybrid_key")
