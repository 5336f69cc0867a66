"""Rules of conversions as they stand in a job's arguments. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from memporium_platform.errors import invalid
from memporium_services.scheduler.domain.conversions import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_CONVERSIONS = 1_000


def rules_of(given: Mapping[str, Any], field: str = "rules") -> Rules:
    """Return the rules; what is zero or absent takes the default.

    Args:
        given: By the field names of `ConversionRules`, times such as `86400s`, numbers of 64 bits as text.
        field: Where they stand in the request.

    Raises:
        PlatformError: INVALID_FIELD for what is below zero or too large.
    """
    default = Rules()
    heat, budget = float(given.get("frequent_heat", 0.0)), int(given.get("budget_bytes", 0))
    most = int(given.get("max_conversions", 0))
    if not heat >= 0.0:
        raise invalid(f"{field}.frequent_heat", "must not be negative")
    if budget < 0:
        raise invalid(f"{field}.budget_bytes", "must not be negative")
    if not 0 <= most <= _MOST_CONVERSIONS:
        raise invalid(f"{field}.max_conversions", f"must be 0 to {_MOST_CONVERSIONS}")
    return Rules(
        frequent_heat=heat or default.frequent_heat,
        stable_after=_time(given, "stable_after", default.stable_after, field),
        dwell=_time(given, "dwell", default.dwell, field),
        budget_bytes=budget or default.budget_bytes,
        max_conversions=most or default.max_conversions,
        model=str(given.get("model", "")),
        training=not given.get("no_training", False),
    )


def _time(given: Mapping[str, Any], name: str, default: timedelta, field: str) -> timedelta:
    if name not in given:
        return default
    seconds = float(str(given[name]).removesuffix("s"))
    if not 0.0 <= seconds <= timedelta(days=36_500).total_seconds():
        raise invalid(f"{field}.{name}", "must be zero to a hundred years")
    # Absent is the default; zero that is given means at once.
    return timedelta(seconds=seconds)
