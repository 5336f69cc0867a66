"""Consents where the provider is on another platform: asked for and withdrawn there first; all others as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.consents import Consents, askable, of_party, shown
from memporium_services.memstore.app.market import caller_org, refuse
from memporium_services.memstore.app.peering.outbox import settled
from memporium_services.memstore.app.peering.records import account_of
from memporium_services.memstore.domain.consents import CONSENT_MACHINE, Consent, ConsentState, consent_name
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.peering import names, speech

if TYPE_CHECKING:
    from memporium_services.memstore.app.market import Market, Shown
    from memporium_services.memstore.app.peering.outbox import Outbox
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.ports import Transaction


class PeerConsents(Consents):
    """The consents."""

    def __init__(self, market: Market, peering: Peering, outbox: Outbox) -> None:
        """Send steps by the outbox."""
        super().__init__(market)
        self._peering, self._outbox = peering, outbox

    async def request(self, parent: str, action: str, purpose: str, reason: str) -> Shown[Consent]:
        """Ask for a consent, for the caller's organisation; where there is one already, return that."""
        if not names.names_foreign(parent):
            return await super().request(parent, action, purpose, reason)

        def look(tx: Transaction) -> Consent | None:
            return tx.consents.get(consent_name(askable(tx, parent, purpose).name, action, purpose))

        known, now_us = await self._market.store.read(look), to_us(self._market.clock.now())
        name = consent_name(parent, action, purpose)
        if known is None or not (known.state is ConsentState.REQUESTED or known.holds(now_us)):
            entry = await self._outbox.say(
                await self._peer(name),
                caller_org(),
                kind=speech.ASKING,
                trigger="request",
                about=name,
                sequence=0 if known is None else known.sequence,
                action=action,
                purpose=purpose,
                reason=reason,
            )
            settled(entry)
        return await self._get(name)

    async def ask_for(self, name: str, agreement_name: str, action: str, purpose: str) -> None:
        """Ask for the consent that a use was refused for, once; whoever wanted the use does not wait for it."""
        if not names.names_foreign(name):
            await super().ask_for(name, agreement_name, action, purpose)
            return
        peer = await self._peer(name)
        there = self._peering.there(name, peer.id)

        def asked(tx: Transaction) -> tuple[bool, str]:
            agreement = tx.agreements.get(agreement_name)
            known = tx.consents.get(name) is not None or tx.peering.at(peer.id, there, 0, sent=True)
            return bool(known) or agreement is None, agreement.consumer if agreement is not None else ""

        known, consumer = await self._market.store.read(asked)
        if not known:
            await self._outbox.say(
                peer,
                consumer,
                kind=speech.ASKING,
                trigger="request",
                about=name,
                sequence=0,
                unasked=True,
                action=action,
                purpose=purpose,
                reason="a use was refused for want of it",
            )

    async def decide(self, name: str, trigger: str, *, reason: str, expire_us: int = 0) -> Shown[Consent]:
        """Give, refuse or take back a consent, for the caller's side."""
        if not names.names_foreign(name):
            return await super().decide(name, trigger, reason=reason, expire_us=expire_us)
        consent = await self._market.store.read(lambda tx: of_party(tx, name))
        CONSENT_MACHINE.move(name, consent.state, trigger, Side.CONSUMER)
        entry = await self._outbox.say(
            await self._peer(name),
            consent.consumer,
            kind=speech.ASKING,
            trigger=trigger,
            about=name,
            sequence=consent.sequence,
            reason=reason,
        )
        settled(entry)
        return await self._get(name)

    async def _get(self, name: str) -> Shown[Consent]:
        return await self._market.store.read(lambda tx: shown(tx, of_party(tx, name)))

    async def _peer(self, name: str) -> Peer:
        peer = names.peer_of(names.org_in(name))
        found = await self._market.store.read(lambda tx: tx.peering.peer(peer))
        if found is None:
            refuse(account_of(name))
        return found
