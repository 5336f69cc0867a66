"""Agreements: shown to their parties, suspended, resumed, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.names import ORG
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.contract import change_state
from memporium_services.memstore.app.market import (
    PLATFORM_ACTOR,
    Move,
    Page,
    Shown,
    caller_org,
    last_part,
    move_by,
    refuse,
    sees_all,
)
from memporium_services.memstore.domain.machine import Side

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction

# Agreements that one transaction lets expire.
_BATCH = 100


def party_agreement(tx: Transaction, name: str) -> Agreement:
    """Return an agreement that the caller's organisation is a party of.

    Raises:
        PlatformError: PERMISSION_DENIED, also where it does not exist.
    """
    agreement = tx.agreements.get(name, party="" if sees_all() else caller_org())
    if agreement is None or not (sees_all() or agreement.side_of(caller_org())):
        refuse(name)
    return agreement


class Agreements:
    """The contracts."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def get(self, name: str) -> Shown[Agreement]:
        """Return an agreement of the caller's organisation."""
        return await self._market.store.read(lambda tx: _shown(tx, party_agreement(tx, name)))

    async def list_of(self, parent: str, *, listing: str, state: str, size: int, token: str) -> Page[Shown[Agreement]]:
        """Return the agreements of an organisation, newest first."""
        org, limit = ORG.parse(parent, "parent")["org"], page_size(size)
        scope = f"ListAgreements/{org}/{listing}/{state}"
        after = self._market.after(scope, token)

        def fetch(tx: Transaction) -> list[Shown[Agreement]]:
            found = tx.agreements.find(
                limit=limit + 1, after=after, newest=True, party=org, listing=listing, state=state
            )
            return [_shown(tx, agreement) for agreement in found]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda shown: last_part(shown.entity.name))

    async def move(self, name: str, trigger: str, *, reason: str) -> Shown[Agreement]:
        """Move an agreement to another state, for the caller's side; whoever watches is told at once."""
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            before = party_agreement(tx, name)
            side = before.side_of(caller_org())
            if side is None:
                refuse(name)
            call = current_call()
            move = move_by(call, signer, reason=reason, now=now)
            after = change_state(tx, before, trigger, side=side, move=move)
            details = {"from": before.state.value, "to": after.state.value, "revision": str(after.revision)}
            tx.audit(call, name, details, now)
            return name

        shown = await self._market.mutate(work, lambda tx, changed: _shown(tx, party_agreement(tx, changed)))
        self._market.entitlements_changed.fire()
        return shown

    async def expire_due(self) -> int:
        """Let agreements expire whose time is over; return how many."""
        signer = await self._market.signers.of("")

        def work(tx: Transaction) -> int:
            now_us = to_us(self._market.clock.now())
            due = tx.agreements_due(now_us, _BATCH)
            for agreement in due:
                move = Move(signer, PLATFORM_ACTOR, "", "its time is over", now_us)
                change_state(tx, agreement, "expire", side=Side.PLATFORM, move=move)
            return len(due)

        now_us = to_us(self._market.clock.now())
        nearest = await self._market.store.read(lambda tx: tx.next_expiry())
        if not nearest or nearest > now_us:
            return 0
        expired = await self._market.store.write(work)
        self._market.entitlements_changed.fire()
        return expired


def _shown(tx: Transaction, agreement: Agreement) -> Shown[Agreement]:
    terms, document = tx.document(agreement.terms_sha256), tx.document(agreement.document_sha256)
    return Shown(agreement, terms, document, tuple(tx.steps(agreement.name)))
