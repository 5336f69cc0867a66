"""Vaults, mounts, receipts and agreement states in SQL."""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from memporium_platform.storage.sql.by_keys import Prepared
from memporium_services.vault.adapters.cube_rows import VAULT_BY_NAME, VAULT_BY_UID, VAULT_NAMES, vault_of
from memporium_services.vault.adapters.tables import (
    BLOBS,
    CUBES,
    MOUNTS,
    OF_VAULTS,
    PAYLOADS,
    RECEIPTS,
    UNITS,
    VAULTS,
    VERSIONS,
)
from memporium_services.vault.domain.rows import BlobRow, MountRow, Removed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql.dml import ReturningUpdate

    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.ports import VaultDelta

_VAULTS = select(*(VAULTS.c[name] for name in VAULT_NAMES))
_MOUNTS_OF = Prepared(
    select(*(MOUNTS.c[field.name] for field in fields(MountRow)))
    .where(MOUNTS.c.vault_uid == bindparam("uid"))
    .order_by(MOUNTS.c.mount_id)
)


@cache
def _bump(*, indexed: bool, first: bool) -> ReturningUpdate[int]:
    """Return what counts one more revision; `first`: and sets the length of vectors."""
    column = VAULTS.c
    values: dict[str, Any] = {
        "revision": column.revision + 1,
        "cubes": column.cubes + bindparam("more_cubes"),
        "bytes_used": column.bytes_used + bindparam("more_bytes"),
        "units": column.units + bindparam("more_units"),
        "context_units": column.context_units + bindparam("more_contexts"),
    }
    if indexed:
        values["index_revision"] = column.revision + 1
    if first:
        values["dimensions"] = bindparam("length")
    return update(VAULTS).where(column.uid == bindparam("of_vault")).values(**values).returning(column.revision)


class SqlVaults:
    """The part of the store that keeps vaults."""

    def __init__(self, conn: Connection) -> None:
        """Work within the transaction of `conn`."""
        self.conn = conn

    def insert_vault(self, row: VaultRow) -> None:
        """Add a vault."""
        self.conn.execute(insert(VAULTS).values(**asdict(row)))

    def vault(self, org: str, vault_id: str) -> VaultRow | None:
        """Return a vault by its ids."""
        return vault_of(next(iter(VAULT_BY_NAME.rows(self.conn, {"org": org, "vault": vault_id})), None))

    def vault_by_uid(self, uid: str) -> VaultRow | None:
        """Return a vault by its uid."""
        return vault_of(next(iter(VAULT_BY_UID.rows(self.conn, {"uid": uid})), None))

    def vaults(self, org: str, *, after: str, limit: int, filling: bool = False) -> list[VaultRow]:
        """Return an organisation's vaults by id; branches that are not whole yet only where `filling`."""
        query = _VAULTS.where(VAULTS.c.org == org, VAULTS.c.vault_id > after)
        query = query if filling else query.where(VAULTS.c.filling.is_(False))
        return self._list(query.order_by(VAULTS.c.vault_id).limit(limit))

    def all_vaults(self, *, after_uid: str, limit: int, org: str = "") -> list[VaultRow]:
        """Return vaults by uid, of all organisations or of one."""
        query = _VAULTS.where(VAULTS.c.uid > after_uid, VAULTS.c.filling.is_(False))
        query = query.where(VAULTS.c.org == org) if org else query
        return self._list(query.order_by(VAULTS.c.uid).limit(limit))

    def vaults_of_agreement(self, agreement: str) -> list[VaultRow]:
        """Return the vaults that hold a pack under the agreement."""
        return self._list(_VAULTS.where(VAULTS.c.agreement == agreement))

    def save_vault(self, row: VaultRow) -> None:
        """Write what `UpdateVault` may change, with the edition."""
        names = ("read_only", "settings", "update_us", "edition", "changes_floor", "tasks_floor")
        values = {name: getattr(row, name) for name in names}
        self.conn.execute(update(VAULTS).where(VAULTS.c.uid == row.uid).values(**values))

    def delete_vault(self, uid: str) -> Removed:
        """Remove a vault with all it holds."""

        def ids(query: Any) -> list[Any]:
            return list(self.conn.execute(query).scalars())

        blobs = self.conn.execute(select(BLOBS).where(BLOBS.c.vault_uid == uid)).all()
        removed = Removed(
            cube_ids=tuple(ids(select(CUBES.c.cube_id).where(CUBES.c.vault_uid == uid))),
            versions=ids(select(func.count()).select_from(VERSIONS).where(VERSIONS.c.vault_uid == uid))[0],
            unit_ids=tuple(ids(select(UNITS.c.unit_id).where(UNITS.c.vault_uid == uid))),
            object_keys=tuple(
                ids(select(PAYLOADS.c.object_key).where(PAYLOADS.c.vault_uid == uid, PAYLOADS.c.object_key != ""))
            ),
            blobs=tuple(
                BlobRow(row.blob_key, row.size_bytes, row.segments, row.complete, row.update_us) for row in blobs
            ),
        )
        for table in OF_VAULTS:
            self.conn.execute(delete(table).where(table.c.vault_uid == uid))
        self.conn.execute(delete(MOUNTS).where(MOUNTS.c.target_uid == uid))
        self.conn.execute(delete(VAULTS).where(VAULTS.c.uid == uid))
        return removed

    def bump(self, vault: VaultRow, delta: VaultDelta, *, indexed: bool) -> int:
        """Count one more revision and what it changed; return the revision."""
        changes = {"of_vault": vault.uid, "more_cubes": delta.cubes, "more_bytes": delta.bytes_used}
        changes |= {"more_units": delta.units, "more_contexts": delta.context_units}
        if delta.dimensions:
            changes["length"] = delta.dimensions
        query = _bump(indexed=indexed, first=bool(delta.dimensions))
        return int(self.conn.execute(query, changes).scalar_one())

    def insert_mount(self, row: MountRow) -> None:
        """Add a mount."""
        self.conn.execute(insert(MOUNTS).values(**asdict(row)))

    def mounts(self, vault_uid: str) -> list[MountRow]:
        """Return a vault's mounts by id."""
        return [MountRow(*row) for row in _MOUNTS_OF.rows(self.conn, {"uid": vault_uid})]

    def delete_mount(self, vault_uid: str, mount_id: str) -> bool:
        """Remove a mount; return whether it was there."""
        query = delete(MOUNTS).where(MOUNTS.c.vault_uid == vault_uid, MOUNTS.c.mount_id == mount_id)
        return self.conn.execute(query).rowcount > 0

    def insert_receipt(self, org: str, receipt_id: str, body: bytes, create_us: int) -> None:
        """Keep a receipt."""
        values = {"org": org, "receipt_id": receipt_id, "body": body, "create_us": create_us}
        self.conn.execute(insert(RECEIPTS).values(**values))

    def receipt(self, org: str, receipt_id: str) -> bytes | None:
        """Return a receipt."""
        query = select(RECEIPTS.c.body).where(RECEIPTS.c.org == org, RECEIPTS.c.receipt_id == receipt_id)
        return self.conn.execute(query).scalar_one_or_none()

    def _list(self, query: Any) -> list[VaultRow]:
        return [vault for row in self.conn.execute(query) if (vault := vault_of(row))]


def in_chunks(values: Sequence[Any], size: int = 500) -> list[Sequence[Any]]:
    """Return the values in pieces, below every engine's limit of bound parameters."""
    return [values[start : start + size] for start in range(0, len(values), size)]
