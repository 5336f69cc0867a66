"""Which cubes were made from, or copied of, cubes of other vaults; older vaults are looked through for them later.

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
    """Make the tables; what is there already is sealed, so it is noted that it was not looked at."""
    op.create_table(
        "links",
        sa.Column("vault_uid", sa.Text, primary_key=True),
        sa.Column("cube_id", sa.Text, primary_key=True),
        sa.Column("parent_vault", sa.Text, primary_key=True),
        sa.Column("parent_cube", sa.Text, primary_key=True),
        sa.Column("org", sa.Text, nullable=False),
    )
    op.create_index("ix_links_parent", "links", ["org", "parent_vault", "parent_cube"])
    op.create_table(
        "unlinked",
        sa.Column("vault_uid", sa.Text, primary_key=True),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("after_id", sa.Text, nullable=False),
    )
    op.create_index("ix_unlinked_org", "unlinked", ["org"])
    op.execute("INSERT INTO unlinked (vault_uid, org, after_id) SELECT uid, org, '' FROM vaults WHERE cubes > 0")


def downgrade() -> None:
    """Remove them."""
    op.drop_table("unlinked")
    op.drop_table("links")
