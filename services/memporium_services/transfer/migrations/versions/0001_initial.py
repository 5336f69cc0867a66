"""Bundles, publishers and imports.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from memporium_platform.storage.sql import kernel_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bundles",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("bundle_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("vault", sa.Text, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("terms_sha256", sa.Text, nullable=False),
        sa.Column("manifest_sha256", sa.Text, nullable=False),
        sa.Column("cube_count", sa.BigInteger, nullable=False),
        sa.Column("segment_count", sa.Integer, nullable=False),
        sa.Column("sealed_bytes", sa.BigInteger, nullable=False),
        sa.Column("new_bytes", sa.BigInteger, nullable=False),
        sa.Column("request_key", sa.Text, nullable=False),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_bundles_line", "bundles", ["org", "line", "number"])
    op.create_index("ix_bundles_request_key", "bundles", ["request_key"])
    op.create_table(
        "segments",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("bundle_id", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "publishers",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("revision_us", sa.BigInteger, nullable=False),
        sa.Column("signed_time", sa.BigInteger, nullable=False),
        sa.Column("revocation_epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "revocations",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("manifest_sha256", sa.Text, primary_key=True),
        sa.Column("bundle", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("revoke_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "seen",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("publisher", sa.Text, primary_key=True),
        sa.Column("trust", sa.Text, primary_key=True),
        sa.Column("line", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("signed_time", sa.BigInteger, nullable=False),
        sa.Column("snapshot", sa.BigInteger, nullable=False),
        sa.Column("revocation_epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "imports",
        sa.Column("vault", sa.Text, primary_key=True),
        sa.Column("bundle", sa.Text, nullable=False),
        sa.Column("manifest_sha256", sa.Text, nullable=False),
        sa.Column("agreement", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("cube_count", sa.BigInteger, nullable=False),
        sa.Column("blob_count", sa.BigInteger, nullable=False),
        sa.Column("import_us", sa.BigInteger, nullable=False),
    )
    kernel_tables.upgrade_0001(op)
