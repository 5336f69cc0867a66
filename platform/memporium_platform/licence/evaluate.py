"""Whether licence terms permit a use, as far as no counter is needed.

Three-valued (Kleene): a constraint holds, does not hold, or cannot be told; only PERMITTED permits. Monotone: adding a
constraint, a prohibition or a parent never turns another verdict into PERMITTED.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_platform.licence.terms import OUTWARD, Action, Constraints, Form, Terms, Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


class Verdict(StrEnum):
    """What the terms say."""

    PERMITTED = "PERMITTED"
    DENIED = "DENIED"
    # Cannot be told: refused like DENIED.
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Use:
    """What somebody wants to do.

    Attributes:
        action: What is done.
        form: On which form.
        now: When.
        activated: When the agreement came into force.
        purpose: Declared purpose; "": none was.
        region: Declared region; "": none was.
        workload: Name of the principal; "": not known.
        recipients: Organisations that receive something.
        off_platform: The result leaves the platform.
        memories: Number of memories that the result stands on; None: not known.
        memories_follow: The number is told, and evaluated, before anything is given out.
    """

    action: Action
    form: Form
    now: datetime
    activated: datetime
    purpose: str = ""
    region: str = ""
    workload: str = ""
    recipients: frozenset[str] = frozenset()
    off_platform: bool = False
    memories: int | None = None
    memories_follow: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, the term that decided, and a sentence for the caller."""

    verdict: Verdict
    term: str = ""
    message: str = ""

    @property
    def permitted(self) -> bool:
        """Whether the use may go on."""
        return self.verdict is Verdict.PERMITTED


PERMITTED = Decision(Verdict.PERMITTED)


def ends_at(window: Window, activated: datetime) -> datetime | None:
    """Return when the window closes for an agreement in force since `activated`, or None: never."""
    ends = [window.end] if window.end is not None else []
    if window.duration is not None:
        ends.append(activated + window.duration)
    return min(ends, default=None)


def _within(window: Window, use: Use) -> Decision:
    if window.start is not None and use.now < window.start:
        return Decision(Verdict.DENIED, "window", f"the licence begins on {window.start:%Y-%m-%d %H:%M} UTC")
    end = ends_at(window, use.activated)
    if end is not None and use.now >= end:
        return Decision(Verdict.DENIED, "window", f"the licence ended on {end:%Y-%m-%d %H:%M} UTC")
    return PERMITTED


def _among(term: str, value: str, allowed: frozenset[str] | None) -> Decision:
    if allowed is None or value in allowed:
        return PERMITTED
    if not value and allowed:
        return Decision(Verdict.UNKNOWN, term, f"the licence asks for a {term[:-1]} and none was declared")
    return Decision(Verdict.DENIED, term, f"the licence does not allow this {term[:-1]}")


def _outward(rule: Constraints, use: Use) -> Iterator[Decision]:
    outward = use.off_platform or use.action in OUTWARD
    if rule.on_platform_only and outward:
        yield Decision(Verdict.DENIED, "on_platform_only", "the licence allows use on the platform only")
    if rule.recipients is None:
        return
    if not use.recipients <= rule.recipients:
        yield Decision(Verdict.DENIED, "recipients", "the licence does not allow this recipient")
    elif outward and not use.recipients:
        yield Decision(Verdict.UNKNOWN, "recipients", "the licence asks for a recipient and none was declared")


def _constraints(rule: Constraints, use: Use) -> Iterator[Decision]:
    yield _within(rule.window, use)
    yield _among("purposes", use.purpose, rule.purposes)
    yield _among("regions", use.region, rule.regions)
    yield _among("workloads", use.workload, rule.workloads)
    yield from _outward(rule, use)
    if rule.min_aggregation and not (use.memories is None and use.memories_follow):
        if use.memories is None:
            yield Decision(Verdict.UNKNOWN, "min_aggregation", "the number of memories is not known")
        elif use.memories < rule.min_aggregation:
            needed = f"the licence asks for at least {rule.min_aggregation} memories behind a result"
            yield Decision(Verdict.DENIED, "min_aggregation", needed)
    if rule.unknown:
        yield Decision(Verdict.UNKNOWN, "constraints", "the licence has a constraint that this version cannot read")


def evaluate(terms: Terms, use: Use) -> Decision:
    """Return what the terms say to a use; quotas, rates and concurrency are counted by the caller."""
    return (objections(terms, use) or [PERMITTED])[0]


def objections(terms: Terms, use: Use) -> list[Decision]:
    """Return all that the terms hold against a use, denials first; none: it is permitted."""
    rule = terms.rules.get((use.action, use.form))
    if rule is None:
        action, form = use.action.value.lower(), use.form.value.lower()
        return [Decision(Verdict.DENIED, "permissions", f"the licence does not permit {action} on {form} memory")]
    found = [decision for decision in _constraints(rule, use) if not decision.permitted]
    if terms.unknown:
        found.append(Decision(Verdict.UNKNOWN, "terms", "the licence has terms that this version cannot read"))
    return sorted(found, key=lambda decision: decision.verdict is not Verdict.DENIED)
