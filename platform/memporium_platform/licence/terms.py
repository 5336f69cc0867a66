"""The values that licence terms are made of, in normal form.

A pair of action and form that has no rule is forbidden. `None` in place of a set means that everything is allowed, an
empty set that nothing is. `unknown` marks what this version of the code could not read; it never permits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta


class Action(StrEnum):
    """What is done with licensed memory."""

    READ = "READ"
    RETRIEVE = "RETRIEVE"
    INFER_WITH = "INFER_WITH"
    MATERIALISE_KV = "MATERIALISE_KV"
    DERIVE_TEXT = "DERIVE_TEXT"
    DERIVE_LORA = "DERIVE_LORA"
    EMBED = "EMBED"
    EXPORT_BUNDLE = "EXPORT_BUNDLE"
    REDISTRIBUTE = "REDISTRIBUTE"
    BENCHMARK = "BENCHMARK"


# Actions that hand memory to somebody else.
OUTWARD = frozenset({Action.EXPORT_BUNDLE, Action.REDISTRIBUTE})


class Form(StrEnum):
    """The form of a memory."""

    PLAINTEXT = "PLAINTEXT"
    ACTIVATION = "ACTIVATION"
    PARAMETER = "PARAMETER"


class Unit(StrEnum):
    """What a quota counts."""

    CALLS = "CALLS"
    MEMORIES = "MEMORIES"
    TOKENS = "TOKENS"
    BYTES = "BYTES"
    DERIVATIONS = "DERIVATIONS"


class Period(StrEnum):
    """When a quota begins anew."""

    AGREEMENT = "AGREEMENT"
    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"
    YEAR = "YEAR"


class DutyKind(StrEnum):
    """What the licensee owes."""

    ATTRIBUTE = "ATTRIBUTE"
    INFORM = "INFORM"
    DELETE_ON_EXPIRY = "DELETE_ON_EXPIRY"
    OBTAIN_CONSENT = "OBTAIN_CONSENT"
    COMPENSATE = "COMPENSATE"
    WATERMARK_OUTPUT = "WATERMARK_OUTPUT"
    SHARE_ALIKE = "SHARE_ALIKE"


@dataclass(frozen=True, slots=True)
class Window:
    """When a permission holds.

    Attributes:
        start: From then on; None: from activation.
        end: Until then, exclusive; None: no end.
        duration: This long after activation; None: no end.
    """

    start: datetime | None = None
    end: datetime | None = None
    duration: timedelta | None = None


@dataclass(frozen=True, slots=True, order=True)
class Quota:
    """At most `limit` units in a period; those of one pool, unit and period count together."""

    unit: Unit
    period: Period
    pool: str
    limit: int


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """At most `limit` calls in any stretch of `interval_s` seconds."""

    interval_s: int
    limit: int


def least_quotas(quotas: Iterable[Quota]) -> frozenset[Quota]:
    """Return one quota for each unit, period and pool: the least."""
    least: dict[tuple[Unit, Period, str], Quota] = {}
    for quota in quotas:
        key = (quota.unit, quota.period, quota.pool)
        if key not in least or quota.limit < least[key].limit:
            least[key] = quota
    return frozenset(least.values())


def least_rates(rates: Iterable[Rate]) -> frozenset[Rate]:
    """Return one rate for each interval: the least."""
    least: dict[int, Rate] = {}
    for rate in rates:
        if rate.interval_s not in least or rate.limit < least[rate.interval_s].limit:
            least[rate.interval_s] = rate
    return frozenset(least.values())


@dataclass(frozen=True, slots=True)
class Constraints:
    """What narrows a permission; each must hold.

    Attributes:
        window: When.
        purposes: Allowed purposes.
        regions: Allowed regions.
        workloads: Allowed principals.
        recipients: Organisations that may receive what is handed out.
        quotas: How often; at most one a unit, period and pool.
        rates: How fast; at most one an interval.
        max_concurrency: Uses at the same time; None: no limit.
        max_seats: Different principals under the agreement; None: no limit.
        seat_hold: How long a seat stays with a principal before it can be given back; None: as long as the agreement.
        min_aggregation: Memories that a result stands on at least; 0: no limit.
        on_platform_only: Nothing is handed out.
        unknown: Holds a constraint that this code cannot read.
    """

    window: Window = field(default_factory=Window)
    purposes: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    workloads: frozenset[str] | None = None
    recipients: frozenset[str] | None = None
    quotas: frozenset[Quota] = frozenset()
    rates: frozenset[Rate] = frozenset()
    max_concurrency: int | None = None
    max_seats: int | None = None
    seat_hold: timedelta | None = None
    min_aggregation: int = 0
    on_platform_only: bool = False
    unknown: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Duty:
    """Something owed; `text` is the attribution or the address to inform."""

    kind: DutyKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """Licence terms in normal form: prohibitions are taken out of the rules.

    Attributes:
        rules: What is allowed, by action and form.
        duties: What is owed.
        spdx: SPDX expressions that hold together.
        legal_texts: SHA-256 of the legal texts that hold together, hexadecimal.
        unknown: Holds something that this code cannot read and that might forbid anything.
    """

    rules: Mapping[tuple[Action, Form], Constraints]
    duties: frozenset[Duty] = frozenset()
    spdx: frozenset[str] = frozenset()
    legal_texts: frozenset[str] = frozenset()
    unknown: bool = False

    def has_duty(self, kind: DutyKind) -> bool:
        """Return whether a duty of that kind is owed."""
        return any(duty.kind is kind for duty in self.duties)

    @property
    def attribution(self) -> str:
        """The text to show where the memory is used, or ""."""
        return "; ".join(sorted(duty.text for duty in self.duties if duty.kind is DutyKind.ATTRIBUTE and duty.text))
