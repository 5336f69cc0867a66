"""Consents: asked for by the consumer or by a use that wants one, given, refused and taken back by the provider."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.licence.terms import DutyKind
from memporium_platform.names import new_id
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import (
    Page,
    Shown,
    caller_org,
    last_part,
    move_by,
    parsed_terms,
    refuse,
    sees_all,
    sign_step,
)
from memporium_services.memstore.domain.consents import CONSENT_MACHINE, Consent, ConsentState, consent_name
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.subscriptions import EventKind, MarketEvent

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_platform.licence.terms import Terms
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Signer, Transaction

_MAX_PURPOSE = 200


def demand_consent(tx: Transaction, agreement: Agreement, terms: Terms, action: str, purpose: str, now_us: int) -> None:
    """Refuse a use that needs a consent and has none.

    Raises:
        PlatformError: LICENCE_NOT_PERMITTED, with the consent's name.
    """
    if not terms.has_duty(DutyKind.OBTAIN_CONSENT):
        return
    name = consent_name(agreement.name, action, purpose)
    consent = tx.consents.get(name)
    if consent is not None and consent.holds(now_us):
        return
    metadata = {"agreement": agreement.name, "action": action, "term": "obtain_consent", "consent": name}
    raise PlatformError(Reason.LICENCE_NOT_PERMITTED, _why(consent, agreement.provider), metadata=metadata)


def _why(consent: Consent | None, provider: str) -> str:
    asked = f"the licence asks for consent of orgs/{provider} to this use"
    if consent is None:
        return f"{asked}, which has been asked for"
    if consent.state is ConsentState.GRANTED:
        return f"{asked}, and the one that was given has expired"
    state = {"REQUESTED": "and it has not answered yet"}.get(consent.state.value, f"which is {consent.state.lower()}")
    return f"{asked}, {state}" + (f": {consent.reason}" if consent.reason else "")


class Consents:
    """Consents of agreements."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def request(self, parent: str, action: str, purpose: str, reason: str) -> Shown[Consent]:
        """Ask for a consent, for the caller's organisation; where there is one already, return that."""
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            agreement = askable(tx, parent, purpose)
            return ask(tx, agreement, action, purpose, signer=signer, reason=reason, now=now).name

        made = await self._market.mutate(work, _show)
        self._market.events_added.fire()
        return made

    async def ask_for(self, name: str, agreement_name: str, action: str, purpose: str) -> None:
        """Ask for the consent that a use was refused for, on behalf of whoever wanted the use; once."""
        signer = await self._market.signers.of(caller_org() or "")

        def work(tx: Transaction) -> bool:
            agreement = tx.agreements.get(agreement_name)
            if agreement is None or tx.consents.get(name) is not None:
                return False
            now = self._market.clock.now()
            ask(tx, agreement, action, purpose, signer=signer, reason="a use was refused for want of it", now=now)
            return True

        if await self._market.store.write(work):
            self._market.events_added.fire()

    async def decide(self, name: str, trigger: str, *, reason: str, expire_us: int = 0) -> Shown[Consent]:
        """Give, refuse or take back a consent, for the caller's side."""
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            before = of_party(tx, name)
            side = before.side_of(caller_org())
            if side is None:
                refuse(name)
            if expire_us and expire_us <= to_us(now):
                raise invalid("expire_time", "must lie in the future")
            after = _moved(tx, before, trigger, side=side, signer=signer, reason=reason, now=now)
            tx.consents.put(replace(after, expire_us=expire_us))
            agreement = tx.agreements.get(before.agreement)
            if agreement is not None:
                other = before.consumer if side is Side.PROVIDER else before.provider
                text = f"{told(after.action, after.purpose)}: {after.state.lower()}"
                tell(tx, agreement, EventKind.CONSENT_DECIDED, text, only_for=other, now=now)
            tx.audit(current_call(), name, {"from": before.state.value, "to": after.state.value}, now)
            return name

        made = await self._market.mutate(work, _show)
        self._market.events_added.fire()
        return made

    async def list_of(self, parent: str, *, state: str, size: int, token: str) -> Page[Shown[Consent]]:
        """Return the consents of an agreement."""
        limit = page_size(size)
        scope = f"ListConsents/{parent}/{state}"
        after = self._market.after(scope, token)

        def fetch(tx: Transaction) -> list[Shown[Consent]]:
            name = party_agreement(tx, parent).name
            found = tx.consents.find(limit=limit + 1, after=after, agreement=name, state=state)
            return [shown(tx, consent) for consent in found]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda one: last_part(one.entity.name))


