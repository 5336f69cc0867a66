"""Negotiations: two organisations on their way to an agreement, each step signed by the side that makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.names import AGREEMENT, NEGOTIATION, ORG, new_id
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.contract import document_of, put_in_force, sign_document
from memporium_services.memstore.app.market import (
    PLATFORM_ACTOR,
    Move,
    Page,
    Shown,
    caller_org,
    last_part,
    refuse,
    sees_all,
    sign_step,
)
from memporium_services.memstore.app.offers import open_offer
from memporium_services.memstore.app.share_alike import bound_listing
from memporium_services.memstore.domain.agreements import AgreementState
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import Negotiation, NegotiationState, step

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.prices import PricePlan
    from memporium_services.memstore.ports import Signer, Transaction


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is put on the table; empty terms and no price leave what lies there."""

    terms: bytes = b""
    price: PricePlan | None = None


@dataclass(frozen=True, slots=True)
class _Keys:
    """Signers of both sides and of the platform: the provider's also signs what its offer agrees to by itself."""

    provider: Signer
    consumer: Signer
    platform: Signer


class Negotiations:
    """The talks."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def request(self, offer: str, proposal: Proposal, *, renews: str, reason: str) -> Shown[Negotiation]:
        """Ask for an agreement on an offer, for the caller's organisation."""
        consumer = caller_org()
        provider = await self._market.store.read(lambda tx: open_offer(tx, offer)[0].org)
        if provider == consumer:
            raise invalid("offer", "is of the caller's own organisation, which needs no agreement")
        keys = await self._keys(provider, consumer)

        def work(tx: Transaction, now: datetime) -> str:
            found, listing = open_offer(tx, offer)
            _check_renewal(tx, renews, listing.name, consumer)
            terms = tx.put_document(proposal.terms) if proposal.terms else found.terms_sha256
            price = proposal.price or found.price
            talks = Negotiation(
                name=NEGOTIATION.format(org=provider, negotiation=new_id(now)),
                provider=provider,
                consumer=consumer,
                listing=listing.name,
                offer=offer,
                terms_sha256=terms,
                price=price,
                automatic=found.auto_agree and terms == found.terms_sha256 and price == found.price,
                renews=renews,
                create_us=to_us(now),
                update_us=to_us(now),
            )
            move = _own_move(keys.consumer, reason, now)
            states = ("", talks.state.value, "request")
            sign_step(tx, move, resource=talks.name, sequence=1, states=states)
            if talks.automatic:
                talks = _advance(tx, talks, "agree", side=Side.PROVIDER, move=_auto_move(keys.provider, provider, now))
                talks = _agreed(tx, talks, keys.provider, now)
            tx.negotiations.put(talks)
            tx.audit(current_call(), talks.name, {"state": talks.state.value, "terms_sha256": terms}, now)
            return talks.name

        return await self._market.mutate(work, _show)

    async def amend(self, agreement: str, proposal: Proposal, *, reason: str) -> Shown[Negotiation]:
        """Propose other terms or another price for an agreement in force, for the caller's side."""

        def find(tx: Transaction) -> Agreement:
            found = tx.agreements.get(agreement, party=caller_org())
            return refuse(agreement) if found is None else found

        old = await self._market.store.read(find)
        keys = await self._keys(old.provider, old.consumer)
        side = old.side_of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            before = find(tx)
            if before.state is not AgreementState.ACTIVE:
                metadata = {"resource": agreement, "state": before.state.value}
                raise PlatformError(Reason.FAILED_PRECONDITION, f"{agreement} is not active", metadata=metadata)
            terms = tx.put_document(proposal.terms) if proposal.terms else before.terms_sha256
            price = proposal.price or before.price
            if (terms, price) == (before.terms_sha256, before.price):
                raise invalid("terms", "must be other terms, or another price, than those that hold")
            state = NegotiationState.OFFERED if side is Side.PROVIDER else NegotiationState.REQUESTED
            talks = Negotiation(
                name=NEGOTIATION.format(org=before.provider, negotiation=new_id(now)),
                provider=before.provider,
                consumer=before.consumer,
                listing=before.listing,
                offer=before.offer,
                terms_sha256=terms,
                price=price,
                state=state,
                renews=agreement,
                create_us=to_us(now),
                update_us=to_us(now),
            )
            own = keys.provider if side is Side.PROVIDER else keys.consumer
            states = ("", state.value, "amend")
            sign_step(tx, _own_move(own, reason, now), resource=talks.name, sequence=1, states=states)
            tx.negotiations.put(talks)
            tx.audit(current_call(), talks.name, {"state": state.value, "renews": agreement}, now)
            return talks.name

        return await self._market.mutate(work, _show)

    async def counter(self, name: str, sequence: int, proposal: Proposal, *, reason: str) -> Shown[Negotiation]:
        """Propose other terms or another price."""

        def change(tx: Transaction, talks: Negotiation, _keys: _Keys, _now: datetime) -> Negotiation:
            terms = tx.put_document(proposal.terms) if proposal.terms else talks.terms_sha256
            return replace(talks, terms_sha256=terms, price=proposal.price or talks.price, automatic=False)

        return await self._step(name, sequence, "counter", reason=reason, change=change)

    async def accept(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Accept the provider's offer."""
        return await self._step(name, sequence, "accept", reason=reason)

    async def agree(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Agree and sign, as the provider."""

        def change(tx: Transaction, talks: Negotiation, keys: _Keys, now: datetime) -> Negotiation:
            return _agreed(tx, talks, keys.provider, now)

        return await self._step(name, sequence, "agree", reason=reason, change=change)

    async def verify(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Verify the document and sign it, as the consumer; closes where the offer agrees by itself."""

        def change(tx: Transaction, talks: Negotiation, keys: _Keys, now: datetime) -> Negotiation:
            signed = sign_document(tx, talks, keys.consumer, talks.consumer, now)
            if not talks.automatic:
                return signed
            move = _auto_move(keys.provider, talks.provider, now)
            closed = _advance(tx, signed, "finalize", side=Side.PROVIDER, move=move)
            put_in_force(tx, closed, move, keys.platform, now)
            return closed

        return await self._step(name, sequence, "verify", reason=reason, change=change)

    async def finalize(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """Close, as the provider: the agreement comes into force."""

        def change(tx: Transaction, talks: Negotiation, keys: _Keys, now: datetime) -> Negotiation:
            put_in_force(tx, talks, _own_move(keys.provider, reason, now), keys.platform, now)
            return talks

        return await self._step(name, sequence, "finalize", reason=reason, change=change)

    async def terminate(self, name: str, sequence: int, *, reason: str) -> Shown[Negotiation]:
        """End the talks without an agreement."""
        return await self._step(name, sequence, "terminate", reason=reason)

    async def get(self, name: str) -> Shown[Negotiation]:
        """Return a negotiation of the caller's organisation."""

        def fetch(tx: Transaction) -> Shown[Negotiation]:
            talks = tx.negotiations.get(name, party="" if sees_all() else caller_org())
            if talks is None or not (sees_all() or talks.side_of(caller_org())):
                refuse(name)
            return _shown(tx, talks)

        return await self._market.store.read(fetch)

    async def list_of(self, parent: str, *, listing: str, size: int, token: str) -> Page[Shown[Negotiation]]:
        """Return the negotiations of an organisation, newest first."""
        org, limit = ORG.parse(parent, "parent")["org"], page_size(size)
        scope = f"ListNegotiations/{org}/{listing}"
        after = self._market.after(scope, token)

        def fetch(tx: Transaction) -> list[Shown[Negotiation]]:
            found = tx.negotiations.find(limit=limit + 1, after=after, newest=True, party=org, listing=listing)
            return [_shown(tx, talks) for talks in found]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda shown: last_part(shown.entity.name))

    async def _keys(self, provider: str, consumer: str) -> _Keys:
        signers = self._market.signers
        return _Keys(await signers.of(provider), await signers.of(consumer), await signers.of(""))

    async def _step(
        self,
        name: str,
        sequence: int,
        trigger: str,
        *,
        reason: str,
        change: Callable[[Transaction, Negotiation, _Keys, datetime], Negotiation] | None = None,
    ) -> Shown[Negotiation]:
        """Make one step for the caller's side; `change` does what belongs to it."""
        before = (await self.get(name)).entity
        keys = await self._keys(before.provider, before.consumer)

        def work(tx: Transaction, now: datetime) -> str:
            talks = tx.negotiations.get(name)
            side = talks.side_of(caller_org()) if talks is not None else None
            if talks is None or side is None:
                refuse(name)
            own = keys.provider if side is Side.PROVIDER else keys.consumer
            after = _advance(tx, talks, trigger, side=side, move=_own_move(own, reason, now), sequence=sequence)
            if change is not None:
                after = change(tx, after, keys, now)
            tx.negotiations.put(after)
            details = {"from": talks.state.value, "to": after.state.value, "sequence": str(after.sequence)}
            tx.audit(current_call(), name, details, now)
            return name

        shown = await self._market.mutate(work, _show)
        if shown.entity.state is NegotiationState.FINALIZED:
            self._market.entitlements_changed.fire()
        return shown


def _advance(
    tx: Transaction, talks: Negotiation, trigger: str, *, side: Side, move: Move, sequence: int | None = None
) -> Negotiation:
    seen = talks.sequence if sequence is None else sequence
    after = step(talks, trigger, side=side, sequence=seen, now_us=move.time_us)
    states = (talks.state.value, after.state.value, trigger)
    sign_step(tx, move, resource=talks.name, sequence=after.sequence, states=states)
    return after


def _agreed(tx: Transaction, talks: Negotiation, signer: Signer, now: datetime) -> Negotiation:
    """Write the document that both will sign; the provider signs at once."""
    bound_listing(tx, talks.listing, talks.terms_sha256)
    named = replace(talks, agreement=AGREEMENT.format(org=talks.provider, agreement=new_id(now)))
    digest = tx.put_document(document_of(named, now))
    return sign_document(tx, replace(named, document_sha256=digest), signer, talks.provider, now)


def _own_move(signer: Signer, reason: str, now: datetime) -> Move:
    principal = current_call().principal
    return Move(signer, principal.name, f"orgs/{principal.org}", reason, to_us(now))


def _auto_move(signer: Signer, provider: str, now: datetime) -> Move:
    return Move(signer, PLATFORM_ACTOR, f"orgs/{provider}", "the offer agrees by itself", to_us(now))


def _check_renewal(tx: Transaction, renews: str, listing: str, consumer: str) -> None:
    if not renews:
        return
    old = tx.agreements.get(renews)
    if old is None or old.consumer != consumer or old.listing != listing:
        raise invalid("renews", "must be an agreement of the two organisations on this listing")
    if old.state is not AgreementState.ACTIVE:
        metadata = {"resource": renews, "state": old.state.value}
        raise PlatformError(Reason.FAILED_PRECONDITION, f"{renews} is not active", metadata=metadata)


def _show(tx: Transaction, name: str) -> Shown[Negotiation]:
    talks = tx.negotiations.get(name)
    if talks is None:
        refuse(name)
    return _shown(tx, talks)


def _shown(tx: Transaction, talks: Negotiation) -> Shown[Negotiation]:
    document = tx.document(talks.document_sha256)
    return Shown(talks, tx.document(talks.terms_sha256), document, tuple(tx.steps(talks.name)))
