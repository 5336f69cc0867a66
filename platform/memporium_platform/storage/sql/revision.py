"""Writes a service's next migration: `python -m memporium_platform.storage.sql.revision SERVICE "what changes"`.

It compares `memporium_services.SERVICE.adapters.tables.metadata` with what the chain makes so far, in a scratch SQLite
database. Read what it writes: a rename looks like a drop and an add.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from memporium_platform.storage.sql.migrate import scripts_of, upgrade

if TYPE_CHECKING:
    from sqlalchemy import MetaData

_TEMPLATE = '''"""{message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down_revision!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """{message}"""
    {upgrades}


def downgrade() -> None:
    """Undo it."""
    {downgrades}
'''
_ARGUMENTS = 3


def write_revision(migrations_package: str, metadata: MetaData, message: str) -> Path | None:
    """Write the next revision of a chain and return its file; None where nothing changed."""
    scripts = scripts_of(migrations_package)
    engine = create_engine("sqlite://")
    with engine.connect() as connection, connection.begin():
        upgrade(connection, scripts)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        script = produce_migrations(context, metadata)
    if script.upgrade_ops is None or script.downgrade_ops is None or script.upgrade_ops.is_empty():
        return None
    previous = scripts.get_current_head()
    revision = f"{int(previous or 0) + 1:04d}"
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40]
    path = Path(scripts.versions) / f"{revision}_{slug}.py"
    text = _TEMPLATE.format(
        message=message.rstrip(".") + ".",
        revision=revision,
        down_revision=previous,
        upgrades=render_python_code(script.upgrade_ops),
        downgrades=render_python_code(script.downgrade_ops),
    )
    path.write_text(text, encoding="utf-8")
    return path


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    if len(arguments) != _ARGUMENTS:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    _, service, message = arguments
    tables = importlib.import_module(f"memporium_services.{service}.adapters.tables")
    path = write_revision(f"memporium_services.{service}.migrations", tables.metadata, message)
    sys.stdout.write(f"{path or 'nothing changed'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
