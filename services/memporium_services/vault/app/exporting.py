"""Exports cubes with units and vectors, as one stream."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

from memporium.vault.v1.cubes_pb2 import PortableCube, Vector
from memporium_services.vault.app import codec
from memporium_services.vault.app.licensing import EXPORT_BUNDLE, asked_for, reserve
from memporium_services.vault.app.reading import assemble, demand_readable, find_cubes, reader_of
from memporium_services.vault.app.runtime import bind, cube_ids_in
from memporium_services.vault.app.vaults import vault_of
from memporium_services.vault.domain.use_kinds import EXPORTED, exported_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.vault_pb2 import Vault
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.uses import UseRecorder
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import GrantedUse

_PAGE = 200
_MESSAGE_BYTES = 1 << 20
# Of one cube with its vectors; beyond, the vectors stay behind, for messages have an end.
_MAX_CUBE_BYTES = 3 << 20


class Onward(NamedTuple):
    """How cubes are passed on: under which terms, by their digest, and by which listing."""

    terms_sha256: str = ""
    listing: str = ""


NOWHERE = Onward()


@dataclass(frozen=True, slots=True)
class ExportStart:
    """First word of an export."""

    vault: Vault
    cubes: int
    revision: int
    uses: list[GrantedUse]


@dataclass(slots=True)
class _Chosen:
    """What an export gives out."""

    ids: list[str] = field(default_factory=list)
    licensed: list[Cube] = field(default_factory=list)
    licensed_rows: list[CubeRow] = field(default_factory=list)


class Exporting:
    """Cubes on their way out."""

    def __init__(self, rt: Runtime, uses: UseRecorder) -> None:
        """Work on these ports; count in `uses` what leaves."""
        self._rt = rt
        self._uses = uses

    async def export(
        self,
        call: Call,
        parent: str,
        cube_names: Sequence[str],
        selection: Selection,
        *,
        action: int,
        vectors: bool,
        onward: Onward = NOWHERE,
    ) -> AsyncIterator[ExportStart | list[PortableCube]]:
        """Yield the start, then cubes in pieces of 1 MiB or so.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, LICENCE_*.
        """
        rt = self._rt
        vault = await rt.vault(parent, field="parent")
        cipher = await rt.cipher(vault)
        chosen = await self._choose(call, vault, cipher, cube_names, selection)
        asked = [
            one._replace(onward_terms=onward.terms_sha256, onward_listing=onward.listing)
            for one in asked_for(
                chosen.licensed, action or EXPORT_BUNDLE, rows=chosen.licensed_rows, always=vault.agreement
            )
        ]
        lease = await reserve(rt, call, asked)
        try:
            yield ExportStart(vault_of(vault), len(chosen.ids), vault.revision, lease.uses)
            piece: list[PortableCube] = []
            size = 0
            for start in range(0, len(chosen.ids), _PAGE):
                ids = chosen.ids[start : start + _PAGE]
                self._uses.note(vault.uid, ids, EXPORTED)
                if onward.listing:
                    self._uses.note(vault.uid, ids, exported_for(onward.listing))
                for portable in await self._portable(vault, cipher, ids, vectors=vectors):
                    length = portable.ByteSize()
                    if piece and size + length > _MESSAGE_BYTES:
                        yield piece
                        piece, size = [], 0
                    piece.append(portable)
                    size += length
            if piece:
                yield piece
        except BaseException:
            # What was begun was used: the provider's count must not depend on who hangs up.
            await lease.commit()
            raise
        await lease.commit()

    async def _choose(
        self, call: Call, vault: VaultRow, cipher: VaultCipher, cube_names: Sequence[str], selection: Selection
    ) -> _Chosen:
        """Return the ids to export, and the licensed cubes among them."""
        rt = self._rt
        chosen = _Chosen()
        now_us = rt.now_us()

        def take(rows: Sequence[CubeRow]) -> None:
            for row in rows:
                demand_readable(vault, row, now_us)
                chosen.ids.append(row.cube_id)
                if row.licensed:
                    chosen.licensed.append(codec.cube_of(vault, row, cipher))
                    chosen.licensed_rows.append(row)

        if cube_names:
            ids = cube_ids_in(vault, list(cube_names))
            take(await rt.db.read(lambda conn: find_cubes(rt.store(conn), call, vault, ids)))
            return chosen
        asked = replace(selection, reader=reader_of(call), now_us=now_us)
        after: tuple[object, str] | None = None
        while True:
            rows = await rt.db.read(
                bind(
                    rt,
                    methodcaller("select", vault.uid, asked, order="name", after=after, limit=_PAGE),
                    cipher.token,
                )
            )
            take(rows)
            if len(rows) < _PAGE:
                return chosen
            after = (rows[-1].cube_id, rows[-1].cube_id)

    async def _portable(
        self, vault: VaultRow, cipher: VaultCipher, ids: Sequence[str], *, vectors: bool
    ) -> list[PortableCube]:
        rt = self._rt
        rows, units = await rt.db.read(
            lambda conn: (rt.store(conn).cubes(vault.uid, ids), rt.store(conn).units_of(vault.uid, ids))
        )
        present = [rows[cube_id] for cube_id in ids if cube_id in rows]
        cubes = await assemble(rt, vault, present, cipher, full=True)
        found = {row.cube_id: PortableCube(cube=cube) for row, cube in zip(present, cubes, strict=True)}
        for unit in units:
            portable = found.get(unit.cube_id)
            if portable is None:
                continue
            stored = codec.open_unit(unit, cipher)
            portable.units.append(stored.unit)
            if vectors and stored.vector is not None:
                portable.unit_vectors.append(Vector(values=stored.vector.tolist()))
        for portable in found.values():
            if portable.ByteSize() > _MAX_CUBE_BYTES:
                portable.ClearField("unit_vectors")
        return list(found.values())
