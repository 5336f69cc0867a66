"""The vault's tables. Words that people wrote stand in them only sealed, or keyed where filters need them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from memporium_platform.storage.sql import kernel_tables

metadata = MetaData()


def _vault() -> Column[str]:
    return Column("vault_uid", Text, primary_key=True)


VAULTS = Table(
    "vaults",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("vault_id", Text, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("embedding_model", Text, nullable=False),
    Column("settings", LargeBinary, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("update_us", BigInteger, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("edition", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("index_revision", BigInteger, nullable=False),
    Column("tasks_floor", BigInteger, nullable=False),
    Column("changes_floor", BigInteger, nullable=False),
    Column("next_unit", BigInteger, nullable=False),
    Column("cubes", BigInteger, nullable=False),
    Column("bytes_used", BigInteger, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("context_units", BigInteger, nullable=False),
    # A branch that is not whole yet: nobody sees it.
    Column("filling", Boolean, nullable=False),
    Index("ux_vaults_name", "org", "vault_id", unique=True),
    Index("ix_vaults_agreement", "agreement"),
)

CUBES = Table(
    "cubes",
    metadata,
    _vault(),
    Column("cube_id", Text, primary_key=True),
    Column("uid", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("payload_version", BigInteger, nullable=False),
    Column("state", Integer, nullable=False),
    Column("form", Integer, nullable=False),
    Column("semantic_type", Integer, nullable=False),
    Column("origin", Integer, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("dedup", Text, nullable=False),
    # SimHash as a signed 64-bit number.
    Column("simhash", BigInteger, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("update_us", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("frozen", Boolean, nullable=False),
    Column("legal_hold", Boolean, nullable=False),
    Column("licensed", Boolean, nullable=False),
    Column("tier", Integer, nullable=False),
    Column("event_us", BigInteger),
    Column("expire_us", BigInteger),
    Column("purge_us", BigInteger),
    Column("heat", Float, nullable=False),
    Column("last_use_us", BigInteger, nullable=False),
    Column("uses", Text, nullable=False),
    Column("import_id", Text, nullable=False),
    Index("ix_cubes_dedup", "vault_uid", "dedup"),
    Index("ix_cubes_scope", "vault_uid", "scope", "owner"),
    Index("ix_cubes_expire", "vault_uid", "expire_us"),
    Index("ix_cubes_create", "vault_uid", "create_us"),
    # Only of what is being imported: over all cubes, SQLite would take it for every question that leaves imports out.
    Index(
        "ix_cubes_import",
        "vault_uid",
        "import_id",
        sqlite_where=text("import_id <> ''"),
        postgresql_where=text("import_id <> ''"),
    ),
)

VERSIONS = Table(
    "versions",
    metadata,
    _vault(),
    Column("cube_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("parent", BigInteger, nullable=False),
    Column("payload_version", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("meta_sealed", LargeBinary, nullable=False),
    Column("note_sealed", LargeBinary, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

PAYLOADS = Table(
    "payloads",
    metadata,
    _vault(),
    Column("cube_id", Text, primary_key=True),
    Column("payload_version", BigInteger, primary_key=True),
    Column("body_sealed", LargeBinary, nullable=False),
    Column("object_key", Text, nullable=False),
)

UNITS = Table(
    "units",
    metadata,
    _vault(),
    Column("unit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("cube_id", Text, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("event_us", BigInteger),
    Column("has_context", Boolean, nullable=False),
    Column("body_sealed", LargeBinary, nullable=False),
    Index("ix_units_cube", "vault_uid", "cube_id"),
)

CUBE_TERMS = Table(
    "cube_terms",
    metadata,
    _vault(),
    Column("kind", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("cube_id", Text, primary_key=True),
    Index("ix_cube_terms_cube", "vault_uid", "cube_id"),
)

INDEX_TASKS = Table(
    "index_tasks",
    metadata,
    _vault(),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    # Unit ids as little-endian int64.
    Column("upserts", LargeBinary, nullable=False),
    Column("deletes", LargeBinary, nullable=False),
)

CHANGES = Table(
    "changes",
    metadata,
    _vault(),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("cube_id", Text, primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("time_us", BigInteger, nullable=False),
)

RELATIONS = Table(
    "relations",
    metadata,
    _vault(),
    Column("relation_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("target", Text, nullable=False),
    Column("weight", Float, nullable=False),
    Column("note_sealed", LargeBinary, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
    Index("ix_relations_source", "vault_uid", "source"),
    Index("ix_relations_target", "vault_uid", "target"),
)

MOUNTS = Table(
    "mounts",
    metadata,
    _vault(),
    Column("mount_id", Text, primary_key=True),
    Column("target_uid", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
    Index("ix_mounts_target", "target_uid"),
)

BLOBS = Table(
    "blobs",
    metadata,
    _vault(),
    Column("blob_key", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("update_us", BigInteger, nullable=False),
)

BLOB_REFS = Table(
    "blob_refs",
    metadata,
    _vault(),
    Column("blob_key", Text, primary_key=True),
    Column("cube_id", Text, primary_key=True),
    Index("ix_blob_refs_cube", "vault_uid", "cube_id"),
)

RECEIPTS = Table(
    "receipts",
    metadata,
    Column("org", Text, primary_key=True),
    Column("receipt_id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("create_us", BigInteger, nullable=False),
)

AGREEMENTS = Table(
    "agreements",
    metadata,
    Column("agreement", Text, primary_key=True),
    # Empty: in force.
    Column("dead_state", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

# Which vaults hold cubes under which agreement, packs aside; an empty agreement: any of them.
LICENSED_VAULTS = Table(
    "licensed_vaults",
    metadata,
    Column("agreement", Text, primary_key=True),
    _vault(),
)

# Packs that were deleted since their agreement had ended: who asks for one is told so.
ENDED_PACKS = Table(
    "ended_packs",
    metadata,
    Column("org", Text, primary_key=True),
    Column("vault_id", Text, primary_key=True),
    Column("agreement", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("end_us", BigInteger, nullable=False),
)

# Mounts of such packs.
ENDED_MOUNTS = Table(
    "ended_mounts",
    metadata,
    _vault(),
    Column("mount_id", Text, primary_key=True),
    Column("pack_id", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
)

# How far branches were copied; a row stays as long as its branch.
BRANCHES = Table(
    "branches",
    metadata,
    _vault(),
    Column("source_uid", Text, nullable=False),
    # Digest of what was asked for: who asks for the same goes on with it.
    Column("asked", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("moment_us", BigInteger),
    Column("after_id", Text, nullable=False),
    Column("done_cubes", BigInteger, nullable=False),
    Column("total_cubes", BigInteger, nullable=False),
    Column("update_us", BigInteger, nullable=False),
    Index("ix_branches_source", "source_uid"),
)

# What was removed from the tables, and lies elsewhere still: names of objects, of blobs with their segments, or all.
LEAVINGS = Table(
    "leavings",
    metadata,
    Column("leaving_id", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("vault_uid", Text, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("objects", Text, nullable=False),
    Column("blobs", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
)

# Cubes that were made from, or copied of, cubes of other vaults of their organisation: what they are, and of what.
LINKS = Table(
    "links",
    metadata,
    _vault(),
    Column("cube_id", Text, primary_key=True),
    Column("parent_vault", Text, primary_key=True),
    Column("parent_cube", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Index("ix_links_parent", "org", "parent_vault", "parent_cube"),
)

# Vaults from before there were links, and how far they were looked through for them.
UNLINKED = Table(
    "unlinked",
    metadata,
    _vault(),
    Column("org", Text, nullable=False),
    Column("after_id", Text, nullable=False),
    Index("ix_unlinked_org", "org"),
)

# Forgetting in all vaults of an organisation, until all are seen to; what is asked for is sealed under its own key.
ERRANDS = Table(
    "errands",
    metadata,
    Column("errand_id", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("asked_sealed", LargeBinary, nullable=False),
    # The caller, and the call: names and digests.
    Column("caller", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("update_us", BigInteger, nullable=False),
)

# The vaults of an errand; `outcome` is empty until one was seen to.
ERRAND_VAULTS = Table(
    "errand_vaults",
    metadata,
    Column("errand_id", Text, primary_key=True),
    Column("vault_uid", Text, primary_key=True),
    Column("vault", Text, nullable=False),
    Column("outcome", LargeBinary, nullable=False),
)

# All that is kept by cube, for forgetting: in this order.
OF_CUBES = (BLOB_REFS, CUBE_TERMS, LINKS, UNITS, PAYLOADS, VERSIONS, CUBES)
_OF_WHOLE = (INDEX_TASKS, CHANGES, RELATIONS, MOUNTS, BLOBS, LICENSED_VAULTS, ENDED_MOUNTS, BRANCHES, UNLINKED)
OF_VAULTS = (*OF_CUBES, *_OF_WHOLE)

kernel_tables.attach(metadata)
