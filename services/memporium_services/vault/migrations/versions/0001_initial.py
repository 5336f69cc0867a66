"""Tables of the vault."""

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
        "vaults",
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("vault_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("read_only", sa.Boolean, nullable=False),
        sa.Column("agreement", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("embedding_model", sa.Text, nullable=False),
        sa.Column("settings", sa.LargeBinary, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("update_us", sa.BigInteger, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        sa.Column("edition", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("index_revision", sa.BigInteger, nullable=False),
        sa.Column("tasks_floor", sa.BigInteger, nullable=False),
        sa.Column("changes_floor", sa.BigInteger, nullable=False),
        sa.Column("next_unit", sa.BigInteger, nullable=False),
        sa.Column("cubes", sa.BigInteger, nullable=False),
        sa.Column("bytes_used", sa.BigInteger, nullable=False),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.Column("context_units", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("ix_vaults_agreement", "vaults", ["agreement"])
    op.create_index("ux_vaults_name", "vaults", ["org", "vault_id"], unique=True)
    op.create_table(
        "cubes",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("cube_id", sa.Text, nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("payload_version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("form", sa.Integer, nullable=False),
        sa.Column("semantic_type", sa.Integer, nullable=False),
        sa.Column("origin", sa.Integer, nullable=False),
        sa.Column("scope", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("dedup", sa.Text, nullable=False),
        sa.Column("simhash", sa.BigInteger, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("update_us", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("frozen", sa.Boolean, nullable=False),
        sa.Column("legal_hold", sa.Boolean, nullable=False),
        sa.Column("licensed", sa.Boolean, nullable=False),
        sa.Column("tier", sa.Integer, nullable=False),
        sa.Column("event_us", sa.BigInteger, nullable=True),
        sa.Column("expire_us", sa.BigInteger, nullable=True),
        sa.Column("purge_us", sa.BigInteger, nullable=True),
        sa.Column("heat", sa.Float, nullable=False),
        sa.Column("last_use_us", sa.BigInteger, nullable=False),
        sa.Column("uses", sa.Text, nullable=False),
        sa.Column("import_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "cube_id"),
    )
    op.create_index("ix_cubes_create", "cubes", ["vault_uid", "create_us"])
    op.create_index("ix_cubes_dedup", "cubes", ["vault_uid", "dedup"])
    op.create_index("ix_cubes_expire", "cubes", ["vault_uid", "expire_us"])
    op.create_index("ix_cubes_import", "cubes", ["import_id"])
    op.create_index("ix_cubes_scope", "cubes", ["vault_uid", "scope", "owner"])
    op.create_table(
        "versions",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("cube_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("parent", sa.BigInteger, nullable=False),
        sa.Column("payload_version", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("meta_sealed", sa.LargeBinary, nullable=False),
        sa.Column("note_sealed", sa.LargeBinary, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "cube_id", "version"),
    )
    op.create_table(
        "payloads",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("cube_id", sa.Text, nullable=False),
        sa.Column("payload_version", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("body_sealed", sa.LargeBinary, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "cube_id", "payload_version"),
    )
    op.create_table(
        "units",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("unit_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("cube_id", sa.Text, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("event_us", sa.BigInteger, nullable=True),
        sa.Column("has_context", sa.Boolean, nullable=False),
        sa.Column("body_sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "unit_id"),
    )
    op.create_index("ix_units_cube", "units", ["vault_uid", "cube_id"])
    op.create_table(
        "cube_terms",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("cube_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "kind", "token", "cube_id"),
    )
    op.create_index("ix_cube_terms_cube", "cube_terms", ["vault_uid", "cube_id"])
    op.create_table(
        "index_tasks",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("upserts", sa.LargeBinary, nullable=False),
        sa.Column("deletes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "revision"),
    )
    op.create_table(
        "changes",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("cube_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "revision", "cube_id"),
    )
    op.create_table(
        "relations",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("relation_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("note_sealed", sa.LargeBinary, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "relation_id"),
    )
    op.create_index("ix_relations_source", "relations", ["vault_uid", "source"])
    op.create_index("ix_relations_target", "relations", ["vault_uid", "target"])
    op.create_table(
        "mounts",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("mount_id", sa.Text, nullable=False),
        sa.Column("target_uid", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "mount_id"),
    )
    op.create_index("ix_mounts_target", "mounts", ["target_uid"])
    op.create_table(
        "blobs",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("blob_key", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("segments", sa.Integer, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("update_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "blob_key"),
    )
    op.create_table(
        "blob_refs",
        sa.Column("vault_uid", sa.Text, nullable=False),
        sa.Column("blob_key", sa.Text, nullable=False),
        sa.Column("cube_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vault_uid", "blob_key", "cube_id"),
    )
    op.create_index("ix_blob_refs_cube", "blob_refs", ["vault_uid", "cube_id"])
    op.create_table(
        "receipts",
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("receipt_id", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("org", "receipt_id"),
    )
    op.create_table(
        "agreements",
        sa.Column("agreement", sa.Text, nullable=False),
        sa.Column("dead_state", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("agreement"),
    )
    kernel_tables.upgrade_0001(op)


def downgrade() -> None:
    kernel_tables.downgrade_0001(op)
    op.drop_table("agreements")
    op.drop_table("receipts")
    op.drop_table("blob_refs")
    op.drop_table("blobs")
    op.drop_table("mounts")
    op.drop_table("relations")
    op.drop_table("changes")
    op.drop_table("index_tasks")
    op.drop_table("cube_terms")
    op.drop_table("units")
    op.drop_table("payloads")
    op.drop_table("versions")
    op.drop_table("cubes")
    op.drop_table("vaults")
