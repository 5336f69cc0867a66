"""Reads and lists cubes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid, not_found
from memporium_platform.paging import page_size
from memporium_services.vault.app import codec
from memporium_services.vault.app.as_of import NOW, Moment, list_as_of, moment_of, row_then
from memporium_services.vault.app.changing import Edit
from memporium_services.vault.app.licensing import (
    READ,
    agreements_of,
    asked_for,
    only_for_services,
    refuse_dead,
    reserve,
    reserve_each,
)
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
from memporium_services.vault.app.runtime import cube_ids_in
from memporium_services.vault.app.search_results import Refusal
from memporium_services.vault.domain.lifecycle import State, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.changing import Changer
    from memporium_services.vault.app.locating import LocatedCube
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.uses import UseRecorder
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import GrantedUse


@dataclass(frozen=True, slots=True)
class Found:
    """Cubes that were read, at which revision, under which licences, what was refused, and where to go on."""

    cubes: list[Cube]
    revision: int
    uses: list[GrantedUse]
    next_page_token: str = ""
    refusals: tuple[Refusal, ...] = ()


class Cubes:
    """Cubes of all vaults."""

    def __init__(self, rt: Runtime, changer: Changer, uses: UseRecorder) -> None:
        """Work on these ports."""
        self._rt = rt
        self._changer = changer
        self._uses = uses
        self._locator = Locator(rt)

    async def get(
        self, call: Call, name: str, *, full: bool, version: int = 0, moment: Moment = NOW
    ) -> tuple[Cube, int, list[GrantedUse]]:
        """Return a cube, now or as it was; reading its payload activates it.

        Raises:
            PlatformError: NOT_FOUND, PERMISSION_DENIED, ILLEGAL_TRANSITION (expired), LICENCE_*.
        """
        rt = self._rt
        if version and moment.given:
            raise invalid("read_time", "not together with version")
        if version < 0:
            raise invalid("version", "must not be negative")
        vault, row, payload = await self._find(call, name)
        cipher = await rt.cipher(vault)
        asked_row = row
        if version or moment.given:
            asked_row = await self._as_of(vault, row, version, moment_of(vault, moment, field="read"))
        if vault.agreement:
            refuse_dead(rt, vault.agreement)
        cube = codec.cube_of(vault, asked_row, cipher)
        if not full:
            return cube, vault.revision, []
        demand_readable(vault, row, rt.now_us())
        lease = await reserve(rt, call, asked_for([cube], READ, rows=[asked_row], always=vault.agreement))
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
        self, call: Call, parent: str, cube_names: Sequence[str], *, full: bool, action: int, **asked: int
    ) -> Found:
        """Return cubes for a use that their licences must permit; without names, ask the vault's own licence.

        Raises:
            PlatformError: PERMISSION_DENIED (payloads for another use than reading are for services), and what
                `batch_get` raises.
        """
        if full or asked.get("running"):
            only_for_services(call, action, parent)
        return await self.batch_get(call, parent, cube_names, full=full, action=action, **asked)

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
        return await self._read(
            call,
            vault,
            rows,
            full=full,
            action=action,
            always=vault.agreement,
            form=asked.get("form", 0),
            tokens=asked.get("tokens", 0),
            running=bool(asked.get("running")),
        )

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
        found = await self._page(call, vault, page, full=full)
        if len(rows) <= limit:
            return found
        last = page[-1]
        return replace(
            found, next_page_token=rt.page_tokens.seal(scope, {"value": _place(last, order), "id": last.cube_id})
        )

    async def _page(self, call: Call, vault: VaultRow, rows: Sequence[CubeRow], *, full: bool) -> Found:
        """Return a page of cubes; with payloads, those that their licences permit: one refusal spoils no page."""
        rt, pack = self._rt, vault.agreement if rows else ""
        # Of a pack all is refused, or nothing.
        if not full or pack or not any(row.licensed for row in rows):
            return await self._read(call, vault, rows, full=full, action=READ, always=pack)
        for row in rows:
            demand_readable(vault, row, rt.now_us())
        cubes = await assemble(rt, vault, rows, await rt.cipher(vault), full=True)
        lease, refused = await reserve_each(rt, call, asked_for(cubes, READ, rows=rows), always="")
        kept = [place for place, cube in enumerate(cubes) if not refused.keys() & agreements_of(cube)]
        shown, its_rows = [cubes[place] for place in kept], [rows[place] for place in kept]
        told = {one.agreement: one for one in asked_for(shown, READ, rows=its_rows)}
        try:
            await lease.tell(call, told)
        except BaseException:
            await lease.release()
            raise
        await lease.commit(told)
        self._uses.note(vault.uid, [row.cube_id for row in its_rows], "read")
        refusals = [Refusal("", vault.name, name, error.reason.value, error.message) for name, error in refused.items()]
        uses = [use for use in lease.uses if use.agreement in told]
        return Found(shown, vault.revision, uses, refusals=tuple(refusals))

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
        running: bool = False,
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
        if full:
            # Before the licences are asked: what a KV cache counts stands in the payload.
            payloads = await load_payloads(rt, vault, rows, cipher)
            for cube, row in zip(cubes, rows, strict=True):
                cube.payload.MergeFromString(payloads[row.cube_id])
        asked = asked_for(cubes, action, rows=rows, always=always, form=form, tokens=tokens)
        lease = await reserve(rt, call, asked)
        await lease.commit(running=running)
        self._uses.note(vault.uid, [row.cube_id for row in rows], "read" if action == READ else "use")
        return Found(cubes, vault.revision, lease.uses)

    async def _as_of(self, vault: VaultRow, row: CubeRow, version: int, moment: Moment) -> CubeRow:
        """Return the row as it was at a version or moment."""
        rt = self._rt

        def find(conn: Connection) -> CubeRow | None:
            store = rt.store(conn)
            if version:
                stamp = store.version(vault.uid, row.cube_id, version)
            elif moment.time_us is not None:
                stamp = store.version_at(vault.uid, row.cube_id, moment.time_us)
            else:
                stamp = store.version_of_revision(vault.uid, row.cube_id, moment.revision)
            return None if stamp is None else row_then(store, vault.uid, [(row, stamp)])[0]

        found = await rt.db.read(find)
        if found is None:
            raise not_found(f"{vault.name}/cubes/{row.cube_id} as of {version or 'that time'}")
        return found

    async def list_as_of(
        self, call: Call, parent: str, selection: Selection, *, moment: Moment, size: int, token: str, full: bool
    ) -> Found:
        """Return one page of the cubes that a selection admits as they were, by name.

        Raises:
            PlatformError: INVALID_FIELD, INVALID_PAGE_TOKEN, NOT_FOUND, LICENCE_*.
        """
        rt = self._rt
        limit = page_size(size)
        vault = await rt.vault(parent, field="parent")
        moment = moment_of(vault, moment, field="read")
        chosen = replace(selection, reader=reader_of(call))
        scope = f"{call.method} {parent} {moment} {full} {chosen.key()}"
        after = rt.page_tokens.open(scope, token).get("id", "")
        pairs = await list_as_of(rt, call, vault, moment, chosen, after=after, limit=limit)
        page, now_us = pairs[:limit], rt.now_us()
        cubes = [cube for _, cube in page]
        if full:
            for row in await rt.db.read(
                lambda conn: find_cubes(rt.store(conn), call, vault, [r.cube_id for r, _ in page])
            ):
                demand_readable(vault, row, now_us)
            lease = await reserve(rt, call, asked_for(cubes, READ, always=vault.agreement if page else ""))
            await lease.commit()
            uses = lease.uses
        else:
            if vault.agreement and page:
                refuse_dead(rt, vault.agreement)
            uses = []
            for cube in cubes:
                cube.ClearField("payload")
        following = rt.page_tokens.seal(scope, {"id": page[-1][0].cube_id}) if len(pairs) > limit else ""
        return Found(cubes, vault.revision, uses, following)


def _place(row: CubeRow, order: str) -> object:
    places = {
        "name": row.cube_id,
        "create_time": row.create_us,
        "update_time": row.update_us,
        "event_time": row.event_us or 0,
        "heat": row.heat,
    }
    return places[order]
