"""Reads cubes: who may see them, under which licence, and where their payload lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.call import PrincipalKind
from memporium_platform.errors import PlatformError, Reason, denied
from memporium_services.vault.app import codec
from memporium_services.vault.domain.lifecycle import Condition, State, Trigger, step
from memporium_services.vault.domain.selection import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, PayloadRow, VaultRow
    from memporium_services.vault.ports import Store

_MAX_ARCHIVED_BYTES = 64 << 20


def reader_of(call: Call) -> str:
    """Return whose private cubes the call may see; "" (all): the platform's own housekeeping."""
    return "" if call.principal.kind is PrincipalKind.SERVICE else call.principal.name


def refuse_private(call: Call, vault: VaultRow, row: CubeRow) -> None:
    """Refuse other people's private cubes, in the words that absent ones get.

    Raises:
        PlatformError: PERMISSION_DENIED.
    """
    reader = reader_of(call)
    if row.scope == PRIVATE and reader and row.owner != reader:
        raise denied(call.action, f"{vault.name}/cubes/{row.cube_id}")


def condition_of(row: CubeRow, now_us: int) -> Condition:
    """Return where a cube stands; one whose life is over is EXPIRED, whether or not the sweep has been there."""
    over = row.expire_us is not None and row.expire_us <= now_us and not row.frozen
    return Condition(State.EXPIRED if over else State(row.state), row.frozen, row.legal_hold)


def find_cubes(store: Store, call: Call, vault: VaultRow, cube_ids: Sequence[str]) -> list[CubeRow]:
    """Return the rows of cubes, in order.

    Raises:
        PlatformError: NOT_FOUND or PERMISSION_DENIED, for the first that is absent or not to be seen.
    """
    found = store.cubes(vault.uid, cube_ids)
    rows = []
    for cube_id in cube_ids:
        row = found.get(cube_id)
        if row is None:
            name = f"{vault.name}/cubes/{cube_id}"
            raise PlatformError(Reason.NOT_FOUND, f"{name} does not exist", metadata={"resource": name})
        refuse_private(call, vault, row)
        rows.append(row)
    return rows


def demand_readable(vault: VaultRow, row: CubeRow, now_us: int) -> None:
    """Refuse payloads of expired cubes.

    Raises:
        PlatformError: ILLEGAL_TRANSITION.
    """
    step(condition_of(row, now_us), Trigger.USE, resource=f"{vault.name}/cubes/{row.cube_id}")


async def load_payloads(rt: Runtime, vault: VaultRow, rows: Sequence[CubeRow], cipher: VaultCipher) -> dict[str, bytes]:
    """Return the stored bytes of the cubes' payloads by cube id, from the database or the archive tier."""
    keys = [(row.cube_id, row.payload_version) for row in rows]
    stored = await rt.db.read(lambda conn: rt.store(conn).payloads(vault.uid, keys))
    uids = {row.cube_id: row.uid for row in rows}
    return {cube_id: await open_payload(rt, payload, uids[cube_id], cipher) for (cube_id, _), payload in stored.items()}


async def open_payload(rt: Runtime, payload: PayloadRow, uid: str, cipher: VaultCipher) -> bytes:
    """Return the stored bytes of one payload."""
    body = payload.body_sealed
    if payload.object_key:
        body = await rt.objects.get_bytes(payload.object_key, limit_bytes=_MAX_ARCHIVED_BYTES)
    return cipher.open(body, "payload", uid, payload.payload_version)


async def assemble(
    rt: Runtime, vault: VaultRow, rows: Sequence[CubeRow], cipher: VaultCipher, *, full: bool
) -> list[Cube]:
    """Return the cubes of rows, with their payloads where `full`."""
    payloads = await load_payloads(rt, vault, rows, cipher) if full and rows else {}
    return [codec.cube_of(vault, row, cipher, payload=payloads.get(row.cube_id)) for row in rows]
