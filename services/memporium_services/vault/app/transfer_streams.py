"""Exports cubes with units and vectors, and takes such cubes in as one.

An import stays hidden until its last transaction, which makes all of it visible, removes what a new release no longer
has, and bumps the revision once. One that breaks off leaves nothing but hidden rows, removed at once or, after a crash,
by the sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import methodcaller
from typing import TYPE_CHECKING

import orjson

from memporium.vault.v1.cubes_pb2 import PortableCube, Vector
from memporium_platform import audit, idempotency, names
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.drafting import Origin, Wanted, draft_cubes, matrix
from memporium_services.vault.app.importing import Import, drop_hidden, publish, stage
from memporium_services.vault.app.licensing import EXPORT_BUNDLE, asked_for, reserve
from memporium_services.vault.app.reading import assemble, demand_readable, find_cubes, reader_of
from memporium_services.vault.app.runtime import bind, cube_ids_in
from memporium_services.vault.app.vaults import vault_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.vault_pb2 import Vault
    from memporium.vault.v1.vault_service_pb2 import ImportCubesHeader
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.follower import IndexFollower, Waiting
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, Removed, VaultRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import GrantedUse

_PAGE = 200
_MESSAGE_BYTES = 1 << 20
# Of one cube with its vectors; beyond, the vectors stay behind, for messages have an end.
_MAX_CUBE_BYTES = 3 << 20


@dataclass(frozen=True, slots=True)
class ExportStart:
    """First word of an export."""

    vault: Vault
    cubes: int
    revision: int
    uses: list[GrantedUse]


@dataclass(slots=True)
class Imported:
    """What an import did."""

    imported: int = 0
    deduplicated: int = 0
    removed: int = 0
    embedded: int = 0
    revision: int = 0


@dataclass(slots=True)
class _Chosen:
    """What an export gives out."""

    ids: list[str] = field(default_factory=list)
    licensed: list[Cube] = field(default_factory=list)


class TransferStreams:
    """Cubes on their way out and in."""

    def __init__(self, rt: Runtime, follower: IndexFollower, forgetting: Forgetting) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower
        self._forgetting = forgetting

    async def export(
        self, call: Call, parent: str, cube_names: Sequence[str], selection: Selection, *, action: int, vectors: bool
    ) -> AsyncIterator[ExportStart | list[PortableCube]]:
        """Yield the start, then cubes in pieces of 1 MiB or so.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, LICENCE_*.
        """
        rt = self._rt
        vault = await rt.vault(parent, field="parent")
        cipher = await rt.cipher(vault)
        chosen = await self._choose(call, vault, cipher, cube_names, selection)
        asked = asked_for(chosen.licensed, action or EXPORT_BUNDLE, always=vault.agreement)
        lease = await reserve(rt, call, asked)
        try:
            yield ExportStart(vault_of(vault), len(chosen.ids), vault.revision, lease.uses)
            piece: list[PortableCube] = []
            size = 0
            for start in range(0, len(chosen.ids), _PAGE):
                for portable in await self._portable(vault, cipher, chosen.ids[start : start + _PAGE], vectors=vectors):
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

    async def take_in(
        self, call: Call, header: ImportCubesHeader, batches: AsyncIterator[Sequence[PortableCube]]
    ) -> Imported:
        """Take cubes in, all or none.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, BLOB_MISSING, QUOTA_EXCEEDED, MODEL_MISMATCH.
        """
        rt = self._rt
        vault = await rt.vault(header.parent, field="header.parent")
        cipher = await rt.cipher(vault)
        work = Import(import_id=rt.new_id(), replaces=header.replace)
        counts = Imported()
        try:
            async for cubes in batches:
                drafts = await self._draft(call, vault, cipher, header, cubes, work, counts)
                vault, work = await self._stage(vault, cipher, drafts, work)
            removed, waiting = await self._publish(call, vault, work, counts)
        except BaseException:
            await self._drop(vault, work)
            raise
        if removed is not None:
            left = replace(removed, object_keys=removed.object_keys + work.objects)
            await self._forgetting.clean(vault, left)
        if waiting is not None:
            self._follower.offer(vault.uid, counts.revision, waiting)
            await self._follower.follow(vault, counts.revision)
        return counts

    async def _stage(
        self, vault: VaultRow, cipher: VaultCipher, drafts: Sequence[Draft], work: Import
    ) -> tuple[VaultRow, Import]:
        rt = self._rt
        return await rt.db.write(lambda conn: stage(rt, rt.store(conn), vault, cipher, drafts, work))

    async def _publish(
        self,
        call: Call,
        vault: VaultRow,
        work: Import,
        counts: Imported,
    ) -> tuple[Removed | None, Waiting | None]:
        rt = self._rt
        now_us = rt.now_us()

        def run(conn: Connection) -> tuple[Removed | None, Waiting | None, str]:
            done = publish(rt.store(conn), vault, work, now_us=now_us)
            details = {"cubes": str(done.cubes), "removed": str(done.gone)}
            audit.record_in(conn, call, resource=vault.name, details=details)
            kept = {
                "imported": done.cubes,
                "deduplicated": work.deduplicated,
                "removed": done.gone,
                "embedded": counts.embedded,
                "revision": done.revision,
            }
            return done.removed, done.waiting, orjson.dumps(kept).decode()

        def recall(_conn: Connection, kept: str) -> tuple[Removed | None, Waiting | None, str]:
            return None, None, kept

        removed, waiting, kept = await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda done: done[2], recall=recall
            )
        )
        for name, value in orjson.loads(kept).items():
            setattr(counts, name, value)
        if removed is None:
            await self._drop(vault, work)
        return removed, waiting

    async def _draft(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        header: ImportCubesHeader,
        cubes: Sequence[PortableCube],
        work: Import,
        counts: Imported,
    ) -> list[Draft]:
        rt = self._rt
        same_model = header.embedding_model == vault.embedding_model
        wanted: list[Wanted] = []
        free = await self._free_ids(vault, cubes, work)
        for place, portable in enumerate(cubes):
            cube, place_name = portable.cube, f"batch.cubes[{place}].cube"
            content.check_cube(cube, rt.settings, field=place_name)
            if header.HasField("licence") and all(
                one.agreement != header.licence.agreement for one in cube.governance.licences
            ):
                cube.governance.licences.append(header.licence)
            units = len(content.units_of(cube))
            vectors = None
            if same_model and len(portable.unit_vectors) == units:
                vectors = matrix(
                    portable.unit_vectors, count=units, dimensions=vault.dimensions, field=f"{place_name}.unit_vectors"
                )
            counts.embedded += 0 if vectors is not None else units
            cube_id = free.pop(place, "")
            wanted.append(_wanted(cube_id, cube, vectors, place_name, restore=header.restore))
        origin = Origin(
            call.principal.name, rt.now_us(), change="import", reason=header.reason, import_id=work.import_id
        )
        return await draft_cubes(rt, vault, cipher, wanted, origin)

    async def _free_ids(self, vault: VaultRow, cubes: Sequence[PortableCube], work: Import) -> dict[int, str]:
        """Return, by place, the ids that cubes may keep; where a release is replaced, those of the old one too."""
        asked: dict[str, int] = {}
        for place, portable in enumerate(cubes):
            found = names.CUBE.match(portable.cube.name)
            if found and found["cube"] not in work.ids:
                asked.setdefault(found["cube"], place)
        taken: dict[str, CubeRow] = {}
        if not work.replaces:
            taken = await self._rt.db.read(lambda conn: self._rt.store(conn).cubes(vault.uid, list(asked)))
        work.ids.update(asked)
        return {place: cube_id for cube_id, place in asked.items() if cube_id not in taken}

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

    async def _drop(self, vault: VaultRow, work: Import) -> None:
        """Remove what an import has staged."""
        staged = sorted(work.staged)
        if staged:
            rt = self._rt
            await rt.db.write(lambda conn: drop_hidden(rt.store(conn), vault.uid, staged, work.import_id))


def _wanted(cube_id: str, cube: Cube, vectors: NDArray[np.float32] | None, field: str, *, restore: bool) -> Wanted:
    """Return what is to be made of an incoming cube; a restore keeps owner, time and state."""
    if not restore:
        return Wanted(cube_id, cube, vectors, field)
    governed = cube.governance
    return Wanted(
        cube_id,
        cube,
        vectors,
        field,
        owner=governed.owner,
        create_us=content.moment_us(cube.descriptive.create_time),
        state=governed.state,
        frozen=governed.frozen,
    )
