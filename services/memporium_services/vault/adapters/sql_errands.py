"""Forgetting in all vaults of an organisation, in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.vault.adapters.tables import ERRAND_VAULTS, ERRANDS
from memporium_services.vault.domain.errands import ErrandRow, ErrandVault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium_services.vault.domain.rows import VaultRow

_KEYS = ["errand_id", "vault_uid"]


class SqlErrands:
    """`memporium_services.vault.ports.errand_store.ErrandStore`."""

    conn: Connection

    def begin_errand(self, row: ErrandRow) -> None:
        """Note what is to be forgotten."""
        self.conn.execute(insert(ERRANDS).values(**asdict(row)))

    def errand(self, errand_id: str) -> ErrandRow | None:
        """Return an errand that is not ended."""
        row = self.conn.execute(select(ERRANDS).where(ERRANDS.c.errand_id == errand_id)).one_or_none()
        return None if row is None else ErrandRow(*row)

    def idle_errands(self, before_us: int) -> list[ErrandRow]:
        """Return errands that nobody went on with since a time, the oldest first."""
        query = select(ERRANDS).where(ERRANDS.c.update_us < before_us).order_by(ERRANDS.c.create_us)
        return [ErrandRow(*row) for row in self.conn.execute(query)]

    def add_errand_vaults(self, errand_id: str, vaults: Sequence[VaultRow]) -> int:
        """Let an errand go to vaults, unless it does already; return how many are new."""
        count = select(func.count()).select_from(ERRAND_VAULTS).where(ERRAND_VAULTS.c.errand_id == errand_id)
        before = self.conn.execute(count).scalar_one()
        for vault in vaults:
            values = {"errand_id": errand_id, "vault_uid": vault.uid, "vault": vault.name, "outcome": b""}
            self.conn.execute(upsert(ERRAND_VAULTS, values, index_elements=_KEYS))
        return int(self.conn.execute(count).scalar_one()) - int(before)

    def errand_vaults(self, errand_id: str) -> list[ErrandVault]:
        """Return the vaults of an errand, by uid."""
        column = ERRAND_VAULTS.c
        query = select(column.vault_uid, column.vault, column.outcome).where(column.errand_id == errand_id)
        return [ErrandVault(*row) for row in self.conn.execute(query.order_by(column.vault_uid))]

    def note_errand(self, errand_id: str, vault_uid: str, outcome: bytes, now_us: int) -> None:
        """Note what became of a vault."""
        here = (ERRAND_VAULTS.c.errand_id == errand_id, ERRAND_VAULTS.c.vault_uid == vault_uid)
        self.conn.execute(update(ERRAND_VAULTS).where(*here).values(outcome=outcome))
        self.conn.execute(update(ERRANDS).where(ERRANDS.c.errand_id == errand_id).values(update_us=now_us))

    def end_errand(self, errand_id: str) -> bool:
        """Remove an errand; return whether it was there."""
        self.conn.execute(delete(ERRAND_VAULTS).where(ERRAND_VAULTS.c.errand_id == errand_id))
        return self.conn.execute(delete(ERRANDS).where(ERRANDS.c.errand_id == errand_id)).rowcount == 1
