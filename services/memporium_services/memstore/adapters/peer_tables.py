"""Tables of the trade with other platforms."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text

metadata = MetaData()

peers = Table(
    "peers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

# Public keys of peers' organisations; the newest certified ones count, older ones still verify what was signed before.
peer_keys = Table(
    "peer_keys",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("org", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("issue_us", BigInteger, nullable=False),
    Column("signing_key", Text, nullable=False),
    Column("hpke_key", Text, nullable=False),
    Column("hybrid_key", Text, nullable=False, server_default=""),
)

peer_links = Table(
    "peer_links",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("applied", BigInteger, nullable=False),
    Column("lease_us", BigInteger, nullable=False),
    Column("contact_us", BigInteger, nullable=False),
    Column("problem", Text, nullable=False),
)

# What of this platform's negotiations and agreements a peer has to be told: one row each, renumbered at each change.
peer_feed = Table(
    "peer_feed",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Index("ix_peer_feed_number", "peer", "number", unique=True),
)

# Everything that was said to a peer or heard from it, as bytes; what waits to be sent is in it too.
peer_ledger = Table(
    "peer_ledger",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("sent", Boolean, nullable=False),
    Column("kind", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("payload_type", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("request_key", Text, nullable=False),
    Column("result", Text, nullable=False),
    Index("ix_peer_ledger_account", "account", "number"),
    Index("ix_peer_ledger_resource", "peer", "resource", "sequence"),
    Index("ix_peer_ledger_state", "state", "next_us"),
    Index("ix_peer_ledger_request_key", "request_key"),
)

# The last checkpoint seen of a peer's organisation's log: none older is taken from then on.
peer_checkpoints = Table(
    "peer_checkpoints",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("org", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)
