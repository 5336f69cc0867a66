"""The meet of licence terms: what something made of several parents may still be used for.

Windows intersect, quotas and rates take the least, sets intersect, duties unite. Commutative, associative and
idempotent; what any parent refuses the meet refuses.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, TypeVar

from memporium_platform.licence.terms import Constraints, Terms, Window, least_quotas, least_rates

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

_T = TypeVar("_T", "datetime", "timedelta", int)


def _least(left: _T | None, right: _T | None) -> _T | None:
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)


def _latest(left: datetime | None, right: datetime | None) -> datetime | None:
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)


def _both(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def _longest_hold(left: Constraints, right: Constraints) -> timedelta | None:
    """Return how long a seat is held where both hold: None is for ever, and says nothing where no seats are counted."""
    if left.max_seats is None or right.max_seats is None:
        return right.seat_hold if left.max_seats is None else left.seat_hold
    if left.seat_hold is None or right.seat_hold is None:
        return None
    return max(left.seat_hold, right.seat_hold)


def meet_constraints(left: Constraints, right: Constraints) -> Constraints:
    """Return constraints that hold where both do."""
    return Constraints(
        window=Window(
            start=_latest(left.window.start, right.window.start),
            end=_least(left.window.end, right.window.end),
            duration=_least(left.window.duration, right.window.duration),
        ),
        purposes=_both(left.purposes, right.purposes),
        regions=_both(left.regions, right.regions),
        workloads=_both(left.workloads, right.workloads),
        recipients=_both(left.recipients, right.recipients),
        quotas=least_quotas(left.quotas | right.quotas),
        rates=least_rates(left.rates | right.rates),
        max_concurrency=_least(left.max_concurrency, right.max_concurrency),
        max_seats=_least(left.max_seats, right.max_seats),
        seat_hold=_longest_hold(left, right),
        min_aggregation=max(left.min_aggregation, right.min_aggregation),
        on_platform_only=left.on_platform_only or right.on_platform_only,
        unknown=left.unknown or right.unknown,
    )


def meet(left: Terms, right: Terms) -> Terms:
    """Return terms that allow what both allow and owe what either owes."""
    return Terms(
        rules={
            pair: meet_constraints(rule, right.rules[pair]) for pair, rule in left.rules.items() if pair in right.rules
        },
        duties=left.duties | right.duties,
        spdx=left.spdx | right.spdx,
        legal_texts=left.legal_texts | right.legal_texts,
        unknown=left.unknown or right.unknown,
    )


def meet_all(terms: Iterable[Terms]) -> Terms | None:
    """Return the meet of all, or None where there are none: an own memory without terms."""
    parents = list(terms)
    return reduce(meet, parents) if parents else None
