"""Pipelines, their runs, and what runs staged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pipelines",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("pipeline_id", sa.Text, primary_key=True),
        sa.Column("definition", sa.LargeBinary, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "pipeline_runs",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("definition", sa.LargeBinary, nullable=False),
        sa.Column("vault", sa.Text, nullable=False),
        sa.Column("sealed_inputs", sa.LargeBinary, nullable=False),
        sa.Column("committing", sa.Boolean, nullable=False),
    )
    op.create_table(
        "pipeline_steps",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("step_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("numbers", sa.Text, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
