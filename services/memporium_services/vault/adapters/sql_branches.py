"""Branches that are copied piece by piece, in SQL."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from memporium_platform.storage.sql.by_keys import RowsByKeys
from memporium_services.vault.adapters.cube_rows import VAULT_NAMES, vault_of
from memporium_services.vault.adapters.tables import BRANCHES, CUBES, VAULTS
from memporium_services.vault.domain.rows import BranchRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from memporium_services.vault.domain.rows import VaultRow

_VAULTS = select(*(VAULTS.c[name] for name in VAULT_NAMES))
_OF_BRANCH = select(*(BRANCHES.c[field.name] for field in fields(BranchRow)))
_UIDS = RowsByKeys(
    lambda keys: select(CUBES.c.cube_id, CUBES.c.uid).where(
        CUBES.c.vault_uid == bindparam("vault_uid"), CUBES.c.cube_id.in_(keys), CUBES.c.import_id == ""
    )
)


class SqlBranches:
    """The part of the store that keeps how far branches are."""

    conn: Connection

    def begin_branch(self, row: BranchRow) -> None:
        """Note that a vault, which is there as `filling`, is a branch of another."""
        self.conn.execute(insert(BRANCHES).values(**asdict(row)))

    def branch(self, vault_uid: str) -> BranchRow | None:
        """Return how far a branch is."""
        row = self.conn.execute(_OF_BRANCH.where(BRANCHES.c.vault_uid == vault_uid)).one_or_none()
        return None if row is None else BranchRow(*row)

    def filling_vault(self, org: str, vault_id: str) -> VaultRow | None:
        """Return a branch that is not whole yet by its ids."""
        query = _VAULTS.where(VAULTS.c.org == org, VAULTS.c.vault_id == vault_id, VAULTS.c.filling.is_(True))
        return vault_of(self.conn.execute(query).one_or_none())

    def advance_branch(self, row: BranchRow, *, after_id: str, looked_at: int, now_us: int) -> BranchRow | None:
        """Note that a branch is further than `row` says; None: it is not where that says any more."""
        new = replace(row, after_id=after_id, done_cubes=row.done_cubes + looked_at, update_us=now_us)
        return new if self._moved(row, new) else None

    def end_branch(self, row: BranchRow, *, now_us: int) -> bool:
        """Let everybody see a branch, unless it is not where `row` says any more; return whether they do."""
        if not self._moved(row, replace(row, update_us=now_us)):
            return False
        query = update(VAULTS).where(VAULTS.c.uid == row.vault_uid, VAULTS.c.filling.is_(True))
        return self.conn.execute(query.values(filling=False)).rowcount == 1

    def branches_from(self, source_uid: str, *, filling: bool) -> list[VaultRow]:
        """Return the branches of a vault that were copied piece by piece: those not whole yet, or those that are."""
        query = self._branches(filling=filling).where(BRANCHES.c.source_uid == source_uid)
        return self._vaults(query)

    def idle_branches(self, before_us: int) -> list[VaultRow]:
        """Return branches that are not whole, and were not gone on with since a time."""
        return self._vaults(self._branches(filling=True).where(BRANCHES.c.update_us <= before_us))

    def uids_of(self, vault_uid: str, cube_ids: Sequence[str]) -> dict[str, str]:
        """Return the uids of cubes by id, as far as they are there."""
        return {row[0]: row[1] for row in _UIDS.rows(self.conn, cube_ids, vault_uid=vault_uid)}

    def _moved(self, old: BranchRow, new: BranchRow) -> bool:
        column = BRANCHES.c
        query = update(BRANCHES).where(column.vault_uid == old.vault_uid, column.after_id == old.after_id)
        values = {"after_id": new.after_id, "done_cubes": new.done_cubes, "update_us": new.update_us}
        return self.conn.execute(query.values(**values)).rowcount == 1

    def _branches(self, *, filling: bool) -> Select[tuple[object, ...]]:
        whole = VAULTS.c.filling.is_(filling)
        return _VAULTS.join(BRANCHES, BRANCHES.c.vault_uid == VAULTS.c.uid).where(whole)

    def _vaults(self, query: Select[tuple[object, ...]]) -> list[VaultRow]:
        return [vault for row in self.conn.execute(query) if (vault := vault_of(row))]
