"""What an agreement still allows, in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memporium_services.memstore.domain.agreements import AgreementState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium_platform.licence.terms import Terms
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.entitlements import Balance

_PERIODS = {"AGREEMENT": "", "HOUR": " this hour", "DAY": " today", "MONTH": " this month", "YEAR": " this year"}


def summary_of(agreement: Agreement, terms: Terms, balances: Iterable[Balance], now_us: int) -> tuple[str, ...]:
    """Return sentences for people."""
    sentences = [standing_of(agreement, now_us)]
    actions = sorted({action.value.lower().replace("_", " ") for action, _form in terms.rules})
    sentences.append(f"Permitted: {', '.join(actions)}." if actions else "Nothing is permitted.")
    sentences.extend(left_of(balance) for balance in balances)
    sentences.extend(_duty(duty.kind.value, duty.text) for duty in sorted(terms.duties))
    return tuple(sentences)


def left_of(balance: Balance) -> str:
    """Return what is left of a quota, as a sentence."""
    quota = balance.quota
    unit = quota.unit.value.lower()
    return f"{balance.remaining} of {quota.limit} {unit} are left{_PERIODS[quota.period.value]}."


def standing_of(agreement: Agreement, now_us: int) -> str:
    """Return the state of an agreement and how long it holds, as a sentence."""
    if agreement.state is not AgreementState.ACTIVE:
        reason = f": {agreement.reason}" if agreement.reason else ""
        return f"The agreement is {agreement.state.value.lower()}{reason}."
    if not agreement.expire_us:
        return "The agreement is in force and has no end."
    end = datetime.fromtimestamp(agreement.expire_us / 1e6, UTC)
    if now_us >= agreement.expire_us:
        return f"The agreement ended on {end:%Y-%m-%d %H:%M} UTC."
    return f"The agreement is in force until {end:%Y-%m-%d %H:%M} UTC."


def _duty(kind: str, text: str) -> str:
    told = f": {text}" if text else ""
    return f"Duty: {kind.lower().replace('_', ' ')}{told}."
