"""Branches for what-if: a vault that begins with copies of what another held, and goes its own way.

The other vault is only read: neither its versions nor its audit trail tell of the branch. A branch is a vault like any
other, under a key of its own: it is searched, changed and merged as such, and erasing it costs its own rows alone. Only
forgetting reaches from the one into the other.

It is copied page by page, and nobody sees it before it is whole. How far it is stands in the store, together with what
was copied: whichever call asks for the same branch goes on from there.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from memporium.vault.v1.vault_pb2 import Vault
from memporium_platform import audit
from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_services.vault.app.as_of import Moment, moment_of, rows_as_of
from memporium_services.vault.app.branch_pages import Ends, draft_page, moved_on, write_page
from memporium_services.vault.app.drafting import Origin
from memporium_services.vault.app.pace import Pace
from memporium_services.vault.app.reading import reader_of
from memporium_services.vault.app.retention import settings_of
from memporium_services.vault.app.vaults import vault_of
from memporium_services.vault.domain.rows import BranchRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.branch_pages import PageWritten
    from memporium_services.vault.app.erasing import Erasing
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.vaults import Vaults
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

# What goes on failing however often it is tried: the branch is dropped. After all else it waits to be gone on with.
_FINAL = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.INVALID_FIELD,
        Reason.QUOTA_EXCEEDED,
        Reason.BLOB_MISSING,
        Reason.MODEL_MISMATCH,
        Reason.INTEGRITY_FAILURE,
    }
)


@dataclass(frozen=True, slots=True)
class Branched:
    """A vault, or how far one is that is not whole yet."""

    vault: Vault | None
    at: BranchRow | None = None


class Branching:
    """Makes vaults, branches among them."""

    def __init__(self, rt: Runtime, vaults: Vaults, follower: IndexFollower, erasing: Erasing) -> None:
        """Work on these ports."""
        self._rt = rt
        self._vaults = vaults
        self._follower = follower
        self._erasing = erasing
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(
        self,
        call: Call,
        parent: str,
        vault_id: str,
        vault: Vault,
        of: str,
        moment: Moment,
        *,
        wait_s: float | None = None,
    ) -> Branched:
        """Make a vault; where `of` is given, a branch of that vault as it was at a moment, or go on with it.

        Args:
            call: The call.
            parent: The organisation.
            vault_id: Of the new vault.
            vault: What callers may set of it.
            of: The vault to branch off from; "": none.
            moment: What of that is copied.
            wait_s: After so long, answer how far it is; None: copy to the end.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, ALREADY_EXISTS, QUOTA_EXCEEDED, CONFLICT.
        """
        if not of:
            if moment.given:
                raise invalid("branch_of", "must be given with a revision or time")
            return Branched(await self._vaults.create(call, parent, vault_id, vault))
        if wait_s is not None and wait_s < 0:
            raise invalid("branch_wait", "must not be negative")
        until = None if wait_s is None else monotonic() + wait_s
        branch = await self._begin(call, parent, vault_id, vault, of, moment)
        async with self._alone(branch.uid, until) as first:
            # As the call before this one has left it.
            row, at = await self._rt.db.read(lambda conn: _state(self._rt.store(conn), branch.uid))
            if row is None:
                raise moved_on(branch)
            if not row.filling or at is None:
                return Branched(vault_of(row))
            if not first:
                return Branched(None, at)
            return await self._fill(call, row, at, until)

    async def _begin(self, call: Call, parent: str, vault_id: str, vault: Vault, of: str, moment: Moment) -> VaultRow:
        """Make the vault, hidden, or return it where it was made before."""
        rt = self._rt
        # Before the vault is looked up: whoever may not read it must not learn that it is there.
        for action in ("vault.cubes.get", "vault.cubes.list"):
            rt.authz.require(call, action, of)
        source = await rt.vault(of, field="branch_of")
        moment = moment_of(source, moment, field="branch")
        if parent != f"orgs/{source.org}":
            raise invalid("branch_of", "must be a vault of the same organisation")
        if source.agreement:
            raise invalid("branch_of", "a licensed pack has no branches")
        told = (source.uid, moment.revision, moment.time_us, vault.SerializeToString(deterministic=True))
        asked = sha256(repr(told).encode()).hexdigest()
        # Not what is written while the branch is being made.
        revision = 0 if moment.time_us is not None else moment.revision or source.revision
        wanted = Vault()
        wanted.CopyFrom(settings_of(source.settings))
        wanted.ClearField("display_name")
        wanted.ClearField("description")
        wanted.ClearField("read_only")
        wanted.MergeFrom(vault)
        wanted.kind, wanted.embedding_model = source.kind, source.embedding_model  # type: ignore[assignment]
        wanted.branch_of, wanted.branch_revision = source.name, revision
        begun = BranchRow("", source.uid, asked, revision, moment.time_us, rt.now_us(), total_cubes=source.cubes)
        return await self._vaults.make(call, parent, vault_id, wanted, branch=begun)

    async def _fill(self, call: Call, branch: VaultRow, at: BranchRow, until: float | None) -> Branched:
        """Copy what is not copied yet, and let everybody see it; or stop when the time is over."""
        rt = self._rt
        try:
            source = await rt.db.read(lambda conn: rt.store(conn).vault_by_uid(at.source_uid))
            if source is None:
                raise not_found(settings_of(branch.settings).branch_of)
            ends = Ends(source, branch, await rt.cipher(source), await rt.cipher(branch), reader_of(call))
            reason = f"branch of {source.name}"
            pages = rows_as_of(rt, call, source, Moment(at.revision, at.moment_us), after=at.after_id)
            pace = Pace(rt.settings.branch_share)
            # At revision 0 of the other vault there was nothing.
            async for page in pages if at.revision or at.moment_us is not None else _nothing():
                origin = Origin(call.principal.name, rt.now_us(), change="import", reason=reason)
                at = await self._page(ends, at, page, origin, pace)
                if until is not None and monotonic() >= until:
                    return Branched(None, at)
            return Branched(await self._finish(call, branch, at))
        except PlatformError as error:
            if error.reason in _FINAL:
                await self._erasing.drop_unfilled(branch)
            raise

    async def _page(
        self, ends: Ends, at: BranchRow, page: Sequence[tuple[CubeRow, CubeRow]], origin: Origin, pace: Pace
    ) -> BranchRow:
        rt = self._rt
        drafts = await draft_page(rt, ends, page, origin, pace)

        def write(conn: Connection) -> PageWritten:
            after_id = page[-1][0].cube_id
            return write_page(rt, rt.store(conn), ends, at, drafts, after_id=after_id, looked_at=len(page))

        done = await rt.db.write(write)
        await pace.rest()
        if done.waiting is not None:
            self._follower.offer(done.branch.uid, done.revision, done.waiting)
            await self._follower.follow(done.branch, done.revision)
            await pace.rest()
        return done.at

    async def _finish(self, call: Call, branch: VaultRow, at: BranchRow) -> Vault:
        rt = self._rt
        now_us = rt.now_us()

        def write(conn: Connection) -> VaultRow:
            store = rt.store(conn)
            whole = store.end_branch(at, now_us=now_us)
            row = store.vault_by_uid(branch.uid)
            if row is None or row.filling:
                raise moved_on(branch)
            if whole:
                audit.record_in(conn, call, resource=branch.name, details={"cubes": str(row.cubes)})
            return row

        return vault_of(await rt.db.write(write))

    @asynccontextmanager
    async def _alone(self, uid: str, until: float | None) -> AsyncIterator[bool]:
        """Let the calls of this process go on with a branch one after the other; False: not before the time is over."""
        lock = self._locks.setdefault(uid, asyncio.Lock())
        try:
            # One that is free is taken even where no time is left: each call gets a page further.
            async with asyncio.timeout(None if until is None or not lock.locked() else until - monotonic()):
                await lock.acquire()
        except TimeoutError:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def _state(store: Store, uid: str) -> tuple[VaultRow | None, BranchRow | None]:
    return store.vault_by_uid(uid), store.branch(uid)


async def _nothing() -> AsyncIterator[list[tuple[CubeRow, CubeRow]]]:
    """Yield no page."""
    pages: tuple[list[tuple[CubeRow, CubeRow]], ...] = ()
    for page in pages:
        yield page
