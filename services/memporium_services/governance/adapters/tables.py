"""Tables of governance. Times are microseconds since 1970 in UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

from memporium_platform.storage.sql.kernel_tables import attach

metadata = MetaData()

organisations = Table(
    "organisations",
    metadata,
    Column("org", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("delete_us", BigInteger, nullable=False),
)

principals = Table(
    "principals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Index("ix_principals_org", "org", "name"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("principal", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("expire_us", BigInteger, nullable=False),
    Column("revoke_us", BigInteger, nullable=False),
    Index("ix_api_keys_principal", "principal", "key_id"),
)

issuers = Table(
    "issuers",
    metadata,
    Column("org", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("issuer", Text, nullable=False, unique=True),
    Column("audience", Text, nullable=False),
    Column("jwks", Text, nullable=False),
    Column("algorithms", Text, nullable=False),
    Column("principal_claim", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
)

# Casbin's own table, with what a resource needs beside it: the source of truth of roles and policies. `org` is the
# organisation that manages the row, or `*` for what the platform ships.
casbin_rule = Table(
    "casbin_rule",
    metadata,
    Column("org", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("ptype", Text, nullable=False),
    Column("v0", Text, nullable=False),
    Column("v1", Text, nullable=False),
    Column("v2", Text, nullable=False),
    Column("v3", Text, nullable=False),
    Column("v4", Text, nullable=False),
    Column("v5", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Index("ix_casbin_rule_ptype", "org", "ptype", "id"),
)

# The authorisation state as services hold it: the newest message of each row, and since which epoch. An empty message
# says that the row was removed.
authorization = Table(
    "authorization_entries",
    metadata,
    Column("key", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("change_us", BigInteger, nullable=False),
    Index("ix_authorization_entries_epoch", "epoch"),
)

# Single numbers: `epoch`, `forgotten_epoch` (up to which removed rows were forgotten), `operator_key` (1: delivered).
numbers = Table(
    "numbers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# One Merkle tree for each organisation.
log_trees = Table(
    "log_trees",
    metadata,
    Column("org", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("time_us", BigInteger, nullable=False),
)

# Hashes in tiles of 256: level 0 holds leaf hashes, level n the roots of full tiles of level n - 1.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("org", Text, primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)

# Records; `record` and `salt` are empty where a record was erased.
log_entries = Table(
    "log_entries",
    metadata,
    Column("org", Text, primary_key=True),
    Column("place", BigInteger, primary_key=True),
    Column("decision_id", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("principal", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("memory_type", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Index("ix_log_entries_decision", "org", "decision_id", unique=True),
    Index("ix_log_entries_time", "org", "time_us"),
    Index("ix_log_entries_principal", "org", "principal", "place"),
    Index("ix_log_entries_action", "org", "action", "place"),
)

attach(metadata)
