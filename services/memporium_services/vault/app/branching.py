"""Branches for what-if: a vault that begins with copies of what another held, and goes its own way.

The other vault is only read: neither its versions nor its audit trail tell of the branch. A branch is a vault like any
other, under a key of its own: it is searched, changed and merged as such, and erasing it costs its own rows alone. Only
forgetting reaches from the one into the other.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1.vault_pb2 import Vault
from memporium.vault.v1.vault_service_pb2 import ImportCubesHeader
from memporium_platform.errors import invalid
from memporium_services.vault.app import codec
from memporium_services.vault.app.arriving import Copied
from memporium_services.vault.app.as_of import moment_of, rows_as_of
from memporium_services.vault.app.reading import load_payloads, reader_of
from memporium_services.vault.app.retention import settings_of
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.selection import PRIVATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from numpy.typing import NDArray

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.as_of import Moment
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.transfer_streams import TransferStreams
    from memporium_services.vault.app.vaults import Vaults
    from memporium_services.vault.domain.rows import CubeRow, UnitRow, VaultRow

_TENSORS = (cube_pb2.MEMORY_FORM_ACTIVATION, cube_pb2.MEMORY_FORM_PARAMETER)


class Branching:
    """Makes vaults, branches among them."""

    def __init__(self, rt: Runtime, vaults: Vaults, streams: TransferStreams, forgetting: Forgetting) -> None:
        """Work on these ports."""
        self._rt = rt
        self._vaults = vaults
        self._streams = streams
        self._forgetting = forgetting

    async def create(self, call: Call, parent: str, vault_id: str, vault: Vault, of: str, moment: Moment) -> Vault:
        """Make a vault; where `of` is given, a branch of that vault as it was at a moment.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, ALREADY_EXISTS, QUOTA_EXCEEDED.
        """
        rt = self._rt
        if not of:
            if moment.given:
                raise invalid("branch_of", "must be given with a revision or time")
            return await self._vaults.create(call, parent, vault_id, vault)
        # Before the vault is looked up: whoever may not read it must not learn that it is there.
        for action in ("vault.cubes.get", "vault.cubes.list"):
            rt.authz.require(call, action, of)
        source = await rt.vault(of, field="branch_of")
        moment = moment_of(source, moment, field="branch")
        if parent != f"orgs/{source.org}":
            raise invalid("branch_of", "must be a vault of the same organisation")
        if source.agreement:
            raise invalid("branch_of", "a licensed pack has no branches")
        wanted = Vault()
        wanted.CopyFrom(settings_of(source.settings))
        wanted.ClearField("display_name")
        wanted.ClearField("description")
        wanted.ClearField("read_only")
        wanted.MergeFrom(vault)
        wanted.kind, wanted.embedding_model = source.kind, source.embedding_model  # type: ignore[assignment]
        wanted.branch_of = source.name
        wanted.branch_revision = 0 if moment.time_us is not None else moment.revision or source.revision
        made = await self._vaults.create(call, parent, vault_id, wanted, branched=True)
        branch = await rt.vault(made.name)
        if branch.revision:
            return made  # A repeated request: it was filled then.
        header = ImportCubesHeader(
            parent=made.name, embedding_model=source.embedding_model, restore=True, reason=f"branch of {source.name}"
        )
        cubes = self._cubes(call, source, branch, moment)
        try:
            await self._streams.take_in(replace(call, request_id=""), header, cubes)
        except BaseException:
            await self._forgetting.drop_unfilled(branch)
            raise
        return await self._vaults.get(made.name)

    async def _cubes(
        self, call: Call, source: VaultRow, branch: VaultRow, moment: Moment
    ) -> AsyncIterator[list[Copied]]:
        rt, cipher = self._rt, await self._rt.cipher(source)
        # Not what is written while the branch is being made.
        fixed = moment if moment.given else replace(moment, revision=source.revision)
        async for page in rows_as_of(rt, call, source, fixed):
            kept = [pair for pair in page if pair[0].form not in _TENSORS and pair[0].state != State.EXPIRED]
            if not kept:
                continue
            rows = [then for then, _ in kept]
            payloads = await load_payloads(rt, source, rows, cipher)
            same = [then.cube_id for then, now in kept if _same_content(then, now, cipher)]
            units = await rt.db.read(lambda conn, same=same: rt.store(conn).units_of(source.uid, same))  # type: ignore[misc]
            made = await asyncio.to_thread(_copies, source, branch, rows, payloads, units, cipher, reader_of(call))
            if made:
                yield made


def _copies(
    source: VaultRow,
    branch: VaultRow,
    rows: Sequence[CubeRow],
    payloads: Mapping[str, bytes],
    units: Sequence[UnitRow],
    cipher: VaultCipher,
    reader: str,
) -> list[Copied]:
    """Return the cubes of rows as they were; units that are still the same bring their vectors along."""
    vectors = _vectors(units, cipher)
    found: list[Copied] = []
    for row in rows:
        stored = payloads.get(row.cube_id, b"")
        cube = codec.cube_of(source, row, cipher, payload=stored)
        if reader and cube.governance.access_scope == PRIVATE and row.owner != reader:
            continue
        _set_free(cube, source, branch)
        found.append(Copied(cube, stored, vectors.get(row.cube_id)))
    return found


def _set_free(cube: Cube, source: VaultRow, branch: VaultRow) -> None:
    """Make a copy to try things with: the originals are frozen or held; copies go when the branch goes."""
    cube.governance.frozen = cube.governance.legal_hold = False
    parents = cube.behavioural.lineage.parents
    if parents:
        prefix = f"{source.name}/cubes/"
        parents[:] = [
            f"{branch.name}{name.removeprefix(source.name)}" if name.startswith(prefix) else name for name in parents
        ]


def _vectors(units: Sequence[UnitRow], cipher: VaultCipher) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of cubes all of whose units have one, in the units' order."""
    found: dict[str, list[NDArray[np.float32] | None]] = {}
    for unit in units:
        found.setdefault(unit.cube_id, []).append(codec.vector_in(unit, cipher))
    whole = {cube_id: [one for one in its if one is not None] for cube_id, its in found.items()}
    return {cube_id: np.stack(its) for cube_id, its in whole.items() if len(its) == len(found[cube_id])}


def _same_content(then: CubeRow, now: CubeRow, cipher: VaultCipher) -> bool:
    """Return whether the units of now are those of then: neither payload nor what is told beside it has changed."""
    if then.payload_version != now.payload_version:
        return False
    return then.version == now.version or (
        cipher.open(then.meta_sealed, "meta", then.uid, then.version)
        == cipher.open(now.meta_sealed, "meta", now.uid, now.version)
    )
