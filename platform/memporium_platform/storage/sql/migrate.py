"""Brings a schema to the newest revision of its service's chain: Alembic, run by the program itself at start.

One process migrates at a time: SQLite's write lock and PostgreSQL's advisory lock hold the others, which then find
nothing left to do. A migration takes place as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Engine

# ANALYZE copies values into the catalogue, where neither a deletion nor VACUUM reaches them: of sealed bytes, by which
# nothing is searched, and of keyed digests of content, which are as good as unique, the planner needs none.
_SAMPLED_CONTENT = text(
    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relkind = 'r' "
    "AND (a.atttypid = 'bytea'::regtype OR a.attname IN ('token', 'dedup')) AND a.attnum > 0 AND NOT a.attisdropped "
    "AND COALESCE(a.attstattarget, -1) <> 0 ORDER BY c.relname, a.attnum"
)

# `alembic.op` is one global of the process.
_ONE_AT_A_TIME = threading.Lock()


class SchemaError(Exception):
    """The schema cannot be used with this code; says why and what to do."""


def scripts_of(migrations_package: str) -> ScriptDirectory:
    """Return the chain in the package's folder `versions`."""
    spec = importlib.util.find_spec(migrations_package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        message = f"there is no package {migrations_package}"
        raise SchemaError(message)
    return ScriptDirectory(places[0], version_locations=[str(Path(places[0]) / "versions")])


def migrate(engine: Engine, *, migrations_package: str, schema: str = "") -> None:
    """Upgrade to the newest revision; blocks.

    Args:
        engine: Its connections write.
        migrations_package: Holds the chain, for instance `memporium_services.vault.migrations`.
        schema: PostgreSQL schema, made where it is absent; "" on SQLite.

    Raises:
        SchemaError: The database is newer than the code.
    """
    scripts = scripts_of(migrations_package)
    with _ONE_AT_A_TIME, engine.connect() as connection, connection.begin():
        if schema:
            _lock(connection, schema)
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        present = MigrationContext.configure(connection).get_current_heads()
        _refuse_newer(scripts, present, migrations_package)
        if set(present) != set(scripts.get_heads()):
            upgrade(connection, scripts)
        if schema:
            _sample_no_content(connection, schema)


def upgrade(connection: Connection, scripts: ScriptDirectory) -> None:
    """Run the chain to its head within the connection's transaction."""

    def steps(revision: Any, _context: MigrationContext) -> Iterable[Any]:
        return scripts._upgrade_revs("head", revision)  # noqa: SLF001 - what Alembic's command calls, too

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()


def _lock(connection: Connection, schema: str) -> None:
    number = int.from_bytes(hashlib.sha256(f"memporium-migrate-{schema}".encode()).digest()[:8], signed=True)
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def _sample_no_content(connection: Connection, schema: str) -> None:
    """Have PostgreSQL keep no examples of what memories say, so that what is forgotten is not left among them."""
    quote = connection.dialect.identifier_preparer.quote
    for table, column in connection.execute(_SAMPLED_CONTENT, {"schema": schema}).all():
        connection.exec_driver_sql(
            f"ALTER TABLE {quote(schema)}.{quote(table)} ALTER COLUMN {quote(column)} SET STATISTICS 0"
        )


def _refuse_newer(scripts: ScriptDirectory, present: Iterable[str], package: str) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    for revision in present:
        if revision not in known:
            message = (
                f"the schema of {package} is at revision {revision}, which this version does not know: "
                "it was written by a newer version; run that one, or restore a backup"
            )
            raise SchemaError(message)
