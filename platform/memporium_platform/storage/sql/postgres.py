"""PostgreSQL through psycopg: a schema a service, serialisable writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from memporium_platform.storage.sql.engine_database import EngineDatabase
from memporium_platform.storage.sql.failures import causes

if TYPE_CHECKING:
    from sqlalchemy import URL

# A reader mostly waits for the server.
READ_THREADS = 8

# Serialisation failure, deadlock: the server asks to run the transaction again.
_RETRY_STATES = frozenset({"40001", "40P01"})


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
    """Let the server reclaim dead rows at once; its own log is recycled by its own rules."""
    automatic = connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        names = automatic.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")).scalars()
        for name in names.all():
            quoted = connection.dialect.identifier_preparer.quote(name)
            automatic.exec_driver_sql(f"VACUUM {quoted}")
    finally:
        automatic.rollback()
        connection.execution_options(isolation_level="SERIALIZABLE")
