"""Versions of a cube: listed, and compared field by field."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from google.protobuf.json_format import MessageToDict

from memporium.vault.v1.cubes_pb2 import CubeVersion, FieldChange
from memporium_platform.errors import invalid, not_found
from memporium_platform.paging import page_size
from memporium_services.vault.app import codec
from memporium_services.vault.app.licensing import READ, asked_for, refuse_dead, reserve
from memporium_services.vault.app.reading import demand_readable, find_cubes, open_payload
from memporium_services.vault.app.runtime import vault_name_of
from memporium_services.vault.domain.diffs import differences

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow, VersionRow
    from memporium_services.vault.ports import GrantedUse


_COMPARED: tuple[Literal["descriptive", "governance", "payload"], ...] = ("descriptive", "governance", "payload")


class History:
    """What cubes were."""

    def __init__(self, rt: Runtime) -> None:
        """Work on these ports."""
        self._rt = rt

    async def versions(self, call: Call, name: str, *, size: int, token: str) -> tuple[list[CubeVersion], str]:
        """Return one page of versions, newest first, and the next page's token.

        Raises:
            PlatformError: INVALID_FIELD, INVALID_PAGE_TOKEN, NOT_FOUND, PERMISSION_DENIED.
        """
        rt = self._rt
        limit = page_size(size)
        vault, row, cipher = await self._find(call, name)
        scope = f"{call.method} {name}"
        below = rt.page_tokens.open(scope, token).get("below", 0)
        rows = await rt.db.read(
            lambda conn: rt.store(conn).versions(vault.uid, row.cube_id, below=below, limit=limit + 1)
        )
        page = [_version_of(name, vault, row, cipher, one) for one in rows[:limit]]
        return page, rt.page_tokens.seal(scope, {"below": rows[limit - 1].version}) if len(rows) > limit else ""

    async def diff(
        self, call: Call, name: str, before: int, after: int
    ) -> tuple[list[FieldChange], int, int, list[GrantedUse]]:
        """Compare two versions; 0 is the newest as `after`, and the one before it as `before`.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, LICENCE_*.
        """
        rt = self._rt
        vault, row, cipher = await self._find(call, name)
        after = after or row.version
        before = before or after - 1
        if before < 1 or after < 1:
            raise invalid("from_version", "there is no version before the first")
        demand_readable(vault, row, rt.now_us())
        old, new = [await self._at(vault, row, cipher, number) for number in (before, after)]
        lease = await reserve(rt, call, asked_for([old, new], READ, always=vault.agreement))
        await lease.commit()
        found = differences(_plain(old), _plain(new))
        changes = [FieldChange(path=one.path, before=one.before, after=one.after) for one in found]
        return changes, before, after, lease.uses

    async def _find(self, call: Call, name: str) -> tuple[VaultRow, CubeRow, VaultCipher]:
        rt = self._rt
        vault_name, cube_id = vault_name_of(name)
        vault = await rt.vault(vault_name)
        if vault.agreement:
            refuse_dead(rt, vault.agreement)
        [row] = await rt.db.read(lambda conn: find_cubes(rt.store(conn), call, vault, [cube_id]))
        return vault, row, await rt.cipher(vault)

    async def _at(self, vault: VaultRow, row: CubeRow, cipher: VaultCipher, version: int) -> Cube:
        rt = self._rt

        def load(conn: Connection) -> Any:
            store = rt.store(conn)
            stamp = store.version(vault.uid, row.cube_id, version)
            if stamp is None:
                return None
            key = (row.cube_id, stamp.payload_version)
            return stamp, store.payloads(vault.uid, [key]).get(key)

        found = await rt.db.read(load)
        if found is None or found[1] is None:
            raise not_found(f"{vault.name}/cubes/{row.cube_id} version {version}")
        stamp, payload = found
        body = await open_payload(rt, payload, row.uid, cipher)
        return codec.cube_of(vault, replace(row, version=version, meta_sealed=stamp.meta_sealed), cipher, payload=body)


def _version_of(name: str, vault: VaultRow, row: CubeRow, cipher: VaultCipher, one: VersionRow) -> CubeVersion:
    cube = codec.cube_of(vault, replace(row, version=one.version, meta_sealed=one.meta_sealed), cipher)
    note = cipher.open(one.note_sealed, "note", row.uid, one.version).decode() if one.note_sealed else ""
    version = CubeVersion(
        cube=name,
        version=one.version,
        parent=one.parent,
        content_digest=cube.content_digest,
        author=one.author,
        reason=note,
        change=one.change,
        revision=one.revision,
    )
    codec.set_time(version.create_time, one.create_us)
    return version


def _plain(cube: Cube) -> dict[str, Any]:
    """Return what versions are compared by: content and settings, not times and counters."""
    full = MessageToDict(cube, preserving_proto_field_name=True)
    told: dict[str, Any] = {key: full[key] for key in ("descriptive", "governance", "payload") if key in full}
    for part, fields in (
        ("descriptive", ("create_time", "update_time")),
        ("governance", ("state", "frozen", "owner", "expire_time", "purge_time")),
    ):
        for field in fields:
            told.get(part, {}).pop(field, None)
    return told
