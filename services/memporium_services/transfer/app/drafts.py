"""The rows of bundles that are about to be sealed: their ids, their numbers, and repeated requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, already_exists
from memporium_platform.names import check_id, new_id
from memporium_services.transfer.domain.bundles import Bundle, BundleKind, BundleState, next_number

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.ports.store import BundleRows


_CUT_OFF = "its sealing was cut off, and nobody came back for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A bundle to make.

    Attributes:
        org: Id of the publisher.
        kind: What it is for.
        vault: The vault to seal.
        line: What it is a version of.
        version: Semantic version; "": made from the number.
        number: Its number; 0: the line's next one.
        terms_sha256: Digest of the licence terms; "" for a dump.
        bundle_id: Its id; "": one is made.
    """

    org: str
    kind: BundleKind
    vault: str
    line: str
    version: str = ""
    number: int = 0
    terms_sha256: str = ""
    bundle_id: str = ""


class Drafts:
    """Makes drafts, and finds what an earlier call with the same request id has made."""

    def __init__(self, database: Database, rows: BundleRows, *, clock: Clock, sealing_timeout_s: int) -> None:
        """Wire the parts; a draft older than the timeout was left by a crash."""
        self._database, self._rows, self._clock = database, rows, clock
        self._timeout = timedelta(seconds=sealing_timeout_s)
        self._active: dict[str, asyncio.Task[None]] = {}

    async def begin(self, plan: Plan) -> Bundle:
        """Return the draft to seal, or the bundle that this request has made before.

        Raises:
            PlatformError: ALREADY_EXISTS, REQUEST_ID_REUSED, FAILED_PRECONDITION for a number that is too low,
                CONFLICT while the same request is being served.
        """
        call = current_call()
        bundle_id = check_id(plan.bundle_id, "bundle_id") if plan.bundle_id else new_id(self._clock.now())
        draft = await self._database.write(lambda conn: self._make(conn, call, plan, bundle_id))
        if draft.state is BundleState.SEALING:
            self._active[draft.name] = asyncio.create_task(self._keep_alive(draft))
        return draft

    async def end(self, draft: Bundle, *, failed: bool) -> None:
        """Note that a sealing is over; a failed one leaves no row."""
        beating = self._active.pop(draft.name, None)
        if beating is not None:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
        if failed:
            await self._database.write(lambda conn: self._drop(conn, draft))

    async def sweep(self) -> list[Bundle]:
        """Let the sealings fail that nothing was heard of for the timeout; return them.

        Their numbers stay taken. A caller that comes back with the same request begins anew under the same id.
        """

        def fail(conn: Connection) -> list[Bundle]:
            left = self._rows.abandoned(conn, self._clock.now() - self._timeout)
            failed = [replace(draft, state=BundleState.FAILED, failure=_CUT_OFF) for draft in left]
            for draft in failed:
                self._rows.save(conn, draft)
            return failed

        return await self._database.write(fail)

    async def _keep_alive(self, draft: Bundle) -> None:
        """Show, for as long as the sealing goes on, that it does."""
        while True:
            await asyncio.sleep(self._timeout.total_seconds() / 4)
            # A database that is away for a moment does not end a sealing; one that stays away ends it elsewhere.
            with suppress(PlatformError):
                await self._database.write(lambda conn: self._rows.alive(conn, draft, now=self._clock.now()))

    def _make(self, conn: Connection, call: Call, plan: Plan, bundle_id: str) -> Bundle:
        key = _request_key(call)
        found = self._rows.by_request(conn, key) if key else None
        if found is not None:
            if found.request_digest != call.request_digest:
                raise PlatformError(
                    Reason.REQUEST_ID_REUSED,
                    f"request_id: {call.request_id} was used for another request",
                    metadata={"request_id": call.request_id},
                )
            if found.state not in {BundleState.SEALING, BundleState.FAILED}:
                return found
            if found.name in self._active:
                raise PlatformError(
                    Reason.CONFLICT, "the bundle is being sealed by the same request", metadata={"resource": found.name}
                )
            # A crash left it; what was uploaded is found again by its content.
            self._rows.delete(conn, found.org, found.bundle_id)
            bundle_id = found.bundle_id
        if self._rows.get(conn, plan.org, bundle_id) is not None:
            raise already_exists(f"orgs/{plan.org}/bundles/{bundle_id}")
        newest = self._rows.newest(conn, plan.org, plan.line)
        number = next_number(newest.number if newest else 0, plan.number)
        draft = Bundle(
            org=plan.org,
            bundle_id=bundle_id,
            kind=plan.kind,
            state=BundleState.SEALING,
            vault=plan.vault,
            line=plan.line,
            version=plan.version or f"{number}.0.0",
            number=number,
            create_time=self._clock.now(),
            terms_sha256=plan.terms_sha256,
            request_key=key,
            request_digest=call.request_digest,
        )
        self._rows.insert(conn, draft)
        return draft

    def _drop(self, conn: Connection, draft: Bundle) -> None:
        found = self._rows.get(conn, draft.org, draft.bundle_id)
        if found is not None and found.state is BundleState.SEALING:
            self._rows.delete(conn, draft.org, draft.bundle_id)


def _request_key(call: Call) -> str:
    if not call.request_id:
        return ""
    return sha256(f"{call.principal.name}\n{call.method}\n{call.request_id}".encode()).hexdigest()
