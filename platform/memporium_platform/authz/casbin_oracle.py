"""Casbin's own plain Enforcer over the same rows: slow, and the judge of what the snapshot answers.

Never used on a worker thread (it races on CPython 3.11), and never replaced by `FastEnforcer`, which skips denies with
wildcards. Its patterns are matched by regular expressions, apart from the snapshot's own code.
"""

from __future__ import annotations

import json
import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import casbin
from casbin.persist import Adapter
from casbin.rbac.default_role_manager import DomainManager

from memporium_platform.authz.casbin_rows import grouping_to_row, rule_to_row
from memporium_platform.authz.entries import ATTRIBUTES, SHARED, Grouping, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# Casbin walks role chains by recursion, also around cycles; more levels than this would exhaust Python's stack.
_MAX_LEVELS = 400


class RowsAdapter(Adapter):  # type: ignore[misc]  # Casbin has no type hints
    """Hands rows to Casbin; inheritance that the platform ships is written out for each domain that occurs."""

    def __init__(self, rules: Iterable[Rule], groupings: Iterable[Grouping], domains: Iterable[str]) -> None:
        """Take the rows, and the domains that questions will be about."""
        self._rules = [list(rule_to_row(rule)) for rule in rules]
        rows: dict[tuple[str, str, str], None] = {}
        for grouping in groupings:
            for domain in domains if grouping.domain == SHARED else (grouping.domain,):
                rows[grouping_to_row(grouping._replace(domain=domain))] = None
        self._groupings = [list(row) for row in rows]

    @property
    def levels(self) -> int:
        """One more than the longest chain that the rows can hold."""
        return len({row[1] for row in self._groupings}) + 2

    def load_policy(self, model: Any) -> None:
        """Put all rows into Casbin's model."""
        # FastEnforcer's policy is no list: it can append alone.
        for section, rows in (("p", self._rules), ("g", self._groupings)):
            for row in rows:
                model[section][section].policy.append(row)


class CasbinOracle:
    """Answers by Casbin's Enforcer."""

    def __init__(
        self, model: Path, rules: Sequence[Rule], groupings: Sequence[Grouping], *, domains: Iterable[str]
    ) -> None:
        """Load the rows; call on the main thread.

        Raises:
            ValueError: More distinct roles than Casbin can follow in one chain.
        """
        self._enforcer = plain_enforcer(model, RowsAdapter(rules, groupings, tuple(domains)))

    def decide(self, principal: str, domain: str, name: str, action: str, context: Mapping[str, str]) -> bool:
        """Return whether Casbin allows it."""
        inside = name if re.match(rf"orgs/{re.escape(domain)}(/|$)", name) else f"orgs/{domain}"
        return bool(self._enforcer.enforce(principal, domain, inside, action, dict(context)))


def plain_enforcer(model: Path, adapter: RowsAdapter) -> Any:
    """Return Casbin's Enforcer with the model's functions and the rows of `adapter`."""
    logging.getLogger("casbin").setLevel(logging.ERROR)  # each denial would be logged as a warning
    if adapter.levels > _MAX_LEVELS:
        message = f"{adapter.levels} roles are more than Casbin can follow"
        raise ValueError(message)
    enforcer = casbin.Enforcer(str(model))
    add_functions(enforcer)
    enforcer.set_role_manager(DomainManager(adapter.levels))
    enforcer.set_adapter(adapter)
    enforcer.load_policy()
    return enforcer


def add_functions(enforcer: Any) -> None:
    """Teach an enforcer the functions that `policies/model.conf` names."""
    enforcer.add_function("actionMatches", lambda action, pattern: _regex(pattern, r"\.")(action) is not None)
    enforcer.add_function("objectMatches", _object_matches)
    enforcer.add_function("isEverybody", _is_everybody)
    enforcer.add_function("contextPasses", _context_passes)


@lru_cache(maxsize=100_000)
def _regex(pattern: str, separator: str) -> Any:
    escaped = re.escape(pattern)
    if escaped == r"\*":
        return re.compile(".+").fullmatch
    if escaped.endswith(separator + r"\*"):
        escaped = escaped.removesuffix(r"\*") + ".+"
    return re.compile(escaped.replace(r"\*", f"[^{separator}]+")).fullmatch


def _object_matches(name: str, pattern: str, domain: str) -> bool:
    inside = re.match(rf"orgs/{re.escape(domain)}(/|$)", name) is not None
    return inside and _regex(pattern, "/")(name) is not None


def _is_everybody(principal: str, subject: str, domain: str, effect: str) -> bool:
    return subject == "*" and (effect != "allow" or principal.split("/")[:2] == ["orgs", domain])


def _context_passes(context: Mapping[str, str], conditions: str, effect: str) -> bool:
    for attribute, operator, values in json.loads(conditions or "[]"):
        if attribute not in ATTRIBUTES:
            if effect == "allow":
                return False
            continue
        inside = context.get(attribute, "") in values
        if inside != (operator == "in"):
            return False
    return True
