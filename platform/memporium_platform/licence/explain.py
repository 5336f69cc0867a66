"""Licence terms in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.licence.terms import Action, Constraints, Duty, DutyKind, Form, Period, Quota, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from memporium_platform.licence.terms import Terms

_DOING: Mapping[Action, str] = {
    Action.READ: "read",
    Action.RETRIEVE: "search",
    Action.INFER_WITH: "answer with",
    Action.MATERIALISE_KV: "build KV caches of",
    Action.DERIVE_TEXT: "write new text from",
    Action.DERIVE_LORA: "train adapters on",
    Action.EMBED: "compute vectors of",
    Action.EXPORT_BUNDLE: "take off the platform",
    Action.REDISTRIBUTE: "pass on to others",
    Action.BENCHMARK: "measure and publish the result of",
}
_FORMS: Mapping[Form, str] = {
    Form.PLAINTEXT: "text",
    Form.ACTIVATION: "KV memory",
    Form.PARAMETER: "LoRA memory",
}
_PERIODS: Mapping[Period, str] = {
    Period.AGREEMENT: "in all",
    Period.HOUR: "an hour",
    Period.DAY: "a day",
    Period.MONTH: "a month",
    Period.YEAR: "a year",
}
_DUTIES: Mapping[DutyKind, str] = {
    DutyKind.ATTRIBUTE: "Attribution is shown with each result",
    DutyKind.INFORM: "The provider is told of each use, by the platform",
    DutyKind.DELETE_ON_EXPIRY: "When it ends, the platform deletes the pack, its key and all that was made of it",
    DutyKind.OBTAIN_CONSENT: "Each kind of use for each purpose waits for the provider's consent",
    DutyKind.COMPENSATE: "Uses are paid for by the price plan, on a signed statement",
    DutyKind.WATERMARK_OUTPUT: "Answers of models are watermarked; a model that cannot do so is not used",
    DutyKind.SHARE_ALIKE: "What is made of it is published under these same terms or not at all",
}

# A licence that is sold by the seat; which seats those are stands in its `workloads`, where anybody wrote them down.
_SEATS = "-Seat-"
_UNNAMED_SEATS = (
    "Seats are neither counted nor named, so they are not enforced: any principal of the licensee may use it within "
    "the limits above. `max-seats` counts them, `workloads` names them."
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What terms say, a sentence each."""

    allowed: tuple[str, ...]
    forbidden: tuple[str, ...]
    duties: tuple[str, ...]


def explain(terms: Terms) -> Explanation:
    """Return what terms allow, forbid and ask for."""
    if terms.unknown:
        text = "Nothing: the terms hold something that this version cannot read."
        return Explanation((), (text,), _duties(terms.duties))
    groups: dict[Constraints, dict[Form, set[Action]]] = {}
    for (action, form), rule in sorted(terms.rules.items()):
        groups.setdefault(rule, {}).setdefault(form, set()).add(action)
    allowed = [sentence for rule, by_form in groups.items() for sentence in _allowed(rule, by_form)]
    if _SEATS in " ".join(terms.spdx) and any(
        rule.workloads is None and rule.max_seats is None for rule in terms.rules.values()
    ):
        allowed.append(_UNNAMED_SEATS)
    return Explanation(tuple(allowed), _forbidden(terms), _duties(terms.duties))


def phrase(action: Action, form: Form) -> str:
    """Return an action on a form in plain words."""
    return f"{_DOING[action]} {_FORMS[form]}"


def limit_of(quota: Quota) -> str:
    """Return a quota in plain words."""
    return f"{quota.limit:,} {quota.unit.value.lower()} {_PERIODS[quota.period]}"


def _allowed(rule: Constraints, by_form: Mapping[Form, set[Action]]) -> Iterable[str]:
    if rule.unknown:
        yield "Nothing under a constraint that this version cannot read."
        return
    forms_of: dict[frozenset[Action], list[Form]] = {}
    for form, actions in by_form.items():
        forms_of.setdefault(frozenset(actions), []).append(form)
    limits = "; ".join(_limits(rule))
    for together, forms in forms_of.items():
        doing = _listed([_DOING[action] for action in Action if action in together])
        things = _listed([_FORMS[form] for form in Form if form in forms])
        yield f"You may {doing} {things}" + (f": {limits}." if limits else ".")


def _limits(rule: Constraints) -> Iterable[str]:
    yield from _when(rule.window)
    for words, allowed in (
        ("for the purpose", rule.purposes),
        ("in the region", rule.regions),
        ("by", rule.workloads),
        ("to", rule.recipients),
    ):
        if allowed is not None:
            yield f"only {words} {_listed(sorted(allowed), 'or')}" if allowed else f"{words} nothing at all"
    for quota in sorted(rule.quotas):
        yield f"at most {limit_of(quota)}"
    for rate in sorted(rule.rates):
        yield f"at most {rate.limit:,} uses in any {rate.interval_s} s"
    if rule.max_concurrency is not None:
        yield f"at most {rule.max_concurrency} at the same time"
    if rule.max_seats is not None:
        yield f"at most {rule.max_seats:,} seats: different people or agents, each from its first use on"
        if rule.seat_hold is not None:
            yield f"a seat can be given back, or to somebody else, {_long(rule.seat_hold)} after it was taken"
    if rule.min_aggregation:
        yield f"only results that stand on at least {rule.min_aggregation} memories"
    if rule.on_platform_only:
        yield "on this platform only"


def _when(window: Window) -> Iterable[str]:
    if window.start is not None:
        yield f"from {window.start:%Y-%m-%d %H:%M} UTC"
    if window.end is not None:
        yield f"until {window.end:%Y-%m-%d %H:%M} UTC"
    if window.duration is not None:
        yield f"for {_long(window.duration)} after the agreement came into force"


def _forbidden(terms: Terms) -> tuple[str, ...]:
    nowhere = [action for action in Action if not any((action, form) in terms.rules for form in Form)]
    found = []
    if nowhere:
        found.append(f"You may not {_listed([_DOING[action] for action in nowhere], 'or')} it, in any form.")
    for form in Form:
        missing = [action for action in Action if action not in nowhere and (action, form) not in terms.rules]
        if missing and any((action, form) in terms.rules for action in Action):
            found.append(f"You may not {_listed([_DOING[action] for action in missing], 'or')} {_FORMS[form]}.")
    without = [_FORMS[form] for form in Form if not any((action, form) in terms.rules for action in Action)]
    if without and len(without) < len(Form):
        told = _listed(without)
        found.append(f"{told[0].upper()}{told[1:]} may not be used at all.")
    return tuple(found)


def _duties(duties: Iterable[Duty]) -> tuple[str, ...]:
    return tuple(
        _DUTIES[duty.kind] + (f': "{duty.text}".' if duty.text else ".")
        for duty in sorted(duties, key=lambda duty: (list(DutyKind).index(duty.kind), duty.text))
    )


def _long(time: timedelta) -> str:
    seconds = time.total_seconds()
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}" + ("s" if count > 1 else "")
    return f"{seconds:g} seconds"


def _listed(words: list[str], last: str = "and") -> str:
    if len(words) < 2:  # noqa: PLR2004 - one thing needs no list
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
