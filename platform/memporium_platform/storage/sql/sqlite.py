"""SQLite: a file a service, write-ahead log, every commit on the disk before it is acknowledged."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.causes import causes
from memporium_platform.storage.sql.engine_database import EngineDatabase
from memporium_platform.storage.sql.residue import zero_gaps

if TYPE_CHECKING:
    from pathlib import Path

# Two cores are kept busy by two readers; two more cover those that wait for the disk.
READ_THREADS = 4

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # An acknowledged write survives a power failure; group commit pays for it.
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    # Forgotten rows are overwritten, not only unlinked.
    "PRAGMA secure_delete=ON",
    # As much as SQLite maps at most: it takes addresses, not memory, and saves a copy of each page that is read.
    "PRAGMA mmap_size=2147418112",
    "PRAGMA cache_size=-16384",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SCRUB_TRIES = 50


def sqlite_engine(path: Path, *, writes: bool) -> Engine:
    """Return an engine on the file whose transactions read one snapshot, or lock for writing at once."""
    engine = create_engine(
        f"sqlite+pysqlite:///{path}",
        poolclass=NullPool,
        # The driver must not begin transactions by itself; connections move between threads only when idle.
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 5.0},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class SqliteWrites:
    """Write connections to one file."""

    def __init__(self, engine: Engine) -> None:
        """Keep the engine."""
        self._engine = engine

    def open(self) -> Connection:
        """Return a connection whose transactions lock for writing at once."""
        return self._engine.connect()

    def must_retry(self, error: BaseException) -> bool:
        """Tell whether another process held the file beyond the time-out."""
        return any(
            isinstance(cause, sqlite3.OperationalError) and (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _BUSY
            for cause in causes(error)
        )


def open_sqlite(path: Path, *, name: str) -> EngineDatabase:
    """Return the database in the file, which must have been migrated."""
    readers, writer = sqlite_engine(path, writes=False), sqlite_engine(path, writes=True)
    return EngineDatabase(
        name=name,
        read_connection=readers.connect,
        write_connections=SqliteWrites(writer),
        scrub=lambda connection: _scrub(connection, path),
        read_threads=READ_THREADS,
        in_place=True,
    )


def _scrub(connection: Connection, path: Path) -> None:
    """Leave no byte of a deleted row: empty the log into the file, cut it to nothing, zero the gaps of pages."""
    driver = connection.connection.driver_connection
    if driver is None:
        raise PlatformError(Reason.UNAVAILABLE, "the store is not available", retry_after_s=1.0)
    for _ in range(_SCRUB_TRIES):
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:  # A reader still looks at a page of the log.
            time.sleep(0.05)
            continue
        driver.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have written in between; its pages are in the log again.
            if not _has_log(path):
                zero_gaps(path)
                return
        finally:
            driver.execute("ROLLBACK")
            # The pages in memory are as they were; written back, they would bring the gaps back.
            driver.execute("PRAGMA shrink_memory")
    raise PlatformError(Reason.UNAVAILABLE, "readers kept the log in use", retry_after_s=1.0)


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
