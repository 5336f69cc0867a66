from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from memporium_platform.storage.sql import kernel_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    kernel_tables.upgrade_0001(op)


def downgrade() -> None:
    op.drop_table("counters")
    kernel_tables.downgrade_0001(op)
