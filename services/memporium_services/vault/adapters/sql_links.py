"""Lineage between vaults, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.vault.adapters.sql_vaults import in_chunks
from memporium_services.vault.adapters.tables import LINKS, UNLINKED
from memporium_services.vault.domain.links import LinkRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

_KEYS = ["vault_uid", "cube_id", "parent_vault", "parent_cube"]
_LINKED = (
    select(*(LINKS.c[name] for name in LinkRow._fields))
    .where(
        LINKS.c.org == bindparam("org"),
        LINKS.c.parent_vault == bindparam("parent_vault"),
        LINKS.c.parent_cube.in_(bindparam("parent_cubes", expanding=True)),
    )
    .order_by(LINKS.c.vault_uid, LINKS.c.cube_id, LINKS.c.parent_cube)
)


class SqlLinks:
    """`memporium_services.vault.ports.link_store.LinkStore`."""

    conn: Connection

    def link(self, org: str, rows: Iterable[LinkRow]) -> None:
        """Note of what cubes were made; what is noted already stays."""
        for row in rows:
            self.conn.execute(upsert(LINKS, row._asdict() | {"org": org}, index_elements=_KEYS))

    def linked(self, org: str, parent_vault: str, parent_cubes: Sequence[str]) -> list[LinkRow]:
        """Return what was made of cubes of a vault, in order; hidden cubes, too."""
        found: list[LinkRow] = []
        for some in in_chunks(parent_cubes):
            asked = {"org": org, "parent_vault": parent_vault, "parent_cubes": some}
            found += [LinkRow(*row) for row in self.conn.execute(_LINKED, asked)]
        return found

    def unlinked(self, org: str) -> list[tuple[str, str]]:
        """Return the vaults that were not looked through yet, by uid, each with the last cube looked at."""
        query = select(UNLINKED.c.vault_uid, UNLINKED.c.after_id).where(UNLINKED.c.org == org)
        return [(row[0], row[1]) for row in self.conn.execute(query.order_by(UNLINKED.c.vault_uid))]

    def go_on_linking(self, vault_uid: str, *, at: str, after_id: str | None) -> bool:
        """Note how far a vault was looked through, None: to its end; False: another call is further than `at`."""
        here = (UNLINKED.c.vault_uid == vault_uid, UNLINKED.c.after_id == at)
        if after_id is None:
            return self.conn.execute(delete(UNLINKED).where(*here)).rowcount == 1
        return self.conn.execute(update(UNLINKED).where(*here).values(after_id=after_id)).rowcount == 1
