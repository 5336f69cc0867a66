"""What was used and what is left, for both parties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.domain.agreements import AgreementState
from memporium_services.memstore.domain.entitlements import Balance, Draw, window_of
from memporium_services.memstore.domain.prices import PlanKind, amount_due
from memporium_services.memstore.domain.summary import summary_of

if TYPE_CHECKING:
    from memporium_platform.licence.terms import Duty, Terms
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.entitlements import Units, Usage
    from memporium_services.memstore.domain.prices import Price
    from memporium_services.memstore.ports import Transaction


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What an agreement still allows."""

    agreement: Agreement
    usable: bool
    balances: tuple[Balance, ...]
    due: Price
    summary: tuple[str, ...]
    duties: frozenset[Duty]


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Metered uses, and their sum over the whole time asked for."""

    items: list[Usage]
    next_page_token: str
    total: Units


class UsageReports:
    """Reads the meter."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def list_of(self, parent: str, *, start_us: int, end_us: int, size: int, token: str) -> UsagePage:
        """Return the uses made under an agreement, newest first; an `end_us` of 0 is no end."""
        limit = page_size(size)
        scope = f"ListUsage/{parent}/{start_us}/{end_us}"
        cursor = self._market.page_tokens.open(scope, token)
        before = (int(cursor["time_us"]), str(cursor["use_id"])) if cursor else None

        def fetch(tx: Transaction) -> tuple[list[Usage], Units]:
            name = party_agreement(tx, parent).name
            found = tx.meter.usage(name, start_us=start_us, end_us=end_us, limit=limit + 1, before=before)
            return found, tx.meter.total(name, start_us=start_us, end_us=end_us)

        found, total = await self._market.store.read(fetch)
        if len(found) <= limit:
            return UsagePage(found, "", total)
        last = found[limit - 1]
        sealed = self._market.page_tokens.seal(scope, {"time_us": last.time_us, "use_id": last.use_id})
        return UsagePage(found[:limit], sealed, total)

    async def entitlement(self, name: str) -> Entitlement:
        """Return what an agreement still allows."""

        def fetch(tx: Transaction) -> Entitlement:
            agreement, now_us = party_agreement(tx, name), to_us(self._market.clock.now())
            terms = parsed_terms(tx.document(agreement.terms_sha256))
            balances = balances_of(tx, agreement, terms, now_us)
            in_time = not agreement.expire_us or now_us < agreement.expire_us
            return Entitlement(
                agreement=agreement,
                usable=agreement.state is AgreementState.ACTIVE and in_time,
                balances=tuple(balances),
                due=amount_owed(tx, agreement, now_us),
                summary=summary_of(agreement, terms, balances, now_us),
                duties=terms.duties,
            )

        return await self._market.store.read(fetch)


def balances_of(tx: Transaction, agreement: Agreement, terms: Terms, now_us: int) -> list[Balance]:
    """Return what is left of each quota of an agreement."""
    balances = []
    for quota in sorted({quota for rule in terms.rules.values() for quota in rule.quotas}):
        start_us, end_us = window_of(quota.period, now_us)
        used, held = tx.meter.count(agreement.name, Draw(quota.unit, quota.period, quota.pool, start_us, 0))
        balances.append(Balance(quota, used, held, end_us))
    return balances


def ended_us(agreement: Agreement, now_us: int) -> int:
    """Return until when an agreement counts by now: no longer than it lasted."""
    ended = agreement.state not in {AgreementState.ACTIVE, AgreementState.SUSPENDED}
    # A period that would begin at the moment of its end does not begin.
    last_us = min(now_us, agreement.expire_us - 1) if agreement.expire_us else now_us
    return min(last_us, agreement.update_us) if ended else last_us


def amount_owed(tx: Transaction, agreement: Agreement, now_us: int, *, stated: bool = False) -> Price:
    """Return what is owed by the price plan until now; `stated`: for uses on statements alone."""
    until_us = ended_us(agreement, now_us)
    used = 0
    if agreement.price.kind is PlanKind.PER_USE:
        used = tx.meter.total(agreement.name, start_us=0, end_us=0, stated=stated).of(agreement.price.unit)
    return amount_due(agreement.price, used=used, start_us=agreement.activate_us, until_us=until_us)
