"""The transfer service's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

from memporium_platform.storage.sql import kernel_tables

metadata = MetaData()

bundles = Table(
    "bundles",
    metadata,
    Column("org", Text, primary_key=True),
    Column("bundle_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("vault", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("terms_sha256", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("cube_count", BigInteger, nullable=False),
    Column("segment_count", Integer, nullable=False),
    Column("sealed_bytes", BigInteger, nullable=False),
    Column("new_bytes", BigInteger, nullable=False),
    # Principal, method and request id, hashed: a call that is repeated finds the bundle that the first one made.
    Column("request_key", Text, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    # Why its sealing failed.
    Column("failure", Text, nullable=False, server_default=""),
    Column("part_cube_count", BigInteger, nullable=False, server_default="0"),
    # When the sealing last showed that it goes on.
    Column("alive_us", BigInteger, nullable=False, server_default="0"),
    # Room for marks: places in the text, each counted once, and its words.
    Column("slots", BigInteger, nullable=False, server_default="0"),
    Column("words", BigInteger, nullable=False, server_default="0"),
    Index("ix_bundles_line", "org", "line", "number"),
    Index("ix_bundles_request_key", "request_key"),
)

segments = Table(
    "segments",
    metadata,
    Column("org", Text, primary_key=True),
    Column("bundle_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)

publishers = Table(
    "publishers",
    metadata,
    Column("org", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("revision_us", BigInteger, nullable=False),
    Column("signed_time", BigInteger, nullable=False),
    Column("revocation_epoch", BigInteger, nullable=False),
)

revocations = Table(
    "revocations",
    metadata,
    Column("org", Text, primary_key=True),
    Column("manifest_sha256", Text, primary_key=True),
    Column("bundle", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("revoke_us", BigInteger, nullable=False),
)

# The publishers' own roots of trust, and whether the keys in one have two halves.
roots = Table(
    "roots",
    metadata,
    Column("org", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    Column("hybrid", Boolean, nullable=False),
    Column("create_us", BigInteger, nullable=False),
)

# The highest numbers that an organisation has met of a publisher, under one trust root. Rows with the line "" hold the
# publisher's own numbers, the others the line's number in `number`.
seen = Table(
    "seen",
    metadata,
    Column("org", Text, primary_key=True),
    Column("publisher", Text, primary_key=True),
    Column("trust", Text, primary_key=True),
    Column("line", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("signed_time", BigInteger, nullable=False),
    Column("snapshot", BigInteger, nullable=False),
    Column("revocation_epoch", BigInteger, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("vault", Text, primary_key=True),
    Column("bundle", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("cube_count", BigInteger, nullable=False),
    Column("blob_count", BigInteger, nullable=False),
    Column("import_us", BigInteger, nullable=False),
)

# The marked copies that were handed out.
marked_copies = Table(
    "marked_copies",
    metadata,
    Column("org", Text, primary_key=True),
    Column("bundle_id", Text, primary_key=True),
    Column("agreement", Text, primary_key=True),
    Column("line", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("commitment", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Index("ix_marked_copies_line", "org", "line"),
)

# Agreements that ended before their time, by their provider.
ended_agreements = Table(
    "ended_agreements",
    metadata,
    Column("org", Text, primary_key=True),
    Column("agreement", Text, primary_key=True),
    Column("end_us", BigInteger, nullable=False),
)

kernel_tables.attach(metadata)
