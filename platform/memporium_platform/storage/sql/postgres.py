"""PostgreSQL through psycopg: a schema a service, serialisable writes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from memporium_platform.storage.causes import causes
from memporium_platform.storage.sql.engine_database import EngineDatabase

if TYPE_CHECKING:
    from sqlalchemy import URL

# A reader mostly waits for the server.
READ_THREADS = 8

# Serialisation failure, deadlock: the server asks to run the transaction again.
_RETRY_STATES = frozenset({"40001", "40P01"})

# A table up to this size, with indexes, is written anew to leave no byte of deleted rows: about a second.
REWRITE_MAX_BYTES = 64 << 20
_LOCK_WAIT_MS = 2000
# Transactions that began before a row was deleted may look at it still, and have it carried over.
_OLD_VIEWS = text(
    "SELECT pid, xact_start FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
)
_OLD_VIEWS_WAIT_S = 10.0
_TABLES_BY_SIZE = text(
    "SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind = 'r' ORDER BY c.relname"
)


def postgres_url(database_url: str) -> URL:
    """Return the URL with psycopg as its driver."""
    return make_url(database_url).set(drivername="postgresql+psycopg")


def postgres_engine(database_url: str, schema: str) -> Engine:
    """Return an engine whose connections see the schema alone."""
    return create_engine(
        postgres_url(database_url),
        poolclass=NullPool,
        connect_args={
            "options": f"-csearch_path={schema}",
            "application_name": f"memporium-{schema}",
            "connect_timeout": 10,
            "keepalives_idle": 30,
        },
    )


class PostgresWrites:
    """Write connections to one schema."""

    def __init__(self, engine: Engine) -> None:
        """Keep the engine."""
        self._engine = engine.execution_options(isolation_level="SERIALIZABLE")

    def open(self) -> Connection:
        """Return a connection whose transactions are serialisable."""
        return self._engine.connect()

    def must_retry(self, error: BaseException) -> bool:
        """Tell whether the server wants the transaction again."""
        return any(getattr(cause, "sqlstate", None) in _RETRY_STATES for cause in causes(error))


def open_postgres(database_url: str, *, schema: str) -> EngineDatabase:
    """Return the database in the schema, which must have been migrated."""
    engine = postgres_engine(database_url, schema)
    readers = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return EngineDatabase(
        name=schema,
        read_connection=readers.connect,
        write_connections=PostgresWrites(engine),
        scrub=_scrub,
        read_threads=READ_THREADS,
    )


def _scrub(connection: Connection) -> None:
    """Leave no byte of a deleted row in the tables; the server's own log is recycled by its own rules.

    A plain VACUUM frees the places of dead rows and leaves their bytes there, so tables are written anew, which locks
    them meanwhile. Those too large for that, or held by others, are vacuumed: their places are freed, and what stood
    there goes when they are used again, or by the operator's own VACUUM FULL.
    """
    automatic = connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        automatic.exec_driver_sql(f"SET lock_timeout = '{_LOCK_WAIT_MS}ms'")
        _outwait_old_views(automatic)
        tables = automatic.execute(_TABLES_BY_SIZE).all()
        for name, size in tables:
            quoted = connection.dialect.identifier_preparer.quote(name)
            try:
                automatic.exec_driver_sql(f"VACUUM {'(FULL)' if size <= REWRITE_MAX_BYTES else ''} {quoted}")
            except OperationalError:
                # Somebody holds the table: freeing the places needs no lock against readers and writers.
                automatic.exec_driver_sql(f"VACUUM {quoted}")
    finally:
        automatic.exec_driver_sql("RESET lock_timeout")
        automatic.rollback()
        connection.execution_options(isolation_level="SERIALIZABLE")


def _outwait_old_views(automatic: Connection) -> None:
    """Wait for the transactions that are open now to end, for a while."""
    old = set(automatic.execute(_OLD_VIEWS).all())
    until = time.monotonic() + _OLD_VIEWS_WAIT_S
    while old and time.monotonic() < until:
        time.sleep(0.02)
        old &= set(automatic.execute(_OLD_VIEWS).all())
