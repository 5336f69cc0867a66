"""Tables of governance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from memporium_platform.storage.sql.kernel_tables import downgrade_0001, upgrade_0001

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "organisations",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("delete_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "principals",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_principals_org", "principals", ["org", "name"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
        sa.Column("expire_us", sa.BigInteger, nullable=False),
        sa.Column("revoke_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_api_keys_principal", "api_keys", ["principal", "key_id"])
    op.create_table(
        "issuers",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("issuer", sa.Text, nullable=False, unique=True),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("jwks", sa.Text, nullable=False),
        sa.Column("algorithms", sa.Text, nullable=False),
        sa.Column("principal_claim", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "casbin_rule",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("ptype", sa.Text, nullable=False),
        sa.Column("v0", sa.Text, nullable=False),
        sa.Column("v1", sa.Text, nullable=False),
        sa.Column("v2", sa.Text, nullable=False),
        sa.Column("v3", sa.Text, nullable=False),
        sa.Column("v4", sa.Text, nullable=False),
        sa.Column("v5", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("create_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_casbin_rule_ptype", "casbin_rule", ["org", "ptype", "id"])
    op.create_table(
        "authorization_entries",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("change_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_authorization_entries_epoch", "authorization_entries", ["epoch"])
    op.create_table(
        "numbers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "log_trees",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "log_tiles",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log_entries",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("memory_type", sa.Text, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_log_entries_action", "log_entries", ["org", "action", "place"])
    op.create_index("ix_log_entries_decision", "log_entries", ["org", "decision_id"], unique=True)
    op.create_index("ix_log_entries_principal", "log_entries", ["org", "principal", "place"])
    op.create_index("ix_log_entries_time", "log_entries", ["org", "time_us"])
    upgrade_0001(op)


def downgrade() -> None:
    """Remove the tables."""
    downgrade_0001(op)
    op.drop_table("log_entries")
    op.drop_table("log_tiles")
    op.drop_table("log_trees")
    op.drop_table("numbers")
    op.drop_table("authorization_entries")
    op.drop_table("casbin_rule")
    op.drop_table("issuers")
    op.drop_table("api_keys")
    op.drop_table("principals")
    op.drop_table("organisations")
