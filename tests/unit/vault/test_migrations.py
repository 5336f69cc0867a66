from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from memporium_platform.storage.sql.migrate import migrate
from memporium_services.vault.adapters.tables import metadata


def test_the_migrations_make_the_tables(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'vault.sqlite'}")
    migrate(engine, migrations_package="memporium_services.vault.migrations")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