def askable(tx: Transaction, parent: str, purpose: str) -> Agreement:
    """Return an agreement under which the caller's organisation may ask for consent.

    Raises:
        PlatformError: PERMISSION_DENIED, INVALID_FIELD; FAILED_PRECONDITION where the licence asks for none.
    """
    agreement = party_agreement(tx, parent)
    if agreement.consumer != caller_org():
        refuse(parent)
    if len(purpose) > _MAX_PURPOSE:
        raise invalid("purpose", f"must have at most {_MAX_PURPOSE} characters")
    if not parsed_terms(tx.document(agreement.terms_sha256)).has_duty(DutyKind.OBTAIN_CONSENT):
        metadata = {"resource": parent, "state": agreement.state.value}
        raise PlatformError(Reason.FAILED_PRECONDITION, "the licence asks for no consent", metadata=metadata)
    return agreement


def ask(
    tx: Transaction, agreement: Agreement, action: str, purpose: str, *, signer: Signer, reason: str, now: datetime
) -> Consent:
    """Write a request and tell the provider, unless one is open or given."""
    name = consent_name(agreement.name, action, purpose)
    before = tx.consents.get(name)
    if before is not None and (before.state is ConsentState.REQUESTED or before.holds(to_us(now))):
        return before
    call = current_call()
    if before is not None:
        consent = _moved(tx, before, "request", side=Side.CONSUMER, signer=signer, reason=reason, now=now)
    else:
        consent = Consent(
            name=name,
            agreement=agreement.name,
            provider=agreement.provider,
            consumer=agreement.consumer,
            action=action,
            purpose=purpose,
            requester=call.principal.name,
            reason=reason,
            create_us=to_us(now),
            update_us=to_us(now),
        )
        move = move_by(call, signer, reason=reason, now=now)
        sign_step(tx, move, resource=name, sequence=1, states=("", consent.state.value, "request"))
    tx.consents.put(consent)
    text = f"orgs/{agreement.consumer}: {told(action, purpose)}"
    tell(tx, agreement, EventKind.CONSENT_REQUESTED, text, only_for=agreement.provider, now=now)
    tx.audit(call, name, {"state": consent.state.value, "agreement": agreement.name}, now)
    return consent


def _moved(
    tx: Transaction, before: Consent, trigger: str, *, side: Side, signer: Signer, reason: str, now: datetime
) -> Consent:
    state = CONSENT_MACHINE.move(before.name, before.state, trigger, side)
    after = replace(before, state=state, sequence=before.sequence + 1, reason=reason, update_us=to_us(now))
    move = move_by(current_call(), signer, reason=reason, now=now)
    states = (before.state.value, state.value, trigger)
    sign_step(tx, move, resource=before.name, sequence=after.sequence, states=states)
    return after


def told(action: str, purpose: str) -> str:
    """Return what a consent is about, in words."""
    return f"{action.lower().replace('_', ' ')} for {purpose or 'no purpose'}"


def tell(tx: Transaction, agreement: Agreement, kind: EventKind, text: str, *, only_for: str, now: datetime) -> None:
    """Tell one of the two sides."""
    event = MarketEvent(
        event_id=new_id(now),
        kind=kind,
        listing=agreement.listing,
        org=agreement.provider,
        text=text,
        time_us=to_us(now),
        only_for=only_for,
        agreement=agreement.name,
    )
    tx.events.append(event)


def of_party(tx: Transaction, name: str) -> Consent:
    """Return a consent that the caller's organisation is a party of."""
    consent = tx.consents.get(name, party="" if sees_all() else caller_org())
    if consent is None:
        refuse(name)
    return consent


def _show(tx: Transaction, name: str) -> Shown[Consent]:
    consent = tx.consents.get(name)
    if consent is None:
        refuse(name)
    return shown(tx, consent)


def shown(tx: Transaction, consent: Consent) -> Shown[Consent]:
    """Return a consent with its steps."""
    return Shown(consent, steps=tuple(tx.steps(consent.name)))
