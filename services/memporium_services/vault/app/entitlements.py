"""Follows the state of agreements: a local table of those not in force, and the end of packs that must be deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import PlatformError
from memporium_services.vault.app.forget_asked import Chosen
from memporium_services.vault.app.receipts import LICENCE_ENDED
from memporium_services.vault.app.subjects import ALL_STATES
from memporium_services.vault.domain.lifecycle import Trigger
from memporium_services.vault.domain.rows import EndedPack
from memporium_services.vault.domain.selection import Selection

if TYPE_CHECKING:
    from memporium_services.vault.app.erasing import Erasing
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.ports import EntitlementChange, Store

_log = structlog.get_logger(__name__)

# Cubes that one transaction removes.
_AT_ONCE = 500
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


class Entitlements:
    """Keeps `Runtime.dead` true to the memstore's word."""

    def __init__(self, rt: Runtime, forgetting: Forgetting, erasing: Erasing) -> None:
        """Work on these ports."""
        self._rt = rt
        self._forgetting = forgetting
        self._erasing = erasing

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
            await self._erase(change)

    async def _erase(self, change: EntitlementChange) -> None:
        """Delete the packs of an agreement, and what was made of them elsewhere."""
        rt, agreement = self._rt, change.agreement
        packs, others = await rt.db.read(lambda conn: _holders(rt.store(conn), agreement))
        for vault in others:
            await self._erase_derived(vault, agreement)
        for vault in packs:
            pack = EndedPack(vault.org, vault.vault_id, agreement, change.state, change.reason, "", rt.now_us())
            with acting_as(service_principal("vault")) as call:
                await self._erasing.erase(
                    call, vault.org, vault.name, vault, reason=_reason(agreement), kind=LICENCE_ENDED, ended=pack
                )
            _log.info("vault.pack_erased", vault=vault.name, agreement=agreement)

    async def _erase_derived(self, vault: VaultRow, agreement: str) -> None:
        """Forget the cubes of a vault that carry an agreement's licence, frozen or held as they may be."""
        rt = self._rt
        cipher = await rt.cipher(vault)
        selection = Selection(agreements=(agreement,), states=ALL_STATES)

        def choose(store: Store) -> Chosen:
            return Chosen(store.select(vault.uid, selection, order="name", after=None, limit=_AT_ONCE))

        while await rt.db.read(lambda conn: bool(choose(rt.store(conn, cipher.token)).rows)):
            with acting_as(service_principal("vault")) as call:
                done = await self._forgetting.remove(
                    call,
                    vault,
                    cipher,
                    choose,
                    reason=_reason(agreement),
                    trigger=Trigger.FORGET,
                    kind=LICENCE_ENDED,
                )
            cubes = done.receipt.cubes if done.receipt is not None else 0
            _log.info("vault.derived_erased", vault=vault.name, agreement=agreement, cubes=cubes)
        await rt.db.write(lambda conn: rt.store(conn).forget_licensed(vault.uid, agreement))


def _holders(store: Store, agreement: str) -> tuple[list[VaultRow], list[VaultRow]]:
    """Return the packs of an agreement, and the other vaults that may hold cubes under it."""
    packs = store.vaults_of_agreement(agreement)
    present = [store.vault_by_uid(uid) for uid in store.licensed_vaults(agreement)]
    mine = {pack.uid for pack in packs}
    return packs, [vault for vault in present if vault is not None and vault.uid not in mine]


def _reason(agreement: str) -> str:
    return f"{agreement} has ended"
