"""Takes a stream of cubes in as one.

An import stays hidden until its last transaction, which makes all of it visible, removes what a new release no longer
has, and bumps the revision once. One that breaks off leaves nothing but hidden rows, removed at once or, after a crash,
by the sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from memporium_platform import audit, idempotency, names
from memporium_services.vault.app import content
from memporium_services.vault.app.drafting import Origin, Wanted, draft_cubes, matrix
from memporium_services.vault.app.importing import Import, drop_hidden, publish, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium.vault.v1.vault_service_pb2 import ImportCubesHeader
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.follower import IndexFollower, Waiting
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, Removed, VaultRow


@dataclass(slots=True)
class Imported:
    """What an import did."""

    imported: int = 0
    deduplicated: int = 0
    removed: int = 0
    embedded: int = 0
    revision: int = 0


class TransferStreams:
    """Cubes on their way in."""

    def __init__(self, rt: Runtime, follower: IndexFollower, forgetting: Forgetting) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower
        self._forgetting = forgetting

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
