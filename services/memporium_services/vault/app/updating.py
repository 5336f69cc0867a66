"""Updates and rollbacks: new content for a cube, from a caller or an older version."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium.cube.v1.cube_pb2 import Cube
from memporium_platform.errors import invalid, not_found
from memporium_services.vault.app import codec, content, masks
from memporium_services.vault.app.changing import Edit
from memporium_services.vault.app.drafting import matrix
from memporium_services.vault.app.made import is_made
from memporium_services.vault.app.parentage import add_licences, carry_licences
from memporium_services.vault.app.reading import find_cubes, open_payload
from memporium_services.vault.app.runtime import vault_name_of
from memporium_services.vault.app.writing import note_licences
from memporium_services.vault.domain.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from google.protobuf.field_mask_pb2 import FieldMask
    from numpy.typing import NDArray

    from memporium.cube.v1.cube_pb2 import LicenceReference
    from memporium.vault.v1.cubes_pb2 import Vector
    from memporium_platform.call import Call
    from memporium_services.vault.app.changing import Changer
    from memporium_services.vault.app.licensing import Lease
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow

SETTABLE = (
    "descriptive.event_time",
    "descriptive.origin",
    "descriptive.source",
    "descriptive.semantic_type",
    "descriptive.language",
    "descriptive.tags",
    "descriptive.entities",
    "descriptive.title",
    "descriptive.persona",
    "governance.access_scope",
    "governance.sensitivity_labels",
    "governance.lifespan",
    "governance.priority",
    "governance.legal_hold",
    "governance.watermark",
    "payload",
)
# What services that derive cubes keep true; a caller could otherwise take a cube out of the reach of forgetting.
_LINEAGE = "behavioural.lineage"
_BY_SERVICES = (_LINEAGE,)


class Updating:
    """Changes what cubes hold."""

    def __init__(self, rt: Runtime, changer: Changer) -> None:
        """Work on these ports."""
        self._rt = rt
        self._changer = changer

    async def update(
        self, call: Call, cube: Cube, mask: FieldMask | None, vectors: Sequence[Vector], reason: str
    ) -> tuple[Cube, int]:
        """Change fields of a cube.

        Raises:
            PlatformError: INVALID_FIELD and what `Changer.change` raises.
        """
        vault = await self._rt.vault(vault_name_of(cube.name)[0])
        lease, licences = await self.lease(call, vault, cube, mask)
        try:
            edit = self.edit(call, cube, mask, vectors, reason, licences=licences)
            changed = await self._changer.change(call, cube.name, edit)
        except BaseException:
            await lease.release()
            raise
        await lease.commit()
        return changed

    async def lease(
        self, call: Call, vault: VaultRow, cube: Cube, mask: FieldMask | None
    ) -> tuple[Lease, list[LicenceReference]]:
        """Reserve what a rewriting makes of licensed memory; return it, and the licences that the cube gets by it.

        New text for a licensed cube is made of that cube; new parents bring their own licences along.

        Raises:
            PlatformError: INVALID_FIELD, LICENCE_*.
        """
        paths = masks.paths_of(cube, mask, self._settable(call))
        made = Cube()
        if any(path.startswith(_LINEAGE) for path in paths):
            made.behavioural.lineage.CopyFrom(cube.behavioural.lineage)
        if any(path.startswith("payload") for path in paths):
            made.payload.CopyFrom(cube.payload)
            made.behavioural.lineage.parents.append(cube.name)
        lease = await carry_licences(self._rt, call, vault, [made])
        if made.governance.licences:
            # Before the cube itself is written: to look where nothing is costs little.
            await self._rt.db.write(lambda conn: note_licences(self._rt.store(conn), vault, [made]))
        return lease, list(made.governance.licences)

    @staticmethod
    def _settable(call: Call) -> tuple[str, ...]:
        return (*SETTABLE, *_BY_SERVICES) if call.principal.via else SETTABLE

    def edit(
        self,
        call: Call,
        cube: Cube,
        mask: FieldMask | None,
        vectors: Sequence[Vector],
        reason: str,
        *,
        licences: Sequence[LicenceReference] = (),
    ) -> Edit:
        """Return the edit that changes fields of a cube, and adds licences to it.

        Raises:
            PlatformError: INVALID_FIELD.
        """
        paths = masks.paths_of(cube, mask, self._settable(call))
        if not paths:
            raise invalid("update_mask", "names no field")

        def change(before: Cube) -> Cube:
            form, made = content.form_of(before.payload), is_made(before)
            masks.copy(cube, before, paths)
            if made and not call.principal.via and not is_made(before):
                raise invalid("cube.descriptive.origin", "must keep saying that it was made from other memories")
            if content.form_of(before.payload) != form:
                raise invalid("cube.payload", "must keep its form")
            add_licences(before, licences)
            return before

        def given(count: int, dimensions: int) -> NDArray[np.float32] | None:
            return matrix(vectors, count=count, dimensions=dimensions, field="unit_vectors")

        return Edit(Trigger.UPDATE, etag=cube.etag, reason=reason, change=change, vectors=given)

    async def rollback(self, call: Call, name: str, version: int, etag: str, reason: str) -> tuple[Cube, int]:
        """Make a new version with the content of an older one.

        Raises:
            PlatformError: NOT_FOUND and what `Changer.change` raises.
        """
        rt = self._rt
        vault_name, cube_id = vault_name_of(name)
        vault = await rt.vault(vault_name)
        cipher = await rt.cipher(vault)
        [row] = await rt.db.read(lambda conn: find_cubes(rt.store(conn), call, vault, [cube_id]))
        stamp = await rt.db.read(lambda conn: rt.store(conn).version(vault.uid, cube_id, version))
        if stamp is None:
            raise not_found(f"{name} version {version}")
        key = (cube_id, stamp.payload_version)
        stored = (await rt.db.read(lambda conn: rt.store(conn).payloads(vault.uid, [key])))[key]
        body = await open_payload(rt, stored, row.uid, cipher)
        then = replace(row, version=version, meta_sealed=stamp.meta_sealed)
        old = codec.cube_of(vault, then, cipher, payload=body)

        def change(before: Cube) -> Cube:
            origin = before.descriptive.origin if is_made(before) else None
            masks.copy(old, before, SETTABLE)
            if origin is not None:
                # Its other versions hold what was made from other memories, and go with those.
                before.descriptive.origin = origin
            return before

        return await self._changer.change(call, name, Edit(Trigger.ROLLBACK, etag=etag, reason=reason, change=change))
