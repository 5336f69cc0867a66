"""The relational store: its port, SQLite, PostgreSQL, migrations."""

from __future__ import annotations

from memporium_platform.storage.sql.times import from_us, to_us
from memporium_platform.storage.sql.upsert import upsert

__all__ = ["from_us", "to_us", "upsert"]
