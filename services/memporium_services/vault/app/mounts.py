"""Mounts: another vault of the organisation made searchable from this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.vault.v1.vault_pb2 import Mount
from memporium_platform import audit, idempotency, names
from memporium_platform.errors import already_exists, invalid, not_found
from memporium_platform.paging import page_size
from memporium_services.vault.app import codec
from memporium_services.vault.app.retention import settings_of
from memporium_services.vault.app.runtime import ended_error
from memporium_services.vault.domain.rows import MountRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import EndedMount, VaultRow

MAX_MOUNTS = 64


class Mounts:
    """Mounts of all vaults."""

    def __init__(self, rt: Runtime) -> None:
        """Work on these ports."""
        self._rt = rt

    async def create(self, call: Call, parent: str, mount_id: str, target: str) -> Mount:
        """Mount a vault.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, ALREADY_EXISTS.
        """
        rt = self._rt
        ids = names.VAULT.parse(target, "mount.vault")
        vault = await rt.vault(parent, field="parent")
        if ids["org"] != vault.org:
            raise invalid("mount.vault", "must be of the same organisation")
        rt.authz.require(call, "vault.cubes.search", target)
        mounted = await rt.vault(target, field="mount.vault")
        if mounted.uid == vault.uid:
            raise invalid("mount.vault", "must be another vault")
        names.check_id(mount_id or mounted.vault_id, "mount_id")
        row = MountRow(vault.uid, mount_id or mounted.vault_id, mounted.uid, rt.now_us(), call.principal.name)

        def run(conn: Connection) -> MountRow:
            store = rt.store(conn)
            present = store.mounts(vault.uid)
            if any(one.mount_id == row.mount_id for one in present):
                raise already_exists(f"{vault.name}/mounts/{row.mount_id}")
            if any(one.target_uid == mounted.uid for one in present):
                raise already_exists(f"a mount of {target} in {vault.name}")
            if len(present) >= MAX_MOUNTS:
                raise invalid("mount", f"at most {MAX_MOUNTS} mounts a vault")
            store.delete_ended_mount(vault.uid, row.mount_id)
            store.insert_mount(row)
            audit.record_in(conn, call, resource=vault.name, details={"mount": row.mount_id, "vault": target})
            return row

        def recall(conn: Connection, kept_id: str) -> MountRow:
            return next((one for one in rt.store(conn).mounts(vault.uid) if one.mount_id == kept_id), row)

        made = await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda one: one.mount_id, recall=recall
            )
        )
        return mount_of(vault, mounted, made)

    async def list(self, call: Call, parent: str, *, size: int, token: str) -> tuple[list[Mount], str]:
        """Return one page of a vault's mounts, and the next page's token.

        Raises:
            PlatformError: INVALID_FIELD, INVALID_PAGE_TOKEN, NOT_FOUND.
        """
        rt = self._rt
        limit = page_size(size)
        vault = await rt.vault(parent, field="parent")
        scope = f"{call.method} {parent}"
        after = rt.page_tokens.open(scope, token).get("after", "")

        def load(conn: Connection) -> list[tuple[str, Mount]]:
            store = rt.store(conn)
            found = [(one, store.vault_by_uid(one.target_uid)) for one in store.mounts(vault.uid)]
            live = {one.mount_id: mount_of(vault, target, one) for one, target in found if target is not None}
            ended = {one.mount_id: ended_mount_of(vault, one) for one in store.ended_mounts(vault.org, vault.uid)}
            return sorted((ended | live).items())

        found = [(mount_id, mount) for mount_id, mount in await rt.db.read(load) if mount_id > after]
        page = [mount for _, mount in found[:limit]]
        more = len(found) > limit
        return page, rt.page_tokens.seal(scope, {"after": found[limit - 1][0]}) if more else ""

    async def delete(self, call: Call, name: str) -> None:
        """End a mount.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        rt = self._rt
        ids = names.MOUNT.parse(name)
        vault = await rt.vault(names.VAULT.format(org=ids["org"], vault=ids["vault"]))

        def run(conn: Connection) -> None:
            store = rt.store(conn)
            if not (store.delete_mount(vault.uid, ids["mount"]) or store.delete_ended_mount(vault.uid, ids["mount"])):
                raise not_found(name)
            audit.record_in(conn, call, resource=name)

        await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda _: "", recall=lambda _conn, _kept: None
            )
        )


def mount_of(vault: VaultRow, mounted: VaultRow, row: MountRow) -> Mount:
    """Return the message of a mount."""
    mount = Mount(name=f"{vault.name}/mounts/{row.mount_id}", vault=mounted.name, creator=row.creator)
    codec.set_time(mount.create_time, row.create_us)
    if mounted.agreement:
        mount.licence.CopyFrom(settings_of(mounted.settings).licence)
    return mount


def ended_mount_of(vault: VaultRow, row: EndedMount) -> Mount:
    """Return the message of a mount whose pack was deleted at the end of its agreement."""
    mount = Mount(
        name=f"{vault.name}/mounts/{row.mount_id}",
        vault=row.pack.name,
        creator=row.creator,
        ended=ended_error(row.pack).message,
    )
    mount.licence.agreement = row.pack.agreement
    codec.set_time(mount.create_time, row.create_us)
    return mount
