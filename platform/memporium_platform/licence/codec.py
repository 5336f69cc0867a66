"""Between the bytes of licence terms and their values.

The bytes that came in are kept, hashed and passed on; they are never made anew from the values. Reading is for every
version of the terms: what this code does not know is marked `unknown` and permits nothing. Checking is for new terms:
what this code does not know is refused.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import terms_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.licence.terms import (
    Action,
    Constraints,
    Duty,
    DutyKind,
    Form,
    Period,
    Quota,
    Rate,
    Terms,
    Unit,
    Window,
    least_quotas,
    least_rates,
)

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.message import Message

ACTIONS = {terms_pb2.LicenceAction.Value(f"LICENCE_ACTION_{action}"): action for action in Action}
FORMS = {cube_pb2.MemoryForm.Value(f"MEMORY_FORM_{form}"): form for form in Form}
UNITS = {terms_pb2.UseUnit.Value(f"USE_UNIT_{unit}"): unit for unit in Unit}
PERIODS = {terms_pb2.QuotaPeriod.Value(f"QUOTA_PERIOD_{period}"): period for period in Period}
DUTIES = {terms_pb2.DutyKind.Value(f"DUTY_KIND_{kind}"): kind for kind in DutyKind}


def digest_of(content: bytes) -> str:
    """Return the digest of terms: SHA-256 of the bytes as they were agreed, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_terms(content: bytes) -> Terms:
    """Return the terms in stored bytes.

    Raises:
        PlatformError: INTEGRITY_FAILURE, where the bytes are not licence terms at all.
    """
    try:
        return terms_of(terms_pb2.LicenceTerms.FromString(content))
    except (DecodeError, ValueError, OverflowError) as error:
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the stored licence terms cannot be read") from error


def terms_of(message: terms_pb2.LicenceTerms) -> Terms:
    """Return the value of a message; where a pair stands in several permissions the first counts."""
    unknown = bool(len(UnknownFieldSet(message)))
    rules: dict[tuple[Action, Form], Constraints] = {}
    for permission in message.permissions:
        actions = [ACTIONS[value] for value in permission.actions if value in ACTIONS]
        forms = [FORMS[value] for value in permission.forms if value in FORMS]
        pool = "+".join(sorted({f"{action}/{form}" for action in actions for form in forms}))
        rule = _constraints(permission.constraints, pool, also_unknown=bool(len(UnknownFieldSet(permission))))
        for action in actions:
            for form in forms:
                rules.setdefault((action, form), rule)
    for prohibition in message.prohibitions:
        unreadable = any(value not in ACTIONS for value in prohibition.actions)
        unreadable = unreadable or any(value not in FORMS for value in prohibition.forms)
        unknown = unknown or unreadable or bool(len(UnknownFieldSet(prohibition)))
        forms = [FORMS[value] for value in prohibition.forms if value in FORMS] or list(Form)
        for action in (ACTIONS[value] for value in prohibition.actions if value in ACTIONS):
            for form in forms:
                rules.pop((action, form), None)
    unknown = unknown or any(duty.kind not in DUTIES or len(UnknownFieldSet(duty)) for duty in message.duties)
    return Terms(
        rules=rules,
        duties=frozenset(Duty(DUTIES[duty.kind], duty.text) for duty in message.duties if duty.kind in DUTIES),
        spdx=frozenset({message.spdx_expression} - {""}),
        legal_texts=frozenset(message.legal_text_sha256s),
        unknown=unknown,
    )


def _allowed(message: Any, field: str) -> frozenset[str] | None:
    return frozenset(getattr(message, field).values) if message.HasField(field) else None


def _time(message: Any, field: str) -> datetime | None:
    return getattr(message, field).ToDatetime(tzinfo=UTC) if message.HasField(field) else None


def _constraints(message: terms_pb2.LicenceConstraints, pool: str, *, also_unknown: bool) -> Constraints:
    window = message.window
    strange: list[Message] = [message, window, message.seat_hold, *message.quotas, *message.rates]
    unknown = also_unknown or any(len(UnknownFieldSet(part)) for part in strange)
    unknown = unknown or any(quota.unit not in UNITS or quota.period not in PERIODS for quota in message.quotas)
    quotas = [
        Quota(UNITS[quota.unit], PERIODS[quota.period], quota.pool or pool, quota.limit)
        for quota in message.quotas
        if quota.unit in UNITS and quota.period in PERIODS
    ]
    return Constraints(
        window=Window(
            start=_time(window, "start_time"),
            end=_time(window, "end_time"),
            duration=window.duration.ToTimedelta() if window.HasField("duration") else None,
        ),
        purposes=_allowed(message, "purposes"),
        regions=_allowed(message, "regions"),
        workloads=_allowed(message, "workloads"),
        recipients=_allowed(message, "recipients"),
        quotas=least_quotas(quotas),
        rates=least_rates(Rate(max(rate.interval.seconds, 1), rate.limit) for rate in message.rates),
        max_concurrency=message.max_concurrency or None,
        max_seats=message.max_seats or None,
        seat_hold=message.seat_hold.ToTimedelta() if message.max_seats and message.HasField("seat_hold") else None,
        min_aggregation=message.min_aggregation,
        on_platform_only=message.on_platform_only,
        unknown=unknown,
    )


def message_of(terms: Terms) -> terms_pb2.LicenceTerms:
    """Return terms as a new message, for terms that were computed (a meet); one permission for each pair."""
    message = terms_pb2.LicenceTerms(
        spdx_expression=" AND ".join(
            f"({expression})" if len(terms.spdx) > 1 else expression for expression in sorted(terms.spdx)
        ),
        legal_text_sha256s=sorted(terms.legal_texts),
    )
    for duty in sorted(terms.duties):
        message.duties.add(kind=f"DUTY_KIND_{duty.kind}", text=duty.text)
    if terms.unknown:
        message.prohibitions.add(actions=list(ACTIONS))
    for (action, form), rule in sorted(terms.rules.items()):
        if rule.unknown or terms.unknown:
            continue
        permission: Any = message.permissions.add()
        permission.actions.append(f"LICENCE_ACTION_{action}")
        permission.forms.append(f"MEMORY_FORM_{form}")
        _fill(permission.constraints, rule)
    return message


def _fill(message: terms_pb2.LicenceConstraints, rule: Constraints) -> None:
    if rule.window.start is not None:
        message.window.start_time.FromDatetime(rule.window.start)
    if rule.window.end is not None:
        message.window.end_time.FromDatetime(rule.window.end)
    if rule.window.duration is not None:
        message.window.duration.FromTimedelta(rule.window.duration)
    for field in ("purposes", "regions", "workloads", "recipients"):
        allowed: frozenset[str] | None = getattr(rule, field)
        if allowed is not None:
            getattr(message, field).SetInParent()
            getattr(message, field).values.extend(sorted(allowed))
    for quota in sorted(rule.quotas):
        message.quotas.add(
            unit=f"USE_UNIT_{quota.unit}",
            period=f"QUOTA_PERIOD_{quota.period}",
            pool=quota.pool,
            limit=quota.limit,
        )
    for rate in sorted(rule.rates):
        message.rates.add(limit=rate.limit).interval.FromTimedelta(timedelta(seconds=rate.interval_s))
    message.max_concurrency = rule.max_concurrency or 0
    message.max_seats = rule.max_seats or 0
    if rule.seat_hold is not None and rule.max_seats is not None:
        message.seat_hold.FromTimedelta(rule.seat_hold)
    message.min_aggregation = rule.min_aggregation
    message.on_platform_only = rule.on_platform_only
