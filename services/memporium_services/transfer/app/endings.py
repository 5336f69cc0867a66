"""Puts agreements that ended before their time on their publishers' lists of revocations.

On this platform memstore refuses them at the next use. A bundle that was downloaded is verified elsewhere: there the
snapshot says so.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from memporium_platform.errors import PlatformError
from memporium_platform.names import AGREEMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.ports.services import AgreementEndings
    from memporium_services.transfer.ports.store import BundleRows

_log = structlog.get_logger(__name__)
# Seconds until a stream that broke off is opened again.
_AGAIN_S = 5.0


class Endings:
    """Follows the agreements for as long as the service runs."""

    def __init__(self, database: Database, rows: BundleRows, *, endings: AgreementEndings, clock: Clock) -> None:
        """Wire the parts."""
        self._database, self._rows, self._endings, self._clock = database, rows, endings, clock

    async def follow(self) -> None:
        """Note what ends; never returns."""
        while True:
            try:
                async for agreements in self._endings.watch():
                    await self.note(agreements)
            except PlatformError as error:
                _log.info("bundle.endings_unknown", reason=str(error.reason))
            await asyncio.sleep(_AGAIN_S)

    async def note(self, agreements: Sequence[str]) -> None:
        """Put agreements on the lists of their providers; those that stand there already change nothing."""
        if not agreements:
            return

        def commit(conn: Connection) -> None:
            now = self._clock.now()
            for name in agreements:
                org = AGREEMENT.parse(name)["org"]
                if self._rows.end_agreement(conn, org, name, now=now) and self._rows.publisher(conn, org) is not None:
                    self._rows.advance(conn, org, now=now, revoked=1)

        await self._database.write(commit)
