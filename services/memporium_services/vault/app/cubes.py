"""Makes, reads and lists cubes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from memporium_platform import audit, idempotency, names
from memporium_platform.errors import invalid, not_found
from memporium_platform.paging import page_size
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.changing import Edit
from memporium_services.vault.app.drafting import Origin, Wanted, draft_cubes, matrix
from memporium_services.vault.app.licensing import READ, asked_for, only_for_services, refuse_dead, reserve
from memporium_services.vault.app.locating import Locator
from memporium_services.vault.app.reading import (
    assemble,
    demand_readable,
    find_cubes,
    load_payloads,
    open_payload,
    reader_of,
    refuse_private,
)
from memporium_services.vault.app.runtime import cube_ids_in, refuse_read_only
from memporium_services.vault.app.writing import WriteOutcome, Written, write_drafts
from memporium_services.vault.domain.lifecycle import State, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import NewCube
    from memporium_platform.call import Call
    from memporium_services.vault.app.changing import Changer
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.locating import LocatedCube
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.uses import UseRecorder
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import GrantedUse


@dataclass(frozen=True, slots=True)
class Made:
    """A cube that was asked to be made."""

    cube: Cube
    deduplicated: bool
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Cubes that were read, at which revision, under which licences, and where to go on."""

    cubes: list[Cube]
    revision: int
    uses: list[GrantedUse]
    next_page_token: str = ""


