"""Gives an organisation a new signing key, and signs again what it has sealed; nothing is encrypted again.

First every document is signed by the new key as well, then the new root counts. Whoever trusts the old root verifies
the documents before and after; a call that is cut short is sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.audit import record_in
from memporium_platform.bundle import dsse
from memporium_platform.call import current_call

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.app.signers import Signers, SigningKeys
    from memporium_services.transfer.ports.store import BundleRows, BundleStore


@dataclass(frozen=True, slots=True)
class Rotated:
    """The keys in use now, and how many bundles were signed again."""

    signers: Signers
    bundles: int


class Rotation:
    """Changes signing keys."""

    def __init__(
        self, database: Database, rows: BundleRows, *, store: BundleStore, signing: SigningKeys, clock: Clock
    ) -> None:
        """Wire the parts."""
        self._database, self._rows, self._store, self._signing = database, rows, store, signing
        self._clock = clock

    async def rotate(self, org: str, *, number: int) -> Rotated:
        """Replace the root of this number (0: the newest); one that was replaced already changes nothing more."""
        current = await self._signing.of(org)
        if number and number != current.number:
            return Rotated(current, 0)
        new, root = await self._signing.next_root(org)
        signed = await self._sign_again(org, new)
        call, now = current_call(), self._clock.now()

        def commit(conn: Connection) -> None:
            self._signing.adopt_in(conn, org, root)
            details = {"root": str(root.number), "replaced": str(current.number)}
            record_in(conn, call, resource=f"orgs/{org}", details=details, now=now)

        await self._database.write(commit)
        await self._signing.adopt(org, root)
        # Once more: a bundle may have been completed under the old root while the others were signed again.
        return Rotated(new, max(signed, await self._sign_again(org, new)))

    async def _sign_again(self, org: str, signers: Signers) -> int:
        bundles = await self._database.read(lambda conn: self._rows.sealed(conn, org))
        for bundle in bundles:
            async for key, envelope in self._store.documents(bundle):
                again = dsse.countersigned(envelope, signers.keys)
                if again != envelope:
                    await self._store.put_document(key, again)
        return len(bundles)
