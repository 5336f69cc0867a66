"""The authorisation snapshot: immutable, complete at one epoch, asked without any wait.

Deny overrides allow; what no rule allows is denied; no wildcard crosses an organisation: a rule counts only in its own
domain, and an object outside of the domain is never looked up by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium_platform.authz.closure import Closures, subjects_of
from memporium_platform.authz.patterns import generalisations
from memporium_platform.authz.table import RuleTable
from memporium_platform.names import org_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memporium_platform.authz.entries import Credential, IssuerState, OrgState, PrincipalState, Rule

DEFAULT_DENY = "default-deny"
# Distinct actions come from the method table; the cap guards against questions about invented ones.
_MAX_REMEMBERED_ACTIONS = 4096


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of authorisation at one epoch.

    Attributes:
        epoch: Grows with every change.
        orgs: By id.
        principals: By name.
        credentials: API keys by key id.
        issuers: By their `iss` claim.
        tables: Rules by domain.
        shared: Rules that the platform ships for every domain.
        closures: Subjects that count, by domain.
        shared_edges: Role inheritance that the platform ships.
        action_patterns: Every action pattern that occurs in a rule.
        conditional: Whether any rule tests an attribute of the call.
    """

    epoch: int = 0
    orgs: Mapping[str, OrgState] = field(default_factory=dict)
    principals: Mapping[str, PrincipalState] = field(default_factory=dict)
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    issuers: Mapping[str, IssuerState] = field(default_factory=dict)
    tables: Mapping[str, RuleTable] = field(default_factory=dict)
    shared: RuleTable = field(default_factory=RuleTable)
    closures: Mapping[str, Closures] = field(default_factory=dict)
    shared_edges: dict[str, frozenset[str]] = field(default_factory=dict)
    action_patterns: frozenset[str] = frozenset()
    conditional: bool = False
    # Action -> the patterns above that match it; filled as actions are met, the same whoever fills it.
    _remembered: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    def decide(  # noqa: C901, PLR0912 - one flat loop is what makes it take microseconds
        self, principal: str, domain: str, name: str, action: str, context: Mapping[str, str]
    ) -> tuple[bool, str]:
        """Return whether `principal` may do `action` on `name` in `domain`, and the id of the rule that decided.

        Args:
            principal: Name of the principal.
            domain: Organisation whose roles and rules count.
            name: Name of the object; one that lies outside of the domain counts as the domain itself.
            action: `<service>.<resource>.<verb>`.
            context: Attributes of the call; only asked where a rule tests one.
        """
        patterns = self._remembered.get(action)
        if patterns is None:
            patterns = self._patterns(action)
        closures = self.closures.get(domain)
        who = subjects_of(principal, domain, {}, self.shared_edges) if closures is None else closures.of(principal)
        prefix = "orgs/" + domain
        if name != prefix and not name.startswith(prefix + "/"):
            name = prefix
        allowed_by = ""
        for table in (self.tables.get(domain), self.shared):
            if table is None:
                continue
            for actions in table.matching(name):
                for pattern in patterns:
                    by_subject = actions.get(pattern)
                    if by_subject is None:
                        continue
                    for subject in who:
                        rules = by_subject.get(subject)
                        if rules is None:
                            continue
                        for rule in rules:
                            if rule.allow:
                                if not allowed_by and (not rule.tests or rule.passes(context)):
                                    allowed_by = rule.id
                            elif not rule.tests or rule.passes(context):
                                return False, rule.id
        return (True, allowed_by) if allowed_by else (False, DEFAULT_DENY)

    def matched(
        self, principal: str, domain: str, name: str, action: str, context: Mapping[str, str]
    ) -> Iterator[Rule]:
        """Yield every rule that matches the question, in no particular order."""
        who = self.subjects(principal, domain)
        inside = name if org_of(name) == domain else f"orgs/{domain}"
        for table in (self.tables.get(domain), self.shared):
            for actions in table.matching(inside) if table is not None else ():
                for pattern in generalisations(action):
                    by_subject = actions.get(pattern, {})
                    for subject in who:
                        yield from (rule for rule in by_subject.get(subject, ()) if rule.passes(context))

    def subjects(self, principal: str, domain: str) -> tuple[str, ...]:
        """Return the subjects whose rules count for a principal in a domain."""
        closures = self.closures.get(domain)
        return subjects_of(principal, domain, {}, self.shared_edges) if closures is None else closures.of(principal)

    def _patterns(self, action: str) -> tuple[str, ...]:
        patterns = tuple(pattern for pattern in generalisations(action) if pattern in self.action_patterns)
        if len(self._remembered) < _MAX_REMEMBERED_ACTIONS:
            self._remembered[action] = patterns
        return patterns
