"""Terms in plain words, and what would happen to a use: the same checks as at a real one, with nothing taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError
from memporium_platform.licence.codec import digest_of
from memporium_platform.licence.evaluate import Use, Verdict, objections
from memporium_platform.licence.explain import Explanation, explain
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.allowance import Allowance
from memporium_services.memstore.app.consents import demand_consent
from memporium_services.memstore.app.entitlements import rule_of
from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.app.offers import visible_offer
from memporium_services.memstore.app.share_alike import demand_same_terms
from memporium_services.memstore.app.usage import balances_of
from memporium_services.memstore.domain.agreements import require_usable
from memporium_services.memstore.domain.entitlements import Balance, Units
from memporium_services.memstore.domain.summary import left_of, standing_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from memporium_platform.licence.terms import Action, Form, Terms
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction


@dataclass(frozen=True, slots=True)
class Imagined:
    """A use that somebody thinks of; empty fields are the call's own."""

    action: Action
    form: Form
    purpose: str = ""
    region: str = ""
    workload: str = ""
    recipients: frozenset[str] = frozenset()
    units: Units = field(default_factory=lambda: Units(calls=1, memories=1))
    time_us: int = 0
    onward_terms: str = ""


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason against a use; `unknown`: it cannot be told."""

    term: str
    message: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """What was explained; `against` is None where no use was given, and empty where nothing is against it."""

    terms: bytes
    explanation: Explanation
    standing: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    balances: tuple[Balance, ...] = ()
    against: tuple[Objection, ...] | None = None

    @property
    def terms_sha256(self) -> str:
        """Digest of the terms."""
        return digest_of(self.terms)


class Explaining:
    """Explains terms."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def agreement(self, name: str, use: Imagined | None) -> Explained:
        """Explain an agreement of the caller's organisation."""

        def fetch(tx: Transaction) -> Explained:
            agreement, now = party_agreement(tx, name), self._market.clock.now()
            content = tx.document(agreement.terms_sha256)
            terms = parsed_terms(content)
            balances = tuple(balances_of(tx, agreement, terms, to_us(now)))
            return Explained(
                terms=content,
                explanation=explain(terms),
                standing=(standing_of(agreement, to_us(now)),),
                left=(*(left_of(balance) for balance in balances), *_seats_left(tx, agreement, terms)),
                balances=balances,
                against=None if use is None else tuple(_against(tx, agreement, terms, use, now)),
            )

        return await self._market.store.read(fetch)

    async def offer(self, name: str, use: Imagined | None) -> Explained:
        """Explain the terms of an offer that the caller may see."""
        content = await self._market.store.read(lambda tx: tx.document(visible_offer(tx, name)[0].terms_sha256))
        return self.terms(content, use)

    def terms(self, content: bytes, use: Imagined | None) -> Explained:
        """Explain terms, as if they had come into force now."""
        terms, now = parsed_terms(content), self._market.clock.now()
        against = None if use is None else tuple(_by_terms(terms, use, now, now))
        return Explained(content, explain(terms), against=against)


def _seats_left(tx: Transaction, agreement: Agreement, terms: Terms) -> Iterator[str]:
    limits = [rule.max_seats for rule in terms.rules.values() if rule.max_seats is not None]
    if limits:
        taken = len(tx.meter.seats(agreement.name))
        yield f"{max(min(limits) - taken, 0):,} of {min(limits):,} seats are free."


def _against(tx: Transaction, agreement: Agreement, terms: Terms, use: Imagined, now: datetime) -> Iterator[Objection]:
    """Yield all that is against a use under an agreement, in the order in which it would be refused."""
    now_us = use.time_us or to_us(now)
    expires = from_us(agreement.expire_us).isoformat() if agreement.expire_us else ""
    found = _refusal("state", require_usable, agreement, now_us, expires)
    if found is not None:
        yield found
    by_terms = list(_by_terms(terms, use, from_us(now_us), from_us(agreement.activate_us)))
    yield from by_terms
    purpose = use.purpose or current_call().purpose
    action = use.action
    for found in (
        _refusal("share_alike", demand_same_terms, agreement, terms, action, use.onward_terms),
        _refusal("obtain_consent", demand_consent, tx, agreement, terms, action.value, purpose, now_us),
    ):
        if found is not None:
            yield found
    if (use.action, use.form) in terms.rules:
        allowance = Allowance(tx, agreement.name, rule_of(terms, use.action, [use.form]), now_us)
        workload = use.workload or current_call().principal.name
        for found in (_refusal("seats", allowance.check_seat, workload), _refusal("rate", allowance.check_pace)):
            if found is not None:
                yield found
        for quota, remaining in allowance.short_of(use.units):
            text = f"{remaining:,} of {quota.limit:,} {quota.unit.value.lower()} are left"
            yield Objection("quotas", text)


def _by_terms(terms: Terms, use: Imagined, now: datetime, activated: datetime) -> Iterator[Objection]:
    call = current_call()
    asked = Use(
        action=use.action,
        form=use.form,
        now=from_us(use.time_us) if use.time_us else now,
        activated=activated,
        purpose=use.purpose or call.purpose,
        region=use.region or call.region,
        workload=use.workload or call.principal.name,
        recipients=use.recipients,
        memories=use.units.memories or None,
    )
    for decision in objections(terms, asked):
        yield Objection(decision.term, decision.message, decision.verdict is Verdict.UNKNOWN)


def _refusal(term: str, check: object, *given: object) -> Objection | None:
    try:
        check(*given)  # type: ignore[operator]
    except PlatformError as error:
        return Objection(term, error.message)
    return None
