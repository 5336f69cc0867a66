"""The bundles that an organisation has: shown, revoked, removed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.audit import record_in
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, not_found
from memporium_platform.names import BUNDLE
from memporium_services.transfer.domain.bundles import BundleState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.store import BundleRows, BundleStore


class Catalogue:
    """Reads and changes the rows of complete bundles."""

    def __init__(self, database: Database, rows: BundleRows, *, store: BundleStore, clock: Clock) -> None:
        """Wire the parts."""
        self._database, self._rows, self._store, self._clock = database, rows, store, clock

    async def get(self, name: str) -> tuple[Bundle, list[str]]:
        """Return a bundle and the digests of its segments.

        Raises:
            PlatformError: NOT_FOUND.
        """
        ids = BUNDLE.parse(name)

        def read(conn: Connection) -> tuple[Bundle | None, list[str]]:
            found = self._rows.get(conn, ids["org"], ids["bundle"])
            return found, self._rows.segments(conn, ids["org"], ids["bundle"])

        bundle, segments = await self._database.read(read)
        if bundle is None:
            raise not_found(name)
        return bundle, segments

    async def complete(self, name: str) -> Bundle:
        """Return a bundle that is complete.

        Raises:
            PlatformError: NOT_FOUND, or FAILED_PRECONDITION for one that is still being sealed, or failed.
        """
        bundle, _ = await self.get(name)
        if bundle.state in {BundleState.SEALING, BundleState.FAILED}:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{name} cannot be used: {bundle.failure or 'it is being sealed'}",
                metadata={"resource": name, "state": str(bundle.state)},
            )
        return bundle

    async def page(self, org: str, *, line: str, before: tuple[int, str] | None, limit: int) -> list[Bundle]:
        """Return bundles of an organisation, newest first."""
        return await self._database.read(lambda conn: self._rows.page(conn, org, line=line, before=before, limit=limit))

    async def revoke(self, name: str, *, reason: str) -> Bundle:
        """Take a bundle out of its publisher's snapshot for good; again is no error."""
        bundle = await self.complete(name)
        if bundle.state is BundleState.REVOKED:
            return bundle
        revoked, call = replace(bundle, state=BundleState.REVOKED), current_call()

        def commit(conn: Connection) -> None:
            now = self._clock.now()
            self._rows.save(conn, revoked)
            self._rows.revoke(conn, revoked, reason=reason, now=now)
            self._rows.advance(conn, revoked.org, now=now, revoked=1)
            record_in(conn, call, resource=name, details={"bundle": name, "reason": reason}, now=now)

        await self._database.write(commit)
        return revoked

    async def delete(self, name: str) -> tuple[int, int]:
        """Remove a bundle and the objects that no other bundle of its line holds; return how many, and their bytes.

        A bundle that is gone already is no error, so that a call cut short can be sent again.
        """
        try:
            bundle, _ = await self.get(name)
        except PlatformError as error:
            if error.reason is Reason.NOT_FOUND:
                return 0, 0
            raise
        if bundle.state is not BundleState.FAILED:
            bundle = await self.complete(name)
        call = current_call()

        def commit(conn: Connection) -> tuple[set[str], int]:
            now = self._clock.now()
            self._rows.delete(conn, bundle.org, bundle.bundle_id)
            self._rows.advance(conn, bundle.org, now=now)
            record_in(conn, call, resource=name, details={"bundle": name}, now=now)
            return (
                self._rows.segments_of_line(conn, bundle.org, bundle.line),
                self._rows.sealing(conn, bundle.org, bundle.line),
            )

        keep, busy = await self._database.write(commit)
        documents, freed = await self._store.remove_documents(bundle)
        removed, more = await self._collect(bundle, keep, busy)
        return documents + removed, freed + more

    async def collect(self, failed: Bundle) -> tuple[int, int]:
        """Remove what a failed sealing has left in the store; return how many objects, and their bytes."""

        def look(conn: Connection) -> tuple[set[str], int]:
            line = failed.org, failed.line
            return self._rows.segments_of_line(conn, *line), self._rows.sealing(conn, *line)

        keep, busy = await self._database.read(look)
        return await self._collect(failed, keep, busy)

    async def _collect(self, bundle: Bundle, keep: set[str], busy: int) -> tuple[int, int]:
        removed = freed = 0
        if not busy:  # a sealing may be about to share what looks unused; a later deletion removes it
            async for size in self._store.remove_segments(bundle, keep=keep):
                removed, freed = removed + 1, freed + size
        return removed, freed
