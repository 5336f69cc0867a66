"""Exports of the log that can be verified offline: entries, the leaf hashes of the whole log, and its checkpoint."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from memporium.verify import export_format as form
from memporium_platform.names import ORG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.governance.app.audit_log import AuditLog
    from memporium_services.governance.domain.audit import Filter, Leaf
    from memporium_services.governance.ports import AuditStore

_PAGE = 500
_TILE = 256


class Exports:
    """Writes exports."""

    def __init__(self, store: AuditStore, log: AuditLog) -> None:
        """Keep the store, and who signs."""
        self._store = store
        self._log = log

    async def write(self, parent: str, query: Filter, *, csv: bool) -> AsyncIterator[bytes]:
        """Yield the file in parts of some 100 KiB, from one state of the log; bounded memory."""
        org = ORG.parse(parent, "parent")["org"]
        signed = self._log.signed(org, await self._store.tree(org))
        size = signed.state.size
        encode = form.csv_line if csv else form.json_line
        if csv:
            yield form.csv_header()
        yield encode(form.header(parent, size, complete=query.everything, verifier_key=signed.verifier_key))
        start = 0
        while start < size:
            leaves = await self._store.slice(org, query, start=start, end=size, limit=_PAGE)
            if not leaves:
                break
            yield b"".join(encode(_entry(leaf)) for leaf in leaves)
            start = leaves[-1].index + 1
        for tile in range(0, size, _TILE):
            hashes = await self._store.leaf_hashes(org, tile, min(tile + _TILE, size))
            yield encode(form.leaves(tile, base64.b64encode(hashes).decode()))
        yield encode(form.checkpoint(signed.note))


def _entry(leaf: Leaf) -> form.Row:
    return form.entry(leaf.index, record=leaf.record, salt=leaf.salt, leaf_hash=leaf.leaf_hash)
