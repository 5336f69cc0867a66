"""The watch stream's messages as rows, and rows as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.governance.v1 import policy_pb2, principal_pb2, watch_pb2
from memporium_platform.authz.entries import (
    Condition,
    Credential,
    Entry,
    Grouping,
    IssuerState,
    OrgState,
    PrincipalState,
    Rule,
)
from memporium_platform.call import PrincipalKind
from memporium_platform.names import org_of
from memporium_platform.storage.sql.times import from_us

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS = {
    principal_pb2.PRINCIPAL_KIND_USER: PrincipalKind.USER,
    principal_pb2.PRINCIPAL_KIND_WORKLOAD: PrincipalKind.WORKLOAD,
    principal_pb2.PRINCIPAL_KIND_OPERATOR: PrincipalKind.OPERATOR,
}
_KIND_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_IN = policy_pb2.AttributeTest.OPERATOR_IN
_NOT_IN = policy_pb2.AttributeTest.OPERATOR_NOT_IN


def kind_from_wire(number: principal_pb2.PrincipalKind.ValueType) -> PrincipalKind:
    """Return a kind; what is not given is a user."""
    return _KINDS.get(number, PrincipalKind.USER)


def kind_to_wire(kind: PrincipalKind) -> principal_pb2.PrincipalKind.ValueType:
    """Return the number of a kind."""
    return _KIND_NUMBERS[kind]


def tests_from_wire(conditions: Iterable[policy_pb2.AttributeTest]) -> tuple[Condition, ...]:
    """Return tests; an operator that is not known becomes a test that never helps an allow and never stops a deny."""
    return tuple(
        Condition(
            test.attribute if test.operator in (_IN, _NOT_IN) else f"?{test.attribute}",
            test.operator == _IN,
            frozenset(test.values),
        )
        for test in conditions
    )


def tests_to_wire(tests: Iterable[Condition]) -> list[policy_pb2.AttributeTest]:
    """Return tests as messages."""
    return [
        policy_pb2.AttributeTest(
            attribute=test.attribute, operator=_IN if test.within else _NOT_IN, values=sorted(test.values)
        )
        for test in tests
    ]


def effect_to_wire(*, allow: bool) -> policy_pb2.PolicyEffect.ValueType:
    """Return the effect of a rule."""
    return policy_pb2.POLICY_EFFECT_ALLOW if allow else policy_pb2.POLICY_EFFECT_DENY


def entry_from_wire(message: watch_pb2.AuthorizationEntry) -> Entry | None:
    """Return the row in a message; None where the row is removed, or of a kind that this version does not know."""
    which = message.WhichOneof("value")
    return _READERS[which](message) if which is not None else None


def entry_to_wire(key: str, entry: Entry | None) -> watch_pb2.AuthorizationEntry:
    """Return the message of a row; None: it is removed."""
    message = watch_pb2.AuthorizationEntry(key=key)
    if isinstance(entry, OrgState):
        message.organisation.org, message.organisation.active = entry.org, entry.active
    elif isinstance(entry, PrincipalState):
        message.principal.name, message.principal.disabled = entry.name, entry.disabled
        message.principal.kind = kind_to_wire(entry.kind)
    elif isinstance(entry, Credential):
        credential = message.credential
        credential.key_id, credential.principal = entry.key_id, entry.principal
        credential.secret_sha256, credential.revoked = entry.secret_sha256, entry.revoked
        if entry.expire_us:
            credential.expire_time.FromDatetime(from_us(entry.expire_us))
    elif isinstance(entry, IssuerState):
        issuer = message.issuer
        issuer.org, issuer.id, issuer.issuer, issuer.audience = entry.org, entry.id, entry.issuer, entry.audience
        issuer.jwks, issuer.principal_claim = entry.jwks, entry.principal_claim
        issuer.algorithms.extend(entry.algorithms)
    elif isinstance(entry, Grouping):
        grouping = message.grouping
        grouping.member, grouping.role, grouping.domain = entry
    elif isinstance(entry, Rule):
        policy = message.policy
        policy.id, policy.subject, policy.domain = entry.id, entry.subject, entry.domain
        policy.object, policy.action = entry.object, entry.action
        policy.effect = effect_to_wire(allow=entry.allow)
        policy.conditions.extend(tests_to_wire(entry.tests))
    return message


def _organisation(message: watch_pb2.AuthorizationEntry) -> Entry:
    return OrgState(message.organisation.org, message.organisation.active)


def _principal(message: watch_pb2.AuthorizationEntry) -> Entry:
    found = message.principal
    return PrincipalState(found.name, org_of(found.name), kind_from_wire(found.kind), found.disabled)


def _credential(message: watch_pb2.AuthorizationEntry) -> Entry:
    found = message.credential
    expire_us = found.expire_time.ToMicroseconds() if found.HasField("expire_time") else 0
    return Credential(found.key_id, found.principal, found.secret_sha256, expire_us, found.revoked)


def _issuer(message: watch_pb2.AuthorizationEntry) -> Entry:
    found = message.issuer
    return IssuerState(
        found.org,
        found.id,
        found.issuer,
        found.audience,
        found.jwks,
        tuple(found.algorithms),
        found.principal_claim or "sub",
    )


def _grouping(message: watch_pb2.AuthorizationEntry) -> Entry:
    found = message.grouping
    return Grouping(found.member, found.role, found.domain)


def _policy(message: watch_pb2.AuthorizationEntry) -> Entry:
    found = message.policy
    allow = found.effect == policy_pb2.POLICY_EFFECT_ALLOW
    tests = tests_from_wire(found.conditions)
    return Rule(found.id, found.subject, found.domain, found.object, found.action, allow, tests)


_READERS = {
    "organisation": _organisation,
    "principal": _principal,
    "credential": _credential,
    "issuer": _issuer,
    "grouping": _grouping,
    "policy": _policy,
}
