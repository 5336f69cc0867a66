"""Follows the state of agreements: a local table of those not in force, and the end of packs that must be deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import PlatformError
from memporium_services.vault.app.receipts import LICENCE_ENDED

if TYPE_CHECKING:
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.ports import EntitlementChange

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


class Entitlements:
    """Keeps `Runtime.dead` true to the memstore's word."""

    def __init__(self, rt: Runtime, forgetting: Forgetting) -> None:
        """Work on these ports."""
        self._rt = rt
        self._forgetting = forgetting

    async def load(self) -> None:
        """Take up what was known before the restart, so that no dead agreement lives until the watch is there."""
        self._rt.dead.update(await self._rt.db.read(lambda conn: self._rt.store(conn).dead_agreements()))

    async def run(self) -> None:
        """Follow the watch for ever; where memstore is away, try again."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                with acting_as(service_principal("vault")):
                    # The full state each time: an entitlement may have changed while nobody watched.
                    async for change in self._rt.gate.watch(0):
                        pause_s = _FIRST_PAUSE_S
                        await self.take_in(change)
            except PlatformError as error:
                _log.debug("vault.entitlements_away", reason=error.reason.value)
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def take_in(self, change: EntitlementChange) -> None:
        """Keep one agreement's state; where it has ended with the duty to delete, erase its packs."""
        rt = self._rt
        state = change.state if change.dead else ""
        known = rt.dead.get(change.agreement, "")
        if state:
            # In memory first: the next use is refused before the row is written.
            rt.dead[change.agreement] = state
        else:
            rt.dead.pop(change.agreement, None)
        if state != known:
            await rt.db.write(lambda conn: rt.store(conn).save_agreement(change.agreement, state, change.revision))
            _log.info("vault.agreement", agreement=change.agreement, state=change.state)
        if change.erase:
            await self._erase(change.agreement)

    async def _erase(self, agreement: str) -> None:
        rt = self._rt
        packs = await rt.db.read(lambda conn: rt.store(conn).vaults_of_agreement(agreement))
        for vault in packs:
            with acting_as(service_principal("vault")) as call:
                await self._forgetting.erase(
                    call, vault.org, vault.name, vault, reason=f"{agreement} has ended", kind=LICENCE_ENDED
                )
            _log.info("vault.pack_erased", vault=vault.name, agreement=agreement)
