"""Which subjects count for whom: a principal itself, its roles, and what those inherit; cycles do no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.authz.entries import ROLE_PREFIX
from memporium_platform.authz.table import ALLOW_EVERYBODY, DENY_EVERYBODY
from memporium_platform.names import org_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Member -> the roles that it is directly given.
Edges = dict[str, frozenset[str]]


def reached(start: Iterable[str], edges: Edges, shared: Edges) -> tuple[str, ...]:
    """Return these roles and all that they inherit."""
    seen = dict.fromkeys(start)
    pending = list(seen)
    while pending:
        current = pending.pop()
        for graph in (edges, shared):
            for role in graph.get(current, ()):
                if role not in seen:
                    seen[role] = None
                    pending.append(role)
    return tuple(seen)


def subjects_of(principal: str, domain: str, edges: Edges, shared: Edges) -> tuple[str, ...]:
    """Return the subjects whose rules count for a principal in a domain."""
    return (*reached((principal,), edges, shared), *_everybody(principal, domain))


class Closures:
    """The closure of every principal that is bound in one domain; immutable."""

    __slots__ = ("_domain", "_edges", "_shared", "_subjects")

    def __init__(self, domain: str, edges: Edges, shared: Edges, subjects: Mapping[str, tuple[str, ...]]) -> None:
        """Keep what was computed; use `build`."""
        self._domain = domain
        self._edges = edges
        self._shared = shared
        self._subjects = subjects

    @classmethod
    def build(cls, domain: str, edges: Edges, shared: Edges) -> Closures:
        """Return the closures of a domain's rows."""
        # Principals with the same roles share one search.
        known: dict[frozenset[str], tuple[str, ...]] = {}
        subjects: dict[str, tuple[str, ...]] = {}
        for member, direct in edges.items():
            if member.startswith(ROLE_PREFIX):
                continue
            roles = direct | shared[member] if member in shared else direct
            tail = known.get(roles)
            if tail is None:
                tail = known[roles] = reached(roles, edges, shared)
            subjects[member] = (member, *tail, *_everybody(member, domain))
        return cls(domain, edges, shared, subjects)

    def with_members(self, edges: Edges, members: Iterable[str]) -> Closures:
        """Return the closures after the direct roles of these principals, not of roles, have changed."""
        subjects = dict(self._subjects)
        for member in members:
            subjects[member] = subjects_of(member, self._domain, edges, self._shared)
        return Closures(self._domain, edges, self._shared, subjects)

    def of(self, principal: str) -> tuple[str, ...]:
        """Return the subjects that count for a principal."""
        found = self._subjects.get(principal)
        return subjects_of(principal, self._domain, self._edges, self._shared) if found is None else found


def _everybody(principal: str, domain: str) -> tuple[str, ...]:
    return (DENY_EVERYBODY, ALLOW_EVERYBODY) if org_of(principal) == domain else (DENY_EVERYBODY,)
