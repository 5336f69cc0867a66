"""Roles, role bindings and policies; and the answer to whether somebody may do something."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.authz.entries import ROLE_PREFIX
from memporium_platform.errors import denied, invalid, not_found
from memporium_platform.names import ORG, POLICY, PRINCIPAL, ROLE_BINDING, new_id, org_of
from memporium_platform.storage.sql.times import to_us
from memporium_services.governance.app.changes import Changed, Changes, active, existing_principal
from memporium_services.governance.domain.records import Binding, Policy
from memporium_services.governance.domain.rules import (
    MAX_DESCRIPTION,
    check_action,
    check_conditions,
    check_member,
    check_object,
    check_role,
    check_subject,
    check_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memporium_platform.authz.entries import Grouping, Rule
    from memporium_platform.authz.snapshot import Snapshot
    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_services.governance.ports import Directory, Rows

# More rules than this would hold up the event loop: Casbin's enforcer goes through all of them, and needs this thread.
MAX_CASBIN_RULES = 2_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a principal may, and why.

    Attributes:
        allowed: Whether it may.
        rule: The rule that decided.
        epoch: Of the snapshot that decided.
        matched: All rules that match; only where explained.
        subjects: Subjects that count; only where explained.
        casbin: What Casbin says; None where not asked, or where it would take too long.
    """

    allowed: bool
    rule: str
    epoch: int
    matched: tuple[Rule, ...] = ()
    subjects: tuple[str, ...] = ()
    casbin: bool | None = None


class Access:
    """What can be done with roles and policies."""

    def __init__(
        self,
        directory: Directory,
        changes: Changes,
        clock: Clock,
        *,
        snapshot: Callable[[], Snapshot],
        judge: Callable[[Sequence[Rule], Sequence[Grouping], str, str, str, str, Mapping[str, str]], bool],
    ) -> None:
        """Keep what it works with; `judge` asks Casbin's own enforcer."""
        self._directory = directory
        self._changes = changes
        self._clock = clock
        self._snapshot = snapshot
        self._judge = judge

    async def bind(self, call: Call, parent: str, *, member: str, role: str) -> Changed[Binding]:
        """Give a role.

        Raises:
            PlatformError: INVALID_FIELD; NOT_FOUND, where a principal of the organisation does not exist.
        """
        org = ORG.parse(parent, "parent")["org"]
        check_member(member, org, "role_binding.member")
        check_role(role, org, "role_binding.role")
        now = self._clock.now()
        binding = Binding(org, new_id(now), member, role, to_us(now))

        def work(rows: Rows) -> Changed[Binding]:
            active(rows, org)
            if org_of(member) == org:
                existing_principal(rows, member)
            return Changed(binding, rows.put(binding))

        return await self._changes.run(
            call, work, lambda rows, name: rows.binding(org, ROLE_BINDING.parse(name)["binding"])
        )

    async def bindings(self, parent: str, *, member: str, after: str, limit: int) -> list[Binding]:
        """Return the role bindings of an organisation, oldest first."""
        org = ORG.parse(parent, "parent")["org"]
        return await self._directory.read(lambda rows: rows.bindings(org, after, limit, member=member))

    async def unbind(self, call: Call, name: str) -> int:
        """Take a role away; return the epoch.

        Raises:
            PlatformError: NOT_FOUND.
        """
        ids = ROLE_BINDING.parse(name)

        def work(rows: Rows) -> int:
            found = rows.binding(ids["org"], ids["binding"])
            if found is None:
                raise not_found(name)
            return rows.remove(found)

        return await self._changes.run_removal(call, work)

    async def add_policy(self, call: Call, parent: str, draft: Policy) -> Changed[Policy]:
        """Add a policy; of `draft` only what the caller may set counts.

        Raises:
            PlatformError: INVALID_FIELD.
        """
        org = ORG.parse(parent, "parent")["org"]
        check_subject(draft.subject, org, "policy.subject")
        check_object(draft.object, org, "policy.object")
        check_action(draft.action, "policy.action")
        check_conditions(draft.conditions, "policy.conditions")
        check_text(draft.description, "policy.description", MAX_DESCRIPTION)
        now = self._clock.now()
        policy = replace(draft, org=org, id=new_id(now), create_us=to_us(now))

        def work(rows: Rows) -> Changed[Policy]:
            active(rows, org)
            return Changed(policy, rows.put(policy))

        return await self._changes.run(call, work, lambda rows, name: rows.policy(org, POLICY.parse(name)["policy"]))

    async def policies(self, parent: str, *, after: str, limit: int) -> list[Policy]:
        """Return the policies of an organisation, oldest first."""
        org = ORG.parse(parent, "parent")["org"]
        return await self._directory.read(lambda rows: rows.policies(org, after, limit))

    async def remove_policy(self, call: Call, name: str) -> int:
        """Remove a policy; return the epoch.

        Raises:
            PlatformError: NOT_FOUND.
        """
        ids = POLICY.parse(name)

        def work(rows: Rows) -> int:
            found = rows.policy(ids["org"], ids["policy"])
            if found is None:
                raise not_found(name)
            return rows.remove(found)

        return await self._changes.run_removal(call, work)

    async def check(
        self,
        parent: str,
        *,
        principal: str,
        action: str,
        resource: str,
        context: Mapping[str, str],
        explain: bool,
    ) -> Answer:
        """Answer whether a principal may do something in an organisation.

        Raises:
            PlatformError: INVALID_FIELD; PERMISSION_DENIED, where the resource lies in another organisation.
        """
        org = ORG.parse(parent, "parent")["org"]
        check_action(action, "action", exact=True)
        if PRINCIPAL.match(principal) is None:
            raise invalid("principal", f"must have the form {PRINCIPAL.template}")
        name = resource or parent
        if org_of(name) != org:
            raise denied("governance.access.check", name)
        snapshot = self._snapshot()
        allowed, rule = snapshot.decide(principal, org, name, action, context)
        answer = Answer(allowed, rule, snapshot.epoch)
        if not explain:
            return answer
        rules, groupings = await self._directory.read(lambda rows: rows.casbin_rows(org, MAX_CASBIN_RULES + 1))
        judged = None
        if len(rules) <= MAX_CASBIN_RULES:
            judged = self._judge(rules, groupings, org, principal, name, action, context)
        matched = tuple(snapshot.matched(principal, org, name, action, context))
        return replace(answer, matched=matched, subjects=_shown(snapshot, principal, org), casbin=judged)

    def roles_of(self, principal: str, org: str) -> tuple[list[str], int]:
        """Return the roles of a principal in an organisation, with what they inherit, and the epoch."""
        snapshot = self._snapshot()
        subjects = snapshot.subjects(principal, org)
        roles = [subject.removeprefix(ROLE_PREFIX) for subject in subjects if subject.startswith(ROLE_PREFIX)]
        return sorted(roles), snapshot.epoch


def _shown(snapshot: Snapshot, principal: str, org: str) -> tuple[str, ...]:
    return tuple(subject for subject in snapshot.subjects(principal, org) if "*" not in subject)
