"""Tables of the keyring."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

metadata = MetaData()

# A wrapped key. `parent` is the name of the key that wraps it; "" means the platform key, whose id is in `kek_id`.
keys = Table(
    "keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("parent", Text, nullable=False),
    Column("kek_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Index("ix_keys_parent", "parent"),
)

# Names whose key was destroyed: no new key is made under them, so nothing is sealed for what was erased.
destroyed = Table(
    "destroyed",
    metadata,
    Column("name", Text, primary_key=True),
    Column("destroy_us", BigInteger, nullable=False),
)
