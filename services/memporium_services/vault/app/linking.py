"""Looks through vaults from before links between vaults were kept, once: then forgetting finds what leads to others."""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING

from memporium.cube.v1.cube_pb2 import Payload
from memporium_services.vault.app import codec
from memporium_services.vault.app.made import TENSORS, links_of
from memporium_services.vault.app.reading import open_payload
from memporium_services.vault.app.runtime import bind
from memporium_services.vault.app.subjects import ALL_STATES
from memporium_services.vault.domain.selection import Selection

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.links import LinkRow
    from memporium_services.vault.domain.rows import CubeRow, VaultRow

_PAGE = 500
_ALL = Selection(states=ALL_STATES)


async def link_old(rt: Runtime, org: str) -> None:
    """Look through the vaults of an organisation that were not, a page a transaction: cut off, it is gone on with."""
    while behind := await rt.db.read_few(lambda conn: rt.store(conn).unlinked(org)):
        for uid, after in behind:
            await _page(rt, uid, after)


async def _page(rt: Runtime, uid: str, after: str) -> None:
    vault = await rt.db.read(lambda conn: rt.store(conn).vault_by_uid(uid))
    if vault is None:
        return
    cipher = await rt.cipher(vault)
    select = methodcaller("select", uid, _ALL, order="name", after=(after, after) if after else None, limit=_PAGE)
    rows: list[CubeRow] = await rt.db.read(bind(rt, select, cipher.token))
    links = [link for row in rows for link in await _links(rt, vault, row, cipher)]
    end = rows[-1].cube_id if len(rows) == _PAGE else None

    def write(conn: Connection) -> None:
        store = rt.store(conn)
        if store.go_on_linking(uid, at=after, after_id=end) and links:
            there = store.cubes(uid, sorted({link.cube_id for link in links}))
            store.link(vault.org, [link for link in links if link.cube_id in there])

    await rt.db.write(write)


async def _links(rt: Runtime, vault: VaultRow, row: CubeRow, cipher: VaultCipher) -> list[LinkRow]:
    cube = codec.cube_of(vault, row, cipher)
    if row.form in TENSORS:
        key = (row.cube_id, row.payload_version)
        stored = (await rt.db.read(lambda conn: rt.store(conn).payloads(vault.uid, [key]))).get(key)
        if stored is not None:
            cube.payload.CopyFrom(Payload.FromString(await open_payload(rt, stored, row.uid, cipher)))
    return links_of(vault, row.cube_id, cube)
