"""A tiny schema for tests of the relational store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

from memporium_platform.storage.sql import kernel_tables

if TYPE_CHECKING:
    from pathlib import Path

MIGRATIONS = "support.counter_migrations"

metadata = MetaData()
counters = Table(
    "counters", metadata, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False)
)
kernel_tables.attach(metadata)


@dataclass(frozen=True)
class Settings:
    data_dir: Path
    database_url: str = ""
    objects_url: str = ""
    index_url: str = ""
    index_bytes: int = 1 << 30
