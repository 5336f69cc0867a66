"""Keeps the rows of the authorisation state and compiles them into snapshots, sharing what did not change."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar, cast

from memporium_platform.authz.closure import Closures, Edges
from memporium_platform.authz.entries import (
    ROLE_PREFIX,
    SHARED,
    Credential,
    Entry,
    Grouping,
    IssuerState,
    OrgState,
    PrincipalState,
    Rule,
)
from memporium_platform.authz.snapshot import Snapshot
from memporium_platform.authz.table import RuleTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

E = TypeVar("E", OrgState, PrincipalState, Credential, IssuerState)

# Above this share of a table, building it anew is cheaper than copying a path for each rule.
_REBUILD_SHARE = 8


class Compiler:
    """The mutable side: one owner sets and removes rows, then takes a snapshot."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._entries: dict[str, Entry] = {}
        self._states: dict[type, dict[str, Entry]] = {}
        self._restated: set[type] = set()
        self._rules: dict[str, dict[str, Rule]] = {}
        self._added: dict[str, dict[str, Rule]] = {}
        self._removed: dict[str, list[Rule]] = {}
        self._edges: dict[str, dict[str, Counter[str]]] = {}
        self._regrouped: dict[str, set[str]] = {}
        self._patterns: Counter[str] = Counter()
        self._conditional = 0
        self._last = Snapshot()

    def update(self, changes: Iterable[tuple[str, Entry | None]]) -> None:
        """Set and remove rows by key; None removes."""
        for key, entry in changes:
            before = self._entries.pop(key, None)
            if before is not None:
                self._remove(key, before)
            if entry is not None:
                self._entries[key] = entry
                self._set(key, entry)

    def snapshot(self, epoch: int) -> Snapshot:
        """Return the state of now as the snapshot of `epoch`."""
        last = self._last
        shared_edges = last.shared_edges
        if SHARED in self._regrouped:
            shared_edges = _frozen(self._edges[SHARED])
        tables = self._tables()
        shared = tables.pop(SHARED, last.shared)
        result = Snapshot(
            epoch=epoch,
            orgs=self._by_id(OrgState, last.orgs),
            principals=self._by_id(PrincipalState, last.principals),
            credentials=self._by_id(Credential, last.credentials),
            issuers=self._by_id(IssuerState, last.issuers),
            tables=tables,
            shared=shared,
            closures=self._closures(shared_edges),
            shared_edges=shared_edges,
            action_patterns=frozenset(self._patterns),
            conditional=self._conditional > 0,
        )
        self._added, self._removed, self._regrouped, self._restated = {}, {}, {}, set()
        self._last = result
        return result

    def _set(self, key: str, entry: Entry) -> None:
        if isinstance(entry, Rule):
            self._rules.setdefault(entry.domain, {})[key] = entry
            self._added.setdefault(entry.domain, {})[key] = entry
            self._patterns[entry.action] += 1
            self._conditional += bool(entry.tests)
        elif isinstance(entry, Grouping):
            roles = self._edges.setdefault(entry.domain, {}).setdefault(entry.member, Counter())
            roles[entry.role] += 1
            self._regrouped.setdefault(entry.domain, set()).add(entry.member)
        else:
            self._states.setdefault(type(entry), {})[_id_of(entry)] = entry
            self._restated.add(type(entry))

    def _remove(self, key: str, entry: Entry) -> None:
        if isinstance(entry, Rule):
            del self._rules[entry.domain][key]
            if self._added.get(entry.domain, {}).pop(key, None) is None:
                self._removed.setdefault(entry.domain, []).append(entry)
            _take(self._patterns, entry.action)
            self._conditional -= bool(entry.tests)
        elif isinstance(entry, Grouping):
            _take(self._edges[entry.domain][entry.member], entry.role)
            self._regrouped.setdefault(entry.domain, set()).add(entry.member)
        else:
            del self._states[type(entry)][_id_of(entry)]
            self._restated.add(type(entry))

    def _by_id(self, kind: type[E], before: Mapping[str, E]) -> Mapping[str, E]:
        return cast("dict[str, E]", dict(self._states[kind])) if kind in self._restated else before

    def _tables(self) -> dict[str, RuleTable]:
        """Return the tables, the changed ones made new; that of `SHARED` is among them only where it changed."""
        tables = dict(self._last.tables)
        for domain in self._added.keys() | self._removed.keys():
            rules = self._rules.get(domain, {})
            added, removed = self._added.get(domain, {}), self._removed.get(domain, [])
            table = tables.get(domain)
            if table is None or (len(added) + len(removed)) * _REBUILD_SHARE > len(rules):
                tables[domain] = RuleTable.build(rules.values())
                continue
            for rule in removed:
                table = table.without_rule(rule)
            for rule in added.values():
                table = table.with_rule(rule)
            tables[domain] = table
        return tables

    def _closures(self, shared_edges: Edges) -> dict[str, Closures]:
        everywhere = SHARED in self._regrouped
        closures = {} if everywhere else dict(self._last.closures)
        for domain in self._edges if everywhere else self._regrouped:
            if domain == SHARED:
                continue
            edges = _frozen(self._edges[domain])
            before, changed = closures.get(domain), self._regrouped.get(domain, set())
            if before is None or any(member.startswith(ROLE_PREFIX) for member in changed):
                closures[domain] = Closures.build(domain, edges, shared_edges)
            else:
                closures[domain] = before.with_members(edges, changed)
        return closures


def _id_of(entry: OrgState | PrincipalState | Credential | IssuerState) -> str:
    if isinstance(entry, OrgState):
        return entry.org
    if isinstance(entry, PrincipalState):
        return entry.name
    return entry.key_id if isinstance(entry, Credential) else entry.issuer


def _frozen(edges: Mapping[str, Counter[str]]) -> Edges:
    return {member: frozenset(roles) for member, roles in edges.items() if roles}


def _take(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
