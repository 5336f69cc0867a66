"""Between the audit log's messages and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.governance.v1 import audit_pb2
from memporium_platform.errors import invalid
from memporium_platform.storage.sql.times import from_us
from memporium_services.governance.app.audit_log import content_of
from memporium_services.governance.convert import set_time, time_us_of
from memporium_services.governance.domain.audit import PERMISSION_CHANGES, Filter, Leaf, LogRecord
from memporium_services.governance.domain.rules import check_action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.governance.app.audit_log import SignedState

_TEXTS = (
    "decision_id",
    "principal",
    "principal_org",
    "credential",
    "via",
    "method",
    "action",
    "resource",
    "reason",
    "rule",
    "purpose",
    "region",
    "memory_type",
    "terms_digest",
    "trace_id",
    "root_id",
    "request_id",
)
_EFFECTS = {
    audit_pb2.AUDIT_EFFECT_ALLOW: "ALLOW",
    audit_pb2.AUDIT_EFFECT_DENY: "DENY",
    audit_pb2.AUDIT_EFFECT_ERROR: "ERROR",
}
_EFFECT_NUMBERS = {name: number for number, name in _EFFECTS.items()}
MAX_ACTIONS = 50


def record_from(message: audit_pb2.AuditRecord) -> LogRecord:
    """Return a record to append.

    Raises:
        PlatformError: INVALID_FIELD, where it has no decision id, time or effect.
    """
    # A record of every call comes by here, hundreds at once, on the event loop: in few steps.
    decision_id, effect = message.decision_id, _EFFECTS.get(message.effect)
    time_us = time_us_of(message.time, present=message.HasField("time"), name="records.time")
    if not decision_id or not time_us or effect is None:
        raise invalid("records", "need decision_id, time and effect")
    principal, org, action, resource = message.principal, message.principal_org, message.action, message.resource
    memory_type = message.memory_type
    content: dict[str, Any] = {
        "decision_id": decision_id,
        "principal": principal,
        "principal_org": org,
        "credential": message.credential,
        "via": message.via,
        "method": message.method,
        "action": action,
        "resource": resource,
        "reason": message.reason,
        "rule": message.rule,
        "purpose": message.purpose,
        "region": message.region,
        "memory_type": memory_type,
        "terms_digest": message.terms_digest,
        "trace_id": message.trace_id,
        "root_id": message.root_id,
        "request_id": message.request_id,
        "time": from_us(time_us).isoformat(timespec="microseconds"),
        "time_us": time_us,
        "effect": effect,
        "epoch": message.epoch,
        "details": dict(message.details) if message.details else {},
    }
    return LogRecord(decision_id, time_us, principal, org, action, resource, effect, memory_type, content)


def entry(leaf: Leaf) -> audit_pb2.LogEntry:
    """Return the message of an entry."""
    message = audit_pb2.LogEntry(index=leaf.index, leaf_hash=leaf.leaf_hash, salt=leaf.salt, erased=not leaf.record)
    content: dict[str, Any] = content_of(leaf)
    if content:
        record = message.record
        for name in _TEXTS:
            setattr(record, name, content[name])
        record.effect = _EFFECT_NUMBERS[content["effect"]]
        record.epoch = content["epoch"]
        record.time.FromMicroseconds(content["time_us"])
        record.details.update(content["details"])
    return message


def checkpoint(signed: SignedState) -> audit_pb2.Checkpoint:
    """Return the message of a signed state."""
    message = audit_pb2.Checkpoint(
        tree_size=signed.state.size,
        root_hash=signed.state.root,
        note=signed.note,
        verifier_key=signed.verifier_key,
    )
    set_time(message.time, signed.state.time_us)
    return message


def filter_of(message: audit_pb2.LogFilter) -> Filter:
    """Return a filter.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    actions = tuple(message.actions)
    if len(actions) > MAX_ACTIONS:
        raise invalid("filter.actions", f"must be at most {MAX_ACTIONS}")
    for action in actions:
        check_action(action, "filter.actions")
    if message.permission_changes:
        actions = (*actions, *PERMISSION_CHANGES)
    if message.effect and message.effect not in _EFFECTS:
        raise invalid("filter.effect", "is not known")
    return Filter(
        start_us=time_us_of(message.start_time, present=message.HasField("start_time"), name="filter.start_time"),
        end_us=time_us_of(message.end_time, present=message.HasField("end_time"), name="filter.end_time"),
        principal=message.principal,
        memory_type=message.memory_type,
        actions=actions,
        effect=_EFFECTS.get(message.effect, ""),
        resource=message.resource,
    )


def proved(leaf: Leaf, hashes: Sequence[bytes]) -> audit_pb2.ProvedRecord:
    """Return an entry with its audit path."""
    return audit_pb2.ProvedRecord(
        decision_id=leaf.decision_id, record=leaf.record, salt=leaf.salt, index=leaf.index, hashes=hashes
    )
