"""The marketplace's tables.

Entities are kept as JSON (`body`) beside the columns that queries need. What was signed or hashed lies in `documents`
as the bytes that it was, named by their digest.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text, UniqueConstraint

from memporium_platform.storage.sql import kernel_tables
from memporium_services.memstore.adapters import peer_tables

metadata = MetaData()

documents = Table(
    "documents",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# Who may see a listing or an offer: one row for each organisation, `*` for all.
audiences = Table(
    "audiences",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("org", Text, primary_key=True),
)

listings = Table(
    "listings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("publish_us", BigInteger, nullable=False),
    # Casefolded, for the search.
    Column("title", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_listings_org", "org", "id"),
    Index("ix_listings_state", "state", "publish_us"),
)

releases = Table(
    "releases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("listing", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("listing", "number", name="uq_releases_listing_number"),
)

offers = Table(
    "offers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("listing", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_offers_listing", "listing", "id"),
)

negotiations = Table(
    "negotiations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("listing", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_negotiations_provider", "provider", "id"),
    Index("ix_negotiations_consumer", "consumer", "id"),
)

agreements = Table(
    "agreements",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("listing", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("expire_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_agreements_provider", "provider", "id"),
    Index("ix_agreements_consumer", "consumer", "id"),
    Index("ix_agreements_listing", "listing", "consumer"),
    Index("ix_agreements_revision", "revision", unique=True),
    Index("ix_agreements_expire_us", "expire_us"),
)

consents = Table(
    "consents",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_consents_agreement", "agreement", "id"),
)

statements = Table(
    "statements",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("end_us", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("agreement", "number", name="uq_statements_agreement_number"),
    Index("ix_statements_provider", "provider", "end_us"),
    Index("ix_statements_consumer", "consumer", "end_us"),
)

# When the next statement of an agreement is made by itself; 0: not told yet. Written with the agreement.
statement_dues = Table(
    "statement_dues",
    metadata,
    Column("agreement", Text, primary_key=True),
    Column("due_us", BigInteger, nullable=False),
    Index("ix_statement_dues_due_us", "due_us"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
)

# Numbers that only grow: taken within the transaction that uses them, so they become visible in their order.
sequences = Table(
    "sequences",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

quota_counters = Table(
    "quota_counters",
    metadata,
    Column("agreement", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("pool", Text, primary_key=True),
    Column("window_us", BigInteger, primary_key=True),
    Column("used", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("agreement", Text, primary_key=True),
    Column("use_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reserve_us", BigInteger, nullable=False),
    Column("expire_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_reservations_state", "state", "expire_us"),
    Index("ix_reservations_agreement_state", "agreement", "state", "expire_us"),
    Index("ix_reservations_agreement_reserve_us", "agreement", "reserve_us"),
)

# Who takes a seat of an agreement, from the first use on; `end_us`: when it was given back, 0: not yet.
seats = Table(
    "seats",
    metadata,
    Column("agreement", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("take_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False, server_default="0"),
)

usage = Table(
    "usage",
    metadata,
    Column("agreement", Text, primary_key=True),
    Column("use_id", Text, primary_key=True),
    Column("time_us", BigInteger, nullable=False),
    Column("principal", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("memories", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("derivations", BigInteger, nullable=False),
    # Number of the statement that it stands on; 0: none yet.
    Column("statement", BigInteger, nullable=False, server_default="0"),
    Index("ix_usage_agreement_time_us", "agreement", "time_us", "use_id"),
    Index("ix_usage_agreement_statement", "agreement", "statement", "time_us"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("mode", Text, nullable=False),
    # Acknowledged, and handed out at least once.
    Column("cursor", BigInteger, nullable=False),
    Column("handed", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_subscriptions_org", "org", "id"),
    Index("ix_subscriptions_mode", "mode"),
)

events = Table(
    "events",
    metadata,
    Column("cursor", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    Column("listing", Text, nullable=False),
    Column("body", Text, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("done", Boolean, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_deliveries_next_us", "done", "next_us"),
)

for _table in peer_tables.metadata.tables.values():
    _table.to_metadata(metadata)
kernel_tables.attach(metadata)
