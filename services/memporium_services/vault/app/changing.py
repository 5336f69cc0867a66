"""Changes one cube: a transition of its lifecycle, new content, or both; each makes a version.

The change is computed from what was read and written only if the cube is still at that version, else computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from memporium.cube.v1.cube_pb2 import Cube
from memporium_platform import audit, idempotency
from memporium_platform.errors import PlatformError, Reason, denied, etag_mismatch
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.columns import band_tokens, columns_of, same_token, unit_works, words_of
from memporium_services.vault.app.drafting import vectors_for
from memporium_services.vault.app.leavings import archive_key
from memporium_services.vault.app.made import links_of
from memporium_services.vault.app.plans import Plan, StaleError, apply_plan
from memporium_services.vault.app.reading import (
    condition_of,
    find_cubes,
    open_payload,
    reader_of,
)
from memporium_services.vault.app.retention import retention_of
from memporium_services.vault.app.runtime import refuse_read_only, vault_name_of
from memporium_services.vault.domain.lifecycle import State, Trigger, step
from memporium_services.vault.domain.lifespan import purge_us
from memporium_services.vault.domain.rows import PayloadRow, VersionRow
from memporium_services.vault.domain.simhash import simhash
from memporium_services.vault.domain.versions import VersionStamp, etag, follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import IndexFollower, Waiting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow

_TRIES = 8
_READ_ONLY_SCOPE = 3
HOT, ARCHIVE = 1, 2
# What the platform itself may do to cubes that nobody may change.
_BY_ITSELF = frozenset({Trigger.USE, Trigger.EXPIRE, Trigger.ARCHIVE})


@dataclass(frozen=True, slots=True)
class Edit:
    """What is asked for.

    Attributes:
        trigger: The transition.
        etag: Only at this etag; "": at any.
        reason: Why.
        change: Returns the new cube from the old one, payload included; None: the content stays.
        vectors: Returns the caller's vectors for so many units and dimensions; None: none given.
        by_itself: True: the platform does it, not a caller: read-only vaults and scopes do not stop it.
    """

    trigger: Trigger
    etag: str = ""
    reason: str = ""
    change: Callable[[Cube], Cube] | None = None
    vectors: Callable[[int, int], NDArray[Any] | None] | None = None
    by_itself: bool = False


class Changer:
    """Changes cubes."""

    def __init__(self, rt: Runtime, follower: IndexFollower) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower

    async def change(self, call: Call, name: str, edit: Edit) -> tuple[Cube, int]:
        """Change a cube; return it without payload, and the revision.

        Raises:
            PlatformError: NOT_FOUND, PERMISSION_DENIED, VAULT_READ_ONLY, ETAG_MISMATCH, ILLEGAL_TRANSITION,
                CUBE_FROZEN, QUOTA_EXCEEDED, CONFLICT.
        """
        vault_name, cube_id = vault_name_of(name)
        for _ in range(_TRIES):
            vault = await self._rt.vault(vault_name)
            cipher = await self._rt.cipher(vault)
            failure: PlatformError | None = None
            plan: Plan | None = None
            try:
                plan = await self.plan(call, vault, cipher, cube_id, edit)
            except PlatformError as error:
                if not call.request_id:
                    raise
                # The request may have been done already: then its answer is due, not the refusal of a second one.
                failure = error
            try:
                row, revision, waiting = await self._write(call, vault, cube_id, plan, failure, edit)
            except StaleError:
                await self._take_back(vault, plan)
                continue
            if waiting is not None:
                self._follower.offer(vault.uid, revision, waiting)
                await self._follower.follow(await self._rt.vault(vault_name), revision)
            if plan is not None and plan.drop_object:
                await self._rt.objects.delete(plan.drop_object)
            return codec.cube_of(vault, row, cipher), revision
        raise PlatformError(Reason.CONFLICT, f"{name} is changed too often", metadata={"resource": name})

    async def _take_back(self, vault: VaultRow, plan: Plan | None) -> None:
        """Delete the object of a payload whose cube was forgotten while it went to the archive tier."""
        if plan is None or plan.moved is None or not plan.moved.object_key:
            return
        key = (plan.moved.cube_id, plan.moved.payload_version)
        there = await self._rt.db.read(
            lambda conn: (
                (store := self._rt.store(conn)).uids_of(vault.uid, [key[0]]).get(key[0]) == plan.old.uid
                and bool(store.payloads(vault.uid, [key]))
            )
        )
        if not there:
            # Nobody can need it: the uid never comes again.
            await self._rt.objects.delete(plan.moved.object_key)

    async def plan(self, call: Call, vault: VaultRow, cipher: VaultCipher, cube_id: str, edit: Edit) -> Plan:
        """Compute a change from the cube as it is now; `apply_plan` writes it, unless the cube has moved on by then.

        Raises:
            PlatformError: As `change`.
        """
        rt = self._rt
        [old] = await rt.db.read(lambda conn: find_cubes(rt.store(conn), call, vault, [cube_id]))
        name = f"{vault.name}/cubes/{cube_id}"
        if not edit.by_itself:
            refuse_read_only(vault)
            if old.scope == _READ_ONLY_SCOPE and old.owner != reader_of(call) and edit.trigger not in _BY_ITSELF:
                raise denied(call.action, name)
        if edit.etag and edit.etag != etag(old.version, old.revision):
            raise etag_mismatch(name)
        now_us = rt.now_us()
        # The sweep makes the state what time has made of it already; all others find the cube expired.
        seen_us = 0 if edit.by_itself and edit.trigger is Trigger.EXPIRE else now_us
        after = step(condition_of(old, seen_us), edit.trigger, resource=name)
        stamp = follow(VersionStamp(old.version, old.version - 1, old.update_us), now_us=now_us)
        new = replace(
            old, version=stamp.version, update_us=stamp.create_us, state=int(after.state), frozen=after.frozen
        )
        new = _with_times(vault, old, new, edit.trigger, now_us)
        if edit.change is None:
            return await self._plan_transition(call, vault, cipher, old, new, edit)
        return await self._plan_content(call, vault, cipher, old, new, edit)

    async def _plan_transition(
        self, call: Call, vault: VaultRow, cipher: VaultCipher, old: CubeRow, new: CubeRow, edit: Edit
    ) -> Plan:
        """Plan a change of state alone; the payload may move between tiers."""
        rt = self._rt
        meta = cipher.seal(cipher.open(old.meta_sealed, "meta", old.uid, old.version), "meta", old.uid, new.version)
        moved, drop = None, ""
        if new.state == State.ARCHIVED and old.tier == HOT:
            new, moved = await self._to_archive(vault, cipher, new)
        elif new.state != State.ARCHIVED and old.tier == ARCHIVE and new.state != State.EXPIRED:
            keys = [(old.cube_id, old.payload_version)]
            stored = await rt.db.read(lambda conn: rt.store(conn).payloads(vault.uid, keys))
            payload = stored[keys[0]]
            body = await open_payload(rt, payload, old.uid, cipher)
            sealed = cipher.seal(body, "payload", old.uid, old.payload_version)
            moved, drop = replace(payload, body_sealed=sealed, object_key=""), payload.object_key
            new = replace(new, tier=HOT)
        return Plan(
            old=old,
            new=replace(new, meta_sealed=meta),
            version=_version(call, cipher, new, old, meta, edit),
            payload=None,
            moved=moved,
            terms=None,
            units=None,
            blob_keys=None,
            drop_object=drop,
        )

    async def _to_archive(
        self, vault: VaultRow, cipher: VaultCipher, row: CubeRow
    ) -> tuple[CubeRow, PayloadRow | None]:
        rt = self._rt
        keys = [(row.cube_id, row.payload_version)]
        payload = (await rt.db.read(lambda conn: rt.store(conn).payloads(vault.uid, keys)))[keys[0]]
        key = archive_key(cipher, vault.uid, row.uid, row.payload_version)
        await rt.objects.put(key, payload.body_sealed, size_bytes=len(payload.body_sealed))
        return replace(row, tier=ARCHIVE), replace(payload, body_sealed=b"", object_key=key)

    async def _plan_content(
        self, call: Call, vault: VaultRow, cipher: VaultCipher, old: CubeRow, new: CubeRow, edit: Edit
    ) -> Plan:
        """Plan a change of metadata or payload."""
        rt = self._rt
        keys = [(old.cube_id, old.payload_version)]
        stored = (await rt.db.read(lambda conn: rt.store(conn).payloads(vault.uid, keys)))[keys[0]]
        before = codec.cube_of(vault, old, cipher, payload=await open_payload(rt, stored, old.uid, cipher))
        copy = Cube()
        copy.CopyFrom(before)
        cube = edit.change(copy) if edit.change else copy
        content.check_cube(cube, rt.settings)
        body = content.payload_bytes(cube.payload)
        cube.content_digest = content.digest_of(body)
        payload = units = blob_keys = None
        units_before, units_after = content.units_of(before), content.units_of(cube)
        language_changed = before.descriptive.language != cube.descriptive.language
        fingerprint = old.simhash
        if cube.content_digest != before.content_digest:
            payload = PayloadRow(old.cube_id, new.version, cipher.seal(body, "payload", old.uid, new.version))
            new = replace(new, payload_version=new.version)
            blob_keys = tuple(cipher.object_name("blob", blob.sha256) for blob in content.blobs_of(cube.payload))
        if units_before != units_after or language_changed:
            content.check_units(units_after, rt.settings)
            given = edit.vectors(len(units_after), vault.dimensions) if edit.vectors else None
            [vectors] = await vectors_for(rt, vault, [units_after], [given])
            units, terms = unit_works(cipher, old.cube_id, cube.descriptive.language, units_after, vectors)
            fingerprint = simhash(terms)
        size = len(body) + sum(blob.size_bytes for blob in content.blobs_of(cube.payload))
        new = columns_of(vault, cipher, cube, replace(new, simhash=fingerprint, size_bytes=size))
        if content.ttl_s_of(before) == content.ttl_s_of(cube):
            new = replace(new, expire_us=old.expire_us)
        meta = cipher.seal(codec.meta_of(cube), "meta", old.uid, new.version)
        same = same_token(cipher, cube, old.owner)
        return Plan(
            old=old,
            new=replace(new, meta_sealed=meta),
            version=_version(call, cipher, new, old, meta, edit),
            payload=payload,
            moved=None,
            terms=tuple(words_of(cipher, old.cube_id, cube, band_tokens(cipher, fingerprint), same=same)),
            units=units,
            blob_keys=blob_keys,
            links=tuple(links_of(vault, old.cube_id, cube)),
        )

    async def _write(
        self,
        call: Call,
        vault: VaultRow,
        cube_id: str,
        plan: Plan | None,
        failure: PlatformError | None,
        edit: Edit,
    ) -> tuple[CubeRow, int, Waiting | None]:
        rt = self._rt

        def run(conn: Connection) -> tuple[CubeRow, int, Waiting | None]:
            if failure is not None:
                raise failure
            if plan is None:
                raise StaleError
            store = rt.store(conn)
            outcome = apply_plan(rt, store, vault, plan)
            details = {"change": edit.trigger.value, "version": str(plan.new.version)}
            audit.record_in(conn, call, resource=f"{vault.name}/cubes/{cube_id}", details=details)
            return outcome

        def recall(conn: Connection, remembered: str) -> tuple[CubeRow, int, Waiting | None]:
            [row] = find_cubes(rt.store(conn), call, vault, [cube_id])
            return row, int(remembered), None

        def write(conn: Connection) -> tuple[CubeRow, int, Waiting | None]:
            return idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda done: str(done[1]), recall=recall
            )

        return await rt.db.write(write)


def _with_times(vault: VaultRow, old: CubeRow, new: CubeRow, trigger: Trigger, now_us: int) -> CubeRow:
    """Return the row with the times and heat that a transition sets."""
    if trigger is Trigger.EXPIRE:
        ended = min(now_us, old.expire_us) if old.expire_us is not None else now_us
        purge = purge_us(expired_us=now_us, retention=retention_of(vault.settings))
        return replace(new, expire_us=ended, purge_us=purge)
    if trigger is Trigger.RESTORE:
        # A restored cube has no end of its own any more; a new time to live can be set.
        return replace(new, expire_us=None, purge_us=None, last_use_us=now_us)
    if trigger in {Trigger.ACTIVATE, Trigger.USE}:
        return replace(new, last_use_us=now_us)
    return new


def _version(call: Call, cipher: VaultCipher, new: CubeRow, old: CubeRow, meta: bytes, edit: Edit) -> VersionRow:
    note = cipher.seal(edit.reason.encode(), "note", old.uid, new.version) if edit.reason else b""
    return VersionRow(
        cube_id=old.cube_id,
        version=new.version,
        parent=old.version,
        payload_version=new.payload_version,
        author=call.principal.name,
        change=edit.trigger.value,
        create_us=new.update_us,
        meta_sealed=meta,
        note_sealed=note,
    )
