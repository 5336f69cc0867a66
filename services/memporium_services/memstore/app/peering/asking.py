"""Consents between two platforms: a consumer's steps as its provider's platform takes them, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium_platform.errors import invalid
from memporium_platform.licence.terms import Action
from memporium_services.memstore.app.consents import Consents, tell, told
from memporium_services.memstore.app.peering.records import account_of
from memporium_services.memstore.domain.consents import Consent, consent_name
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.speech import SpeechError
from memporium_services.memstore.domain.subscriptions import EventKind

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.machine import Transition
    from memporium_services.memstore.ports import Transaction


async def take_consent(market: Market, name: str, trigger: str, fields: dict[str, Any], *, reason: str) -> None:
    """Make the step that a consumer on another platform asks for.

    Raises:
        PlatformError: INVALID_FIELD where the consent's name is not that of what is asked for; whatever a caller here
            would be refused with.
    """
    consents = Consents(market)
    if trigger == "withdraw":
        await consents.decide(name, "withdraw", reason=reason)
        return
    if trigger != "request":
        raise invalid("message", f"{trigger} is nothing that a consumer can ask for")
    agreement, purpose = account_of(name), speech.text(fields, "purpose", optional=True)
    try:
        action = Action(speech.text(fields, "action")).value
    except (ValueError, SpeechError) as error:
        raise invalid("action", "is not known") from error
    if consent_name(agreement, action, purpose) != name:
        raise invalid("resource", "is not the consent to that action for that purpose")
    await consents.request(agreement, action, purpose, reason)


def check_consent(tx: Transaction, consent: Consent) -> None:
    """Demand that a consent is to what its name says, under an agreement of the same two.

    Raises:
        SpeechError: It is not.
    """
    agreement = tx.agreements.get(consent.agreement)
    same = agreement is not None and (agreement.provider, agreement.consumer) == (consent.provider, consent.consumer)
    if not same or consent.name != consent_name(consent.agreement, consent.action, consent.purpose):
        raise SpeechError("the consent is to something else, or under no agreement that is known here")


def tell_decided(tx: Transaction, consent: Consent, step: Transition, now: datetime) -> None:
    """Tell the consumer here what the provider decided."""
    agreement = tx.agreements.get(consent.agreement)
    if agreement is not None and step.trigger in {"grant", "deny", "withdraw"}:
        text = f"{told(consent.action, consent.purpose)}: {consent.state.lower()}"
        tell(tx, agreement, EventKind.CONSENT_DECIDED, text, only_for=consent.consumer, now=now)
