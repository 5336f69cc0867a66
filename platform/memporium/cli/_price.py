"""Prices for the command line: `0.25 EUR a call, at most 10 EUR`, `9 EUR a month`, `14 days`."""

from __future__ import annotations

import re
from decimal import Decimal

import typer

from memporium.memstore.v1 import offer_pb2, terms_pb2

_MONEY = r"(\d+(?:\.\d{1,6})?) ([A-Z]{3})"
_USE = re.compile(rf"{_MONEY} an? (call|memory|token|byte|derivation)(?:, at most {_MONEY})?")
_PERIOD = re.compile(rf"{_MONEY} an? (hour|day|month|year)")
_TIME = re.compile(r"(\d+) (hour|day)s?")
_UNITS = {"call": "CALLS", "memory": "MEMORIES", "token": "TOKENS", "byte": "BYTES", "derivation": "DERIVATIONS"}
_SECONDS = {"hour": 3600, "day": 86_400}


_EVERY = ("hour", "day", "month", "year", "agreement")


def plan(price: str, trial: str, sample: str, statements: str = "") -> offer_pb2.PricePlan:
    """Return the price plan in words; free where nothing is given.

    Args:
        price: For each use or period; "": none.
        trial: How long it may be tried; "": no trial.
        sample: Release that is tried; "": the whole pack.
        statements: At the ends of which periods statements are made by themselves; "": as the plan says.

    Raises:
        typer.BadParameter: It is not a price, or several plans at once.
    """
    made = _plan(price, trial, sample)
    if statements:
        if statements not in _EVERY:
            raise typer.BadParameter(f"{statements} must be one of {', '.join(_EVERY)}", param_hint="--statements")
        made.statements = terms_pb2.QuotaPeriod.Value(f"QUOTA_PERIOD_{statements.upper()}")
    return made


def _plan(price: str, trial: str, sample: str) -> offer_pb2.PricePlan:
    if price and trial:
        raise typer.BadParameter("give a price or a trial", param_hint="--trial")
    if sample and not trial:
        raise typer.BadParameter("a sample is for trials", param_hint="--sample")
    if trial:
        found = _match(_TIME, trial, "--trial", "14 days")
        made = offer_pb2.PricePlan(trial=offer_pb2.TrialPlan(release=sample))
        made.trial.duration.FromSeconds(int(found[1]) * _SECONDS[found[2]])
        return made
    if not price:
        return offer_pb2.PricePlan(free=offer_pb2.FreePlan())
    period = _PERIOD.fullmatch(price)
    if period is not None:
        every = terms_pb2.QuotaPeriod.Value(f"QUOTA_PERIOD_{period[3].upper()}")
        return offer_pb2.PricePlan(per_period=offer_pb2.PeriodPlan(price=_money(period[1], period[2]), period=every))
    found = _match(_USE, price, "--price", "0.25 EUR a call, at most 10 EUR; or 9 EUR a month")
    unit = terms_pb2.UseUnit.Value(f"USE_UNIT_{_UNITS[found[3]]}")
    cap = _money(found[4], found[5]) if found[4] else None
    return offer_pb2.PricePlan(per_use=offer_pb2.UsePlan(price=_money(found[1], found[2]), unit=unit, cap=cap))


def _money(amount: str, currency: str) -> offer_pb2.Price:
    return offer_pb2.Price(currency=currency, micros=int(Decimal(amount) * 1_000_000))


def _match(pattern: re.Pattern[str], given: str, hint: str, wanted: str) -> re.Match[str]:
    found = pattern.fullmatch(given.strip())
    if found is None:
        raise typer.BadParameter(f"{given} must be in words such as: {wanted}", param_hint=hint)
    return found
