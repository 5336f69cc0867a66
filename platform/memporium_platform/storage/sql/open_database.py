"""Opens a service's database by the settings: a SQLite file, or a schema on PostgreSQL."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from memporium_platform.storage.sql.migrate import migrate

if TYPE_CHECKING:
    from memporium_platform.storage.sql.engine_database import EngineDatabase

_SERVICE = re.compile(r"[a-z][a-z0-9_]{0,30}")


class DatabaseSettings(Protocol):
    """What the platform's settings say of the relational store."""

    @property
    def data_dir(self) -> Path:
        """Folder of all embedded engines."""
        ...

    @property
    def database_url(self) -> object:
        """`postgresql://...`, as text or secret; empty: SQLite in `data_dir`."""
        ...


def revealed(setting: object) -> str:
    """Return the text of a setting that may be a SecretStr."""
    reveal = getattr(setting, "get_secret_value", None)
    return str(reveal()) if callable(reveal) else str(setting or "")


async def open_database(settings: DatabaseSettings, service: str, migrations_package: str) -> EngineDatabase:
    """Return the service's database, migrated to the newest revision.

    Raises:
        SchemaError: The database is newer than the code.
        ValueError: A URL of an engine that there is no adapter for.
    """
    if not _SERVICE.fullmatch(service):
        message = f"{service!r} cannot name a schema"
        raise ValueError(message)
    url = revealed(settings.database_url)
    return await asyncio.to_thread(_open, url, Path(settings.data_dir), service, migrations_package)


def _open(url: str, data_dir: Path, service: str, migrations_package: str) -> EngineDatabase:
    # Imported when chosen: an embedded platform does not load psycopg.
    if not url:
        from memporium_platform.storage.sql.sqlite import open_sqlite, sqlite_engine

        folder = data_dir / "sql"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{service}.sqlite"
        engine = sqlite_engine(path, writes=True)
        migrate(engine, migrations_package=migrations_package)
        return open_sqlite(path, name=service)
    if url.startswith(("postgresql:", "postgresql+psycopg:", "postgres:")):
        from memporium_platform.storage.sql.postgres import open_postgres, postgres_engine

        engine = postgres_engine(url, service)
        migrate(engine, migrations_package=migrations_package, schema=service)
        return open_postgres(url, schema=service)
    message = "database_url must begin with postgresql://, or be empty"
    raise ValueError(message)
