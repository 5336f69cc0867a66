"""Negotiations, agreements and uses where the provider is on another platform; all others as before."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.names import AGREEMENT, OFFER
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import Agreements, party_agreement
from memporium_services.memstore.app.entitlements import Entitlements
from memporium_services.memstore.app.market import caller_org, refuse
from memporium_services.memstore.app.negotiations import Negotiations
from memporium_services.memstore.app.peering.following import require_lease
from memporium_services.memstore.app.peering.outbox import refused, settled
from memporium_services.memstore.domain.agreements import AGREEMENT_MACHINE, AgreementState
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import NegotiationState
from memporium_services.memstore.domain.peering import names
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.prices import PricePlan
from memporium_services.memstore.domain.statement import AGREEMENT_TYPE, pre_authentication_encoding

if TYPE_CHECKING:
    from memporium_services.memstore.app.consents import Consents
    from memporium_services.memstore.app.entitlements import Granted, UseRequest
    from memporium_services.memstore.app.market import Market, Shown
    from memporium_services.memstore.app.negotiations import Proposal
    from memporium_services.memstore.app.peering.outbox import Outbox
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.negotiations import Negotiation
    from memporium_services.memstore.ports import Transaction

_PRICE: TypeAdapter[PricePlan] = TypeAdapter(PricePlan)
# Agreements that one transaction lets expire.
_BATCH = 100


class PeerNegotiations(Negotiations):
    """The talks; with a provider on another platform each step goes there first."""

    def __init__(self, market: Market, peering: Peering, outbox: Outbox) -> None:
        """Send steps by the outbox."""
        super().__init__(market)
        self._peering, self._outbox = peering, outbox

    async def request(self, offer: str, proposal: Proposal, *, renews: str, reason: str) -> Shown[Negotiation]:
        """Ask for an agreement on an offer, for the caller's organisation."""
        if not names.names_foreign(offer):
            return await super().request(offer, proposal, renews=renews, reason=reason)
        OFFER.parse(offer, "offer")
        peer = await self._known(offer)
        entry = await self._outbox.say(
            peer,
            caller_org(),
            kind="request",
            trigger="request",
            about=offer,
            sequence=0,
            renews=self._peering.there(renews, peer.id),
            reason=reason,
            **self._proposed(proposal, peer.id),
        )
        return await self.get(settled(entry).result)

    async def amend(self, agreement: str, proposal: Proposal, *, reason: str) -> Shown[Negotiation]:
        """Propose other terms or another price for an agreement in force, for the caller's side."""
        if not names.names_foreign(agreement):
            return await super().amend(agreement, proposal, reason=reason)
        AGREEMENT.parse(agreement, "name")
        known = await self._peering.market.store.read(lambda tx: party_agreement(tx, agreement))
        peer = await self._known(agreement)
        entry = await self._outbox.say(
            peer,
            known.consumer,
            kind="amend",
            trigger="amend",
            about=agreement,
            sequence=0,
            reason=reason,
            **self._proposed(proposal, peer.id),
        )
        return await self.get(settled(entry).result)

    async def counter(self, name: str, sequence: int, proposal: Proposal, *, reason: str) -> Shown[Negotiation]:
        """Propose other terms or another price."""
        if not names.names_foreign(name):
            return await super().counter(name, sequence, proposal, reason=reason)
        peer = await self._known(name)
        return await self._say(name, sequence, "counter", reason, **self._proposed(proposal, peer.id))

    async def accept(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Accept the provider's offer."""
        if not names.names_foreign(name):
            return await super().accept(name, sequence, reason=reason)
        return await self._say(name, sequence, "accept", reason)

    async def verify(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Verify the document and sign it, as the consumer."""
        if not names.names_foreign(name):
            return await super().verify(name, sequence, reason=reason)
        shown = await self.get(name)
        if shown.entity.state is not NegotiationState.AGREED and shown.entity.sequence == sequence:
            metadata = {"resource": name, "state": shown.entity.state.value, "trigger": "verify"}
            text = f"{name} is {shown.entity.state.value}: verify is not possible"
            raise PlatformError(Reason.ILLEGAL_TRANSITION, text, metadata=metadata)
        peer = names.peer_of(names.org_in(name))
        _check_document(shown, lambda here: self._peering.there(here, peer))
        signer = await self._peering.market.signers.of(shown.entity.consumer)
        signature = signer.sign(pre_authentication_encoding(AGREEMENT_TYPE, shown.document))
        return await self._say(name, sequence, "verify", reason, document_signature=signature.hex())

    async def terminate(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """End the talks without an agreement."""
        if not names.names_foreign(name):
            return await super().terminate(name, sequence, reason=reason)
        return await self._say(name, sequence, "terminate", reason)

    async def agree(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Agree and sign, as the provider."""
        await self._not_providers(name, "agree")
        return await super().agree(name, sequence, reason=reason)

    async def finalize(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Close, as the provider: the agreement comes into force."""
        await self._not_providers(name, "finalize")
        return await super().finalize(name, sequence, reason=reason)

    async def _not_providers(self, name: str, trigger: str) -> None:
        if names.names_foreign(name):
            state = (await self.get(name)).entity.state.value
            metadata = {"resource": name, "state": state, "trigger": trigger}
            text = f"{name} is {state}: {trigger} is for its provider"
            raise PlatformError(Reason.ILLEGAL_TRANSITION, text, metadata=metadata)

    async def _say(self, name: str, sequence: int, trigger: str, reason: str, **fields: Any) -> Shown[Negotiation]:
        talks = (await self.get(name)).entity
        if not 1 <= sequence <= talks.sequence:
            text = f"{name} is at step {talks.sequence} ({talks.state.value}); read it again"
            raise PlatformError(Reason.CONFLICT, text, metadata={"resource": name})
        peer = await self._known(name)
        entry = await self._outbox.say(
            peer, talks.consumer, kind="step", trigger=trigger, about=name, sequence=sequence, reason=reason, **fields
        )
        return await self.get(settled(entry).result)

    async def _known(self, name: str) -> Any:
        peer = names.peer_of(names.org_in(name))
        found = await self._peering.market.store.read(lambda tx: tx.peering.peer(peer))
        if found is None:
            refuse(name)
        return found

    def _proposed(self, proposal: Proposal, peer: str) -> dict[str, Any]:
        price = proposal.price
        if price is not None and price.release:
            price = replace(price, release=self._peering.there(price.release, peer))
        return {
            "terms": base64.b64encode(proposal.terms).decode(),
            "price": None if price is None else _PRICE.dump_python(price, mode="json"),
        }


class PeerAgreements(Agreements):
    """The contracts."""

    def __init__(self, market: Market, outbox: Outbox) -> None:
        """Send steps by the outbox."""
        super().__init__(market)
        self._outbox = outbox

    async def move(self, name: str, trigger: str, *, reason: str) -> Shown[Agreement]:
        """Move an agreement to another state, for the caller's side.

        What the consumer cancels ends here at once; the provider's platform then says what became of it.
        """
        if not names.names_foreign(name):
            return await super().move(name, trigger, reason=reason)
        agreement = (await self.get(name)).entity
        state = AGREEMENT_MACHINE.move(name, agreement.state, trigger, Side.CONSUMER)
        peer = await self._market.store.read(lambda tx: tx.peering.peer(names.peer_of(agreement.provider)))
        if peer is None:
            refuse(name)

        def end(tx: Transaction) -> None:
            before = party_agreement(tx, name)
            tx.agreements.put(_ended(tx, before, state, reason, to_us(self._market.clock.now())))

        entry = await self._outbox.say(
            peer,
            agreement.consumer,
            kind="cancel",
            trigger=trigger,
            about=name,
            sequence=agreement.sequence,
            alongside=end,
            reason=reason,
        )
        self._market.entitlements_changed.fire()
        if entry.state is EntryState.REFUSED:
            raise refused(entry)
        return await self.get(name)

    async def expire_due(self) -> int:
        """Let agreements expire whose time is over; return how many."""
        return await super().expire_due() + await self._expire_mirrored()

    async def _expire_mirrored(self) -> int:
        """End those whose time is over by the clock here, also where the provider's platform is away.

        The step itself is the provider's platform's to make, so none is made here.
        """
        now_us = to_us(self._market.clock.now())
        if not await self._market.store.read(lambda tx: tx.peering.mirrored_due(now_us, limit=1)):
            return 0

        def work(tx: Transaction) -> int:
            due = tx.peering.mirrored_due(now_us, limit=_BATCH)
            for name in due:
                agreement = tx.agreements.get(name)
                if agreement is not None:
                    tx.agreements.put(_ended(tx, agreement, AgreementState.EXPIRED, "its time is over", now_us))
            return len(due)

        ended = await self._market.store.write(work)
        self._market.entitlements_changed.fire()
        return ended


class PeerEntitlements(Entitlements):
    """The counters' keeper; memory of another platform is used under its lease, and off that platform."""

    def __init__(self, market: Market, me: str, consents: Consents) -> None:
        """Work on the market of platform `me`."""
        super().__init__(market, consents)
        self._me = me

    async def reserve(self, request: UseRequest) -> Granted:
        """Decide whether a use is permitted and take it from the quotas.

        Raises:
            PlatformError: PERMISSION_DENIED, LICENCE_* or RATE_LIMITED.
        """
        if not names.names_foreign(request.agreement):
            return await super().reserve(request)
        now_us = to_us(self._market.clock.now())
        await self._market.store.read(lambda tx: self._check_lease(tx, request.agreement, now_us))
        peer = names.peer_of(names.org_in(request.agreement))
        recipients = {names.to_there(each, platform=self._me, peer=peer) for each in request.recipients}
        if not recipients and request.organisation:
            recipients = {names.to_there(request.organisation, platform=self._me, peer=peer)}
        return await super().reserve(replace(request, off_platform=True, recipients=frozenset(recipients)))

    def _check_lease(self, tx: Transaction, name: str, now_us: int) -> None:
        agreement = tx.agreements.get(name)
        # What has ended says so, whether there is a lease or not.
        if agreement is not None and agreement.state in {AgreementState.ACTIVE, AgreementState.RENEWED}:
            require_lease(tx, name, now_us)


def _ended(tx: Transaction, agreement: Agreement, state: AgreementState, reason: str, now_us: int) -> Agreement:
    """Return an agreement that has ended here, before the provider's platform says so."""
    return replace(agreement, state=state, reason=reason, revision=tx.next_number("entitlements"), update_us=now_us)


def _check_document(shown: Shown[Negotiation], there: Any) -> None:
    """Demand that the document says what was negotiated, before it is signed.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    talks = shown.entity
    try:
        document = json.loads(shown.document)
    except ValueError as error:
        raise invalid("name", "has no document to sign") from error
    expected = {
        "agreement": there(talks.agreement),
        "negotiation": there(talks.name),
        "provider": there(f"orgs/{talks.provider}"),
        "consumer": there(f"orgs/{talks.consumer}"),
        "listing": there(talks.listing),
        "offer": there(talks.offer),
        "renews": there(talks.renews),
        "release": there(talks.price.release),
        "terms_sha256": talks.terms_sha256,
    }
    wrong = [key for key, value in expected.items() if document.get(key) != value]
    price = _PRICE.dump_python(replace(talks.price, release=there(talks.price.release)), mode="json")
    if document.get("price") != price:
        wrong.append("price")
    if wrong:
        text = f"the document differs from what was negotiated: {', '.join(wrong)}"
        raise PlatformError(Reason.INTEGRITY_FAILURE, text, metadata={"resource": talks.name})
