"""Parts of recipients, roots of trust, and bundles whose sealing was cut off.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bundles", sa.Column("failure", sa.Text, nullable=False, server_default=""))
    op.add_column("bundles", sa.Column("part_cube_count", sa.BigInteger, nullable=False, server_default="0"))
    # When the sealing last showed that it goes on; 0: from before this column, or over.
    op.add_column("bundles", sa.Column("alive_us", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "roots",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("hybrid", sa.Boolean, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("roots")
    for column in ("alive_us", "part_cube_count", "failure"):
        op.drop_column("bundles", column)
