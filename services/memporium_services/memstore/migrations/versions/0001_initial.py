"""The marketplace.

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
        "documents",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audiences",
        sa.Column("resource", sa.Text, primary_key=True),
        sa.Column("org", sa.Text, primary_key=True),
    )
    op.create_table(
        "listings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("publish_us", sa.BigInteger, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_listings_org", "listings", ["org", "id"])
    op.create_index("ix_listings_state", "listings", ["state", "publish_us"])
    op.create_table(
        "releases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("listing", "number", name="uq_releases_listing_number"),
    )
    op.create_table(
        "offers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_offers_listing", "offers", ["listing", "id"])
    op.create_table(
        "negotiations",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_negotiations_consumer", "negotiations", ["consumer", "id"])
    op.create_index("ix_negotiations_provider", "negotiations", ["provider", "id"])
    op.create_table(
        "agreements",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("expire_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_agreements_consumer", "agreements", ["consumer", "id"])
    op.create_index("ix_agreements_expire_us", "agreements", ["expire_us"])
    op.create_index("ix_agreements_listing", "agreements", ["listing", "consumer"])
    op.create_index("ix_agreements_provider", "agreements", ["provider", "id"])
    op.create_index("ix_agreements_revision", "agreements", ["revision"], unique=True)
    op.create_table(
        "transitions",
        sa.Column("resource", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        sa.Column("from_state", sa.Text, nullable=False),
        sa.Column("to_state", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
    )
    op.create_table(
        "sequences",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "quota_counters",
        sa.Column("agreement", sa.Text, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("pool", sa.Text, primary_key=True),
        sa.Column("window_us", sa.BigInteger, primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "reservations",
        sa.Column("agreement", sa.Text, primary_key=True),
        sa.Column("use_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reserve_us", sa.BigInteger, nullable=False),
        sa.Column("expire_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_reservations_agreement_reserve_us", "reservations", ["agreement", "reserve_us"])
    op.create_index("ix_reservations_agreement_state", "reservations", ["agreement", "state", "expire_us"])
    op.create_index("ix_reservations_state", "reservations", ["state", "expire_us"])
    op.create_table(
        "usage",
        sa.Column("agreement", sa.Text, primary_key=True),
        sa.Column("use_id", sa.Text, primary_key=True),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("form", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("memories", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("derivations", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_usage_agreement_time_us", "usage", ["agreement", "time_us", "use_id"])
    op.create_table(
        "subscriptions",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("handed", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_subscriptions_mode", "subscriptions", ["mode"])
    op.create_index("ix_subscriptions_org", "subscriptions", ["org", "id"])
    op.create_table(
        "events",
        sa.Column("cursor", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("uid", sa.Text, primary_key=True),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("next_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_deliveries_next_us", "deliveries", ["done", "next_us"])
    kernel_tables.upgrade_0001(op)


def downgrade() -> None:
    kernel_tables.downgrade_0001(op)
    op.drop_table("deliveries")
    op.drop_table("events")
    op.drop_table("subscriptions")
    op.drop_table("usage")
    op.drop_table("reservations")
    op.drop_table("quota_counters")
    op.drop_table("sequences")
    op.drop_table("transitions")
    op.drop_table("agreements")
    op.drop_table("negotiations")
    op.drop_table("offers")
    op.drop_table("releases")
    op.drop_table("listings")
    op.drop_table("audiences")
    op.drop_table("documents")
