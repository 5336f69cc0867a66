"""The store: all its parts on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.vault.adapters.sql_branches import SqlBranches
from memporium_services.vault.adapters.sql_cubes import SqlCubes
from memporium_services.vault.adapters.sql_errands import SqlErrands
from memporium_services.vault.adapters.sql_history import SqlHistory
from memporium_services.vault.adapters.sql_leavings import SqlLeavings
from memporium_services.vault.adapters.sql_licences import SqlLicences
from memporium_services.vault.adapters.sql_links import SqlLinks
from memporium_services.vault.adapters.sql_past import SqlPast
from memporium_services.vault.adapters.sql_units import SqlUnits
from memporium_services.vault.adapters.sql_vaults import SqlVaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection


def _no_tokens(kind: str, _word: str) -> str:
    message = f"a selection by {kind} needs the vault's key"
    raise LookupError(message)


class SqlStore(
    SqlVaults, SqlCubes, SqlHistory, SqlPast, SqlUnits, SqlLicences, SqlBranches, SqlLeavings, SqlLinks, SqlErrands
):
    """`memporium_services.vault.ports.Store` in SQL that SQLite and PostgreSQL share."""

    def __init__(self, conn: Connection, tokens: Callable[[str, str], str] | None = None) -> None:
        """Work within the transaction of `conn`; `tokens` gives the keyed form of words."""
        super().__init__(conn)
        self.tokens = tokens or _no_tokens
