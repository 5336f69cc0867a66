from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from memporium_platform.storage.sql.migrate import migrate
from memporium_services.scheduler.adapters.tables import metadata


def test_the_migrations_make_the_tables(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'scheduler.sqlite'}")
    migrate(engine, migrations_package="memporium_services.scheduler.migrations")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
