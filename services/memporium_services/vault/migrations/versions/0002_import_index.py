"""The index of imports holds only what is being imported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_IMPORTING = sa.text("import_id <> ''")


def upgrade() -> None:
    """Make the index partial."""
    op.drop_index("ix_cubes_import", "cubes")
    op.create_index(
        "ix_cubes_import",
        "cubes",
        ["vault_uid", "import_id"],
        sqlite_where=_IMPORTING,
        postgresql_where=_IMPORTING,
    )


def downgrade() -> None:
    """Make the index whole again."""
    op.drop_index("ix_cubes_import", "cubes")
    op.create_index("ix_cubes_import", "cubes", ["import_id"])
