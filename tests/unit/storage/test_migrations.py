from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from memporium_platform.crypto import keyring, tables
from memporium_platform.storage.sql import kernel_tables
from memporium_platform.storage.sql.migrate import SchemaError, migrate, scripts_of
from memporium_platform.storage.sql.revision import main, write_revision
from memporium_platform.storage.sql.sqlite import sqlite_engine
from support import counter_tables

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A copy of the test's chain, which a test may add to."""
    source = Path(counter_tables.__file__).parent / "counter_migrations"
    shutil.copytree(source, tmp_path / "copied_chain", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(tmp_path)
    yield "copied_chain"
    sys.modules.pop("copied_chain", None)


@pytest.mark.parametrize(
    ("chain", "metadata"),
    [(keyring.MIGRATIONS, tables.metadata), (counter_tables.MIGRATIONS, counter_tables.metadata)],
)
def test_the_chain_makes_just_the_tables_of_the_code(chain: str, metadata: sa.MetaData) -> None:
    assert write_revision(chain, metadata, "must not be written") is None


def test_a_new_column_becomes_a_revision_that_keeps_rows(package: str, tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "db.sqlite", writes=True)
    migrate(engine, migrations_package=package)
    with engine.connect() as connection, connection.begin():
        connection.execute(sa.text("INSERT INTO counters VALUES ('kept', 1)"))
    metadata = sa.MetaData()
    sa.Table(
        "counters",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text),
    )
    kernel_tables.attach(metadata)
    path = write_revision(package, metadata, "Add a note")
    assert path is not None
    assert path.name == "0002_add_a_note.py"
    migrate(engine, migrations_package=package)
    with engine.connect() as connection, connection.begin():
        assert connection.execute(sa.text("SELECT name, value, note FROM counters")).all() == [("kept", 1, None)]
    assert write_revision(package, metadata, "nothing") is None


def test_a_migration_that_fails_leaves_the_schema_as_it_was(package: str, tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "db.sqlite", writes=True)
    migrate(engine, migrations_package=package)
    broken = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("counters", sa.Column("half", sa.Text))
    op.execute("INSERT INTO no_such_table VALUES (1)")
"""
    (tmp_path / package / "versions" / "0002_broken.py").write_text(broken)
    with pytest.raises(sa.exc.OperationalError, match="no_such_table"):
        migrate(engine, migrations_package=package)
    columns = {column["name"] for column in sa.inspect(engine).get_columns("counters")}
    assert columns == {"name", "value"}


def test_a_package_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SchemaError, match="no package"):
        scripts_of("memporium_platform.no_such_chain")
    assert main(["revision"]) == 2
    assert "SERVICE" in capsys.readouterr().err
