"""Agreements that are not in force, where cubes under them lie, and packs that were deleted at their end, in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select

from memporium_platform.storage.sql.by_keys import Prepared
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.vault.adapters.tables import (
    AGREEMENTS,
    ENDED_MOUNTS,
    ENDED_PACKS,
    LICENSED_VAULTS,
    MOUNTS,
    VAULTS,
)
from memporium_services.vault.domain.rows import EndedMount, EndedPack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

_PACKS = select(ENDED_PACKS)
# Built once: each search asks for them.
_ENDED_MOUNTS_OF = Prepared(
    select(*(ENDED_MOUNTS.c[name] for name in ("vault_uid", "mount_id", "pack_id", "create_us", "creator")))
    .where(ENDED_MOUNTS.c.vault_uid == bindparam("uid"))
    .order_by(ENDED_MOUNTS.c.mount_id)
)


class SqlLicences:
    """The part of the store that keeps what is known of agreements."""

    conn: Connection

    def save_agreement(self, agreement: str, state: str, revision: int) -> None:
        """Keep an agreement's state; "" where it is in force."""
        values = {"agreement": agreement, "dead_state": state, "revision": revision}
        self.conn.execute(upsert(AGREEMENTS, values, index_elements=["agreement"], set_=["dead_state", "revision"]))

    def dead_agreements(self) -> dict[str, str]:
        """Return the agreements that are not in force, with their states."""
        query = select(AGREEMENTS.c.agreement, AGREEMENTS.c.dead_state).where(AGREEMENTS.c.dead_state != "")
        return {row.agreement: row.dead_state for row in self.conn.execute(query)}

    def agreements_revision(self) -> int:
        """Return the newest revision of any agreement that was seen."""
        return self.conn.execute(select(func.max(AGREEMENTS.c.revision))).scalar() or 0

    def note_licensed(self, vault_uid: str, agreements: Iterable[str]) -> None:
        """Remember that a vault holds cubes under these agreements."""
        for agreement in sorted(set(agreements)):
            row = {"agreement": agreement, "vault_uid": vault_uid}
            self.conn.execute(upsert(LICENSED_VAULTS, row, index_elements=["agreement", "vault_uid"]))

    def licensed_vaults(self, agreement: str) -> list[str]:
        """Return the uids of vaults that may hold cubes under the agreement."""
        query = select(LICENSED_VAULTS.c.vault_uid).where(LICENSED_VAULTS.c.agreement.in_([agreement, ""])).distinct()
        return sorted(self.conn.execute(query).scalars())

    def forget_licensed(self, vault_uid: str, agreement: str) -> None:
        """A vault holds no cube under the agreement any more."""
        table = LICENSED_VAULTS.c
        self.conn.execute(delete(LICENSED_VAULTS).where(table.vault_uid == vault_uid, table.agreement == agreement))

    def end_pack(self, pack: EndedPack, uid: str) -> None:
        """Remember a pack that is deleted, and its mounts; before the vault itself is."""
        changed = [name for name in asdict(pack) if name not in {"org", "vault_id"}]
        self.conn.execute(upsert(ENDED_PACKS, asdict(pack), index_elements=["org", "vault_id"], set_=changed))
        mounts = self.conn.execute(select(MOUNTS).where(MOUNTS.c.target_uid == uid)).all()
        for mount in mounts:
            row = {
                "vault_uid": mount.vault_uid,
                "mount_id": mount.mount_id,
                "pack_id": pack.vault_id,
                "create_us": mount.create_us,
                "creator": mount.creator,
            }
            keys = ["vault_uid", "mount_id"]
            self.conn.execute(upsert(ENDED_MOUNTS, row, index_elements=keys, set_=sorted(set(row) - set(keys))))

    def ended_pack(self, org: str, vault_id: str) -> EndedPack | None:
        """Return the pack that was deleted under this name, or None."""
        table = ENDED_PACKS.c
        row = self.conn.execute(_PACKS.where(table.org == org, table.vault_id == vault_id)).one_or_none()
        return None if row is None else EndedPack(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own name

    def ended_mounts(self, org: str, vault_uid: str) -> list[EndedMount]:
        """Return the mounts of a vault whose packs were deleted, by id."""
        found = []
        for uid, mount_id, pack_id, create_us, creator in _ENDED_MOUNTS_OF.rows(self.conn, {"uid": vault_uid}):
            pack = self.ended_pack(org, pack_id)
            if pack is not None:
                found.append(EndedMount(uid, mount_id, pack, create_us, creator))
        return found

    def delete_ended_mount(self, vault_uid: str, mount_id: str) -> bool:
        """Remove such a mount; return whether it was there."""
        table = ENDED_MOUNTS.c
        query = delete(ENDED_MOUNTS).where(table.vault_uid == vault_uid, table.mount_id == mount_id)
        return self.conn.execute(query).rowcount > 0

    def clear_ended_pack(self, org: str, vault_id: str) -> None:
        """A vault of that name is there again: what was mounted before is not known any more."""
        vaults = select(VAULTS.c.uid).where(VAULTS.c.org == org)
        table = ENDED_MOUNTS.c
        self.conn.execute(delete(ENDED_MOUNTS).where(table.pack_id == vault_id, table.vault_uid.in_(vaults)))
        self.conn.execute(delete(ENDED_PACKS).where(ENDED_PACKS.c.org == org, ENDED_PACKS.c.vault_id == vault_id))
