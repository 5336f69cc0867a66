"""Rules and role inheritance as rows of Casbin's own table: `ptype, v0 ... v5`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from memporium_platform.authz.entries import Condition, Grouping, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

ALLOW, DENY = "allow", "deny"
_OPERATORS = {"in": True, "not_in": False}


def conditions_to_text(tests: Sequence[Condition]) -> str:
    """Return tests as the text of the column `cond`."""
    if not tests:
        return ""
    rows = [[test.attribute, "in" if test.within else "not_in", sorted(test.values)] for test in tests]
    return json.dumps(rows, separators=(",", ":"))


def conditions_from_text(text: str) -> tuple[Condition, ...]:
    """Return the tests in the column `cond`."""
    if not text:
        return ()
    return tuple(
        Condition(attribute, _OPERATORS[operator], frozenset(values))
        for attribute, operator, values in json.loads(text)
    )


def rule_to_row(rule: Rule) -> tuple[str, str, str, str, str, str]:
    """Return the six values of a `p` row."""
    effect = ALLOW if rule.allow else DENY
    return rule.subject, rule.domain, rule.object, rule.action, conditions_to_text(rule.tests), effect


def rule_from_row(rule_id: str, row: Sequence[str]) -> Rule:
    """Return the rule of a `p` row; an effect that is not `allow` denies."""
    subject, domain, pattern, action, conditions, effect = row
    return Rule(rule_id, subject, domain, pattern, action, effect == ALLOW, conditions_from_text(conditions))


def grouping_to_row(grouping: Grouping) -> tuple[str, str, str]:
    """Return the three values of a `g` row."""
    return grouping.member, grouping.role, grouping.domain