class Cubes:
    """Cubes of all vaults."""

    def __init__(self, rt: Runtime, follower: IndexFollower, changer: Changer, uses: UseRecorder) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower
        self._changer = changer
        self._uses = uses
        self._locator = Locator(rt)

    async def create(
        self, call: Call, parent: str, news: Sequence[NewCube], reason: str, *, batch: bool
    ) -> tuple[list[Made], int]:
        """Make cubes, all or none; return what became of them, and the revision.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, VAULT_READ_ONLY, ALREADY_EXISTS, QUOTA_EXCEEDED, BLOB_MISSING,
                MODEL_MISMATCH and what the embedder raises.
        """
        rt = self._rt
        if len(news) > rt.settings.max_batch_cubes:
            raise invalid("cubes", f"at most {rt.settings.max_batch_cubes} in one batch")
        vault = await rt.vault(parent, field="parent")
        refuse_read_only(vault)
        cipher = await rt.cipher(vault)
        wanted = [self._wanted(vault, new, f"cubes[{i}].cube" if batch else "cube") for i, new in enumerate(news)]
        self._refuse_licences(call, wanted)
        now_us = rt.now_us()
        drafts = await draft_cubes(
            rt, vault, cipher, wanted, Origin(author=call.principal.name, now_us=now_us, reason=reason)
        )

        def run(conn: Connection) -> WriteOutcome:
            outcome = write_drafts(rt, rt.store(conn), vault, cipher, drafts, now_us=now_us)
            made = [one.row.cube_id for one in outcome.written if not one.deduplicated]
            resource = f"{vault.name}/cubes/{made[0]}" if len(made) == 1 else vault.name
            audit.record_in(conn, call, resource=resource, details={"cubes": str(len(made))})
            return outcome

        def remember(outcome: WriteOutcome) -> str:
            written = [[one.row.cube_id, one.deduplicated, one.near] for one in outcome.written]
            return orjson.dumps({"revision": outcome.revision, "written": written}).decode()

        def recall(conn: Connection, remembered: str) -> WriteOutcome:
            kept = orjson.loads(remembered)
            rows = find_cubes(rt.store(conn), call, vault, [cube_id for cube_id, _, _ in kept["written"]])
            written = [
                Written(row, same, tuple(near)) for row, (_, same, near) in zip(rows, kept["written"], strict=True)
            ]
            return WriteOutcome(vault, kept["revision"], tuple(written))

        def write(conn: Connection) -> WriteOutcome:
            return idempotency.once(conn, call, now=rt.clock.now(), run=run, remember=remember, recall=recall)

        outcome = await rt.db.write(write)
        if outcome.waiting is not None:
            self._follower.offer(vault.uid, outcome.revision, outcome.waiting)
            await self._follower.follow(outcome.vault, outcome.revision)
        return [self._made(call, outcome.vault, cipher, one) for one in outcome.written], outcome.revision

    async def get(
        self, call: Call, name: str, *, full: bool, version: int = 0, read_time_us: int | None = None
    ) -> tuple[Cube, int, list[GrantedUse]]:
        """Return a cube, now or as it was; reading its payload activates it.

        Raises:
            PlatformError: NOT_FOUND, PERMISSION_DENIED, ILLEGAL_TRANSITION (expired), LICENCE_*.
        """
        rt = self._rt
        if version and read_time_us is not None:
            raise invalid("read_time", "not together with version")
        if version < 0:
            raise invalid("version", "must not be negative")
        vault, row, payload = await self._find(call, name)
        cipher = await rt.cipher(vault)
        asked_row = row
        if version or read_time_us is not None:
            asked_row = await self._as_of(vault, row, version, read_time_us)
        if vault.agreement:
            refuse_dead(rt, vault.agreement)
        cube = codec.cube_of(vault, asked_row, cipher)
        if not full:
            return cube, vault.revision, []
        demand_readable(vault, row, rt.now_us())
        lease = await reserve(rt, call, asked_for([cube], READ, always=vault.agreement))
        try:
            if row.state == State.ARCHIVED and asked_row is row and not row.frozen:
                edit = Edit(Trigger.USE, reason="read", by_itself=True)
                await self._changer.change(replace(call, request_id=""), name, edit)
                vault, asked_row, payload = await self._find(call, name)
                cube = codec.cube_of(vault, asked_row, cipher)
            if payload is not None and payload.payload_version == asked_row.payload_version:
                stored: bytes | None = await open_payload(rt, payload, row.uid, cipher)
            else:
                stored = (await load_payloads(rt, vault, [asked_row], cipher)).get(row.cube_id)
            if stored:
                cube.payload.MergeFromString(stored)
        except BaseException:
            await lease.release()
            raise
        await lease.commit()
        self._uses.note(vault.uid, [row.cube_id], "read")
        return cube, vault.revision, lease.uses

    async def _find(self, call: Call, name: str) -> LocatedCube:
        """Return a cube's row with its vault's and its payload's, of one snapshot."""
        found = await self._locator.locate(name)
        refuse_private(call, found.vault, found.cube)
        return found

    async def use(
        self, call: Call, parent: str, cube_names: Sequence[str], *, full: bool, action: int, form: int, tokens: int
    ) -> Found:
        """Return cubes for a use that their licences must permit; without names, ask the vault's own licence.

        Raises:
            PlatformError: PERMISSION_DENIED (payloads for another use than reading are for services), and what
                `batch_get` raises.
        """
        if full:
            only_for_services(call, action, parent)
        return await self.batch_get(call, parent, cube_names, full=full, action=action, form=form, tokens=tokens)

    async def batch_get(
        self, call: Call, parent: str, cube_names: Sequence[str], *, full: bool, action: int = READ, **asked: int
    ) -> Found:
        """Return cubes of one vault, in order, for an action that their licences must permit.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, ILLEGAL_TRANSITION, LICENCE_*.
        """
        rt = self._rt
        if len(cube_names) > rt.settings.max_batch_cubes:
            raise invalid("names", f"at most {rt.settings.max_batch_cubes}")
        vault = await rt.vault(parent, field="parent")
        ids = cube_ids_in(vault, list(cube_names))
        rows = await rt.db.read(lambda conn: find_cubes(rt.store(conn), call, vault, ids))
        return await self._read(call, vault, rows, full=full, action=action, always=vault.agreement, **asked)

    async def list(
        self, call: Call, parent: str, selection: Selection, *, order: str, size: int, token: str, full: bool
    ) -> Found:
        """Return one page of the cubes that a selection admits.

        Raises:
            PlatformError: INVALID_FIELD, INVALID_PAGE_TOKEN, NOT_FOUND, LICENCE_*.
        """
        rt = self._rt
        limit = page_size(size)
        vault = await rt.vault(parent, field="parent")
        cipher = await rt.cipher(vault)
        chosen = replace(selection, reader=reader_of(call), now_us=rt.now_us())
        scope = f"{call.method} {parent} {order} {full} {selection.key()}"
        cursor = rt.page_tokens.open(scope, token)
        after = (cursor["value"], cursor["id"]) if cursor else None
        rows = await rt.db.read(
            lambda conn: rt.store(conn, cipher.token).select(
                vault.uid, chosen, order=order, after=after, limit=limit + 1
            )
        )
        page = rows[:limit]
        found = await self._read(call, vault, page, full=full, action=READ, always=vault.agreement if page else "")
        if len(rows) <= limit:
            return found
        last = page[-1]
        return replace(
            found, next_page_token=rt.page_tokens.seal(scope, {"value": _place(last, order), "id": last.cube_id})
        )

    async def _read(
        self,
        call: Call,
        vault: VaultRow,
        rows: Sequence[CubeRow],
        *,
        full: bool,
        action: int,
        always: str,
        form: int = 0,
        tokens: int = 0,
    ) -> Found:
        rt = self._rt
        cipher = await rt.cipher(vault)
        cubes = await assemble(rt, vault, rows, cipher, full=False)
        if not full and action == READ:
            if always:
                refuse_dead(rt, always)
            return Found(cubes, vault.revision, [])
        now_us = rt.now_us()
        for row in rows:
            demand_readable(vault, row, now_us)
        lease = await reserve(rt, call, asked_for(cubes, action, always=always, form=form, tokens=tokens))
        try:
            if full:
                payloads = await load_payloads(rt, vault, rows, cipher)
                for cube, row in zip(cubes, rows, strict=True):
                    cube.payload.MergeFromString(payloads[row.cube_id])
        except BaseException:
            await lease.release()
            raise
        await lease.commit()
        self._uses.note(vault.uid, [row.cube_id for row in rows], "read" if action == READ else "use")
        return Found(cubes, vault.revision, lease.uses)

    async def _as_of(self, vault: VaultRow, row: CubeRow, version: int, read_time_us: int | None) -> CubeRow:
        """Return the row as it was at a version or time."""
        rt = self._rt

        def find(conn: Connection) -> CubeRow | None:
            store = rt.store(conn)
            stamp = (
                store.version(vault.uid, row.cube_id, version)
                if version
                else store.version_at(vault.uid, row.cube_id, read_time_us or 0)
            )
            if stamp is None:
                return None
            return replace(
                row,
                version=stamp.version,
                payload_version=stamp.payload_version,
                meta_sealed=stamp.meta_sealed,
                update_us=stamp.create_us,
                revision=stamp.revision,
            )

        found = await rt.db.read(find)
        if found is None:
            raise not_found(f"{vault.name}/cubes/{row.cube_id} as of {version or 'that time'}")
        return found

    def _wanted(self, vault: VaultRow, new: NewCube, field: str) -> Wanted:
        if new.cube_id:
            names.check_id(new.cube_id, field.removesuffix("cube") + "cube_id")
        content.check_cube(new.cube, self._rt.settings, field=field)
        count = len(content.units_of(new.cube))
        given = f"{field.removesuffix('cube')}unit_vectors"
        vectors = matrix(new.unit_vectors, count=count, dimensions=vault.dimensions, field=given)
        return Wanted(cube_id=new.cube_id, cube=new.cube, vectors=vectors, field=field)

    def _refuse_licences(self, call: Call, wanted: Sequence[Wanted]) -> None:
        """Licences are set by services that carry them over from parents, never by callers for themselves."""
        if call.principal.via:
            return
        for one in wanted:
            if one.cube.governance.licences:
                raise invalid(f"{one.field}.governance.licences", "is set by the platform alone")

    def _made(self, call: Call, vault: VaultRow, cipher: VaultCipher, one: Written) -> Made:
        refuse_private(call, vault, one.row)
        near = tuple(f"{vault.name}/cubes/{cube_id}" for cube_id in one.near)
        return Made(codec.cube_of(vault, one.row, cipher), one.deduplicated, near)


def _place(row: CubeRow, order: str) -> object:
    places = {
        "name": row.cube_id,
        "create_time": row.create_us,
        "update_time": row.update_us,
        "event_time": row.event_us or 0,
        "heat": row.heat,
    }
    return places[order]
