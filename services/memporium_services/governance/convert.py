"""Between governance's messages and values; the only place that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.governance.v1 import (
    issuer_pb2,
    organisation_pb2,
    pii_pb2,
    policy_pb2,
    principal_pb2,
    watch_pb2,
)
from memporium_platform.authz.wire import effect_to_wire, kind_to_wire, tests_from_wire, tests_to_wire
from memporium_platform.errors import invalid
from memporium_platform.storage.sql.times import from_us
from memporium_services.governance.domain.pii import Mode
from memporium_services.governance.domain.records import ApiKey, Binding, Issuer, Organisation, Policy, Principal

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.timestamp_pb2 import Timestamp

    from memporium_platform.authz.entries import Rule
    from memporium_platform.authz.roles import RoleTemplate
    from memporium_services.governance.app.access import Answer
    from memporium_services.governance.app.watch import Part
    from memporium_services.governance.domain.pii import Finding, PiiRules

_MODES = {
    pii_pb2.REDACTION_MODE_UNSPECIFIED: Mode.REPLACE,
    pii_pb2.REDACTION_MODE_REPLACE: Mode.REPLACE,
    pii_pb2.REDACTION_MODE_MASK: Mode.MASK,
    pii_pb2.REDACTION_MODE_PSEUDONYM: Mode.PSEUDONYM,
}
_SECOND_NANOS = 1_000_000_000
# 0001-01-01 to 9999-12-31, as google.protobuf.Timestamp defines it.
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def set_time(field: Timestamp, microseconds: int) -> None:
    """Set a time, unless it is 0: never."""
    if microseconds:
        field.FromMicroseconds(microseconds)


def time_of(field: Timestamp, *, present: bool, name: str) -> datetime | None:
    """Return a time, aware; None where it is absent.

    Raises:
        PlatformError: INVALID_FIELD, where it is out of range.
    """
    if not present:
        return None
    try:
        return from_us(field.ToMicroseconds())
    except (ValueError, OverflowError) as error:
        raise invalid(name, "is out of range") from error


def time_us_of(field: Timestamp, *, present: bool, name: str) -> int:
    """Return a time in microseconds; 0 where it is absent."""
    if not present:
        return 0
    seconds, nanos = field.seconds, field.nanos
    if not (_FIRST_S <= seconds <= _LAST_S and 0 <= nanos < _SECOND_NANOS):
        raise invalid(name, "is out of range")
    return seconds * 1_000_000 + nanos // 1000


def organisation(record: Organisation) -> organisation_pb2.Organisation:
    """Return the message."""
    state = organisation_pb2.Organisation
    message = state(
        name=record.name,
        display_name=record.display_name,
        state=state.STATE_DELETED if record.delete_us else state.STATE_ACTIVE,
    )
    set_time(message.create_time, record.create_us)
    set_time(message.delete_time, record.delete_us)
    return message


def principal(record: Principal) -> principal_pb2.Principal:
    """Return the message."""
    message = principal_pb2.Principal(
        name=record.name,
        kind=kind_to_wire(record.kind),
        display_name=record.display_name,
        disabled=record.disabled,
    )
    set_time(message.create_time, record.create_us)
    return message


def api_key(record: ApiKey) -> principal_pb2.ApiKey:
    """Return the message."""
    message = principal_pb2.ApiKey(name=record.name, display_name=record.display_name)
    set_time(message.create_time, record.create_us)
    set_time(message.expire_time, record.expire_us)
    set_time(message.revoke_time, record.revoke_us)
    return message


def issuer(record: Issuer) -> issuer_pb2.Issuer:
    """Return the message."""
    message = issuer_pb2.Issuer(
        name=record.name,
        issuer=record.issuer,
        audience=record.audience,
        jwks=record.jwks,
        algorithms=record.algorithms,
        principal_claim=record.principal_claim,
    )
    set_time(message.create_time, record.create_us)
    return message


def issuer_draft(message: issuer_pb2.Issuer) -> Issuer:
    """Return what the caller set."""
    return Issuer(
        org="",
        id="",
        issuer=message.issuer,
        audience=message.audience,
        jwks=message.jwks,
        algorithms=tuple(message.algorithms),
        principal_claim=message.principal_claim,
        create_us=0,
    )


def role(template: RoleTemplate) -> policy_pb2.Role:
    """Return the message."""
    return policy_pb2.Role(
        role=template.role,
        description=template.description,
        inherits=template.inherits,
        actions=template.actions,
    )


def binding(record: Binding) -> policy_pb2.RoleBinding:
    """Return the message."""
    message = policy_pb2.RoleBinding(name=record.name, member=record.member, role=record.role)
    set_time(message.create_time, record.create_us)
    return message


def policy(record: Policy) -> policy_pb2.Policy:
    """Return the message."""
    message = policy_pb2.Policy(
        name=record.name,
        subject=record.subject,
        object=record.object,
        action=record.action,
        effect=effect_to_wire(allow=record.allow),
        conditions=tests_to_wire(record.conditions),
        description=record.description,
    )
    set_time(message.create_time, record.create_us)
    return message


def policy_draft(message: policy_pb2.Policy) -> Policy:
    """Return what the caller set.

    Raises:
        PlatformError: INVALID_FIELD, where an effect or operator is not known.
    """
    if message.effect not in (policy_pb2.POLICY_EFFECT_ALLOW, policy_pb2.POLICY_EFFECT_DENY):
        raise invalid("policy.effect", "must be ALLOW or DENY")
    conditions = tests_from_wire(message.conditions)
    return Policy(
        org="",
        id="",
        subject=message.subject,
        object=message.object,
        action=message.action,
        allow=message.effect == policy_pb2.POLICY_EFFECT_ALLOW,
        conditions=conditions,
        description=message.description,
        create_us=0,
    )


def context_of(message: policy_pb2.AccessContext, *, kind: str, now: datetime) -> dict[str, str]:
    """Return the attributes of a call that is asked about."""
    moment = time_of(message.time, present=message.HasField("time"), name="context.time") or now
    return {
        "purpose": message.purpose,
        "region": message.region,
        "channel": message.via,
        "via": message.via,
        "kind": kind,
        "counterparty": "",
        "hour": str(moment.hour),
        "weekday": _WEEKDAYS[moment.weekday()],
    }


def answer(found: Answer) -> policy_pb2.CheckAccessResponse:
    """Return the message."""
    return policy_pb2.CheckAccessResponse(
        allowed=found.allowed,
        rule=found.rule,
        epoch=found.epoch,
        matched=[_matched(rule) for rule in found.matched],
        subjects=found.subjects,
        casbin_allowed=found.casbin,
    )


def _matched(rule: Rule) -> policy_pb2.MatchedRule:
    return policy_pb2.MatchedRule(
        rule=rule.id,
        subject=rule.subject,
        object=rule.object,
        action=rule.action,
        effect=effect_to_wire(allow=rule.allow),
    )


def part(found: Part) -> watch_pb2.WatchAuthorizationResponse:
    """Return the message; rows are stored as messages."""
    response = watch_pb2.WatchAuthorizationResponse(reset=found.reset, epoch=found.epoch, complete=found.complete)
    for key, message in found.rows:
        entry = response.entries.add()
        if message:
            entry.ParseFromString(message)
        else:
            entry.key = key
    return response


def mode_of(number: pii_pb2.RedactionMode.ValueType) -> Mode:
    """Return how to redact.

    Raises:
        PlatformError: INVALID_FIELD, where it is not known.
    """
    if number not in _MODES:
        raise invalid("mode", "is not known")
    return _MODES[number]


def findings(found: list[list[Finding]], rules: PiiRules) -> list[pii_pb2.PiiFinding]:
    """Return the messages, by text."""
    return [
        pii_pb2.PiiFinding(
            text_index=number,
            entity=finding.entity,
            start=finding.start,
            end=finding.end,
            score=finding.score,
            direct_identifier=rules.entities[finding.entity].direct_identifier,
        )
        for number, text in enumerate(found)
        for finding in text
    ]
