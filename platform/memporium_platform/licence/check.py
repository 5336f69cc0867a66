"""Whether new licence terms are fit to be offered: everything in them is known and unambiguous."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.protobuf.unknown_fields import UnknownFieldSet

from memporium_platform.errors import invalid
from memporium_platform.licence.codec import ACTIONS, DUTIES, FORMS, PERIODS, UNITS, terms_of

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message

    from memporium.memstore.v1 import terms_pb2

# A limit on the size keeps hostile terms small; the largest template has under 2 KiB.
MAX_TERMS_BYTES = 64 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_terms(message: terms_pb2.LicenceTerms, field: str) -> bytes:
    """Return the bytes of new terms: what is stored, hashed and signed from now on.

    Args:
        message: The terms as they came in.
        field: Path of the field they came in, for the error.

    Raises:
        PlatformError: INVALID_FIELD, where something is not known, ambiguous, or too large.
    """
    _refuse_unknown(message, field)
    seen: set[tuple[int, int]] = set()
    for index, permission in enumerate(message.permissions):
        path = f"{field}.permissions[{index}]"
        _check_values(permission.actions, ACTIONS, f"{path}.actions", needed=True)
        _check_values(permission.forms, FORMS, f"{path}.forms", needed=True)
        pairs = {(action, form) for action in permission.actions for form in permission.forms}
        if pairs & seen:
            raise invalid(path, "a pair of action and form may stand in one permission only")
        seen |= pairs
        _check_constraints(permission.constraints, f"{path}.constraints")
    for index, prohibition in enumerate(message.prohibitions):
        path = f"{field}.prohibitions[{index}]"
        _check_values(prohibition.actions, ACTIONS, f"{path}.actions", needed=True)
        _check_values(prohibition.forms, FORMS, f"{path}.forms", needed=False)
    _check_values([duty.kind for duty in message.duties], DUTIES, f"{field}.duties", needed=False)
    if not all(_SHA256.fullmatch(digest) for digest in message.legal_text_sha256s):
        raise invalid(f"{field}.legal_text_sha256s", "must be 64 lower-case hexadecimal characters")
    try:
        terms_of(message)
    except (ValueError, OverflowError) as error:
        raise invalid(field, "has a time that no calendar has") from error
    content = message.SerializeToString(deterministic=True)
    if len(content) > MAX_TERMS_BYTES:
        raise invalid(field, f"must be at most {MAX_TERMS_BYTES} bytes")
    return content


def _refuse_unknown(message: Message, field: str) -> None:
    if len(UnknownFieldSet(message)):
        raise invalid(field, "has a field that this platform does not know")
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        for part in value if descriptor.is_repeated else [value]:
            _refuse_unknown(part, f"{field}.{descriptor.name}")


def _check_values(values: object, known: object, field: str, *, needed: bool) -> None:
    given = list(values)  # type: ignore[call-overload]
    if needed and not given:
        raise invalid(field, "must not be empty")
    if any(value not in known for value in given):  # type: ignore[operator]
        raise invalid(field, "has a value that this platform does not know")


def _check_constraints(message: terms_pb2.LicenceConstraints, field: str) -> None:
    window = message.window
    bounded = window.HasField("start_time") and window.HasField("end_time")
    if bounded and window.end_time.ToNanoseconds() <= window.start_time.ToNanoseconds():
        raise invalid(f"{field}.window", "must end after it starts")
    if window.HasField("duration") and window.duration.ToNanoseconds() <= 0:
        raise invalid(f"{field}.window.duration", "must be longer than nothing")
    _check_values([quota.unit for quota in message.quotas], UNITS, f"{field}.quotas.unit", needed=False)
    _check_values([quota.period for quota in message.quotas], PERIODS, f"{field}.quotas.period", needed=False)
    if any(quota.limit < 0 for quota in message.quotas):
        raise invalid(f"{field}.quotas.limit", "must not be negative")
    if any(rate.interval.seconds < 1 or rate.interval.nanos or rate.limit < 0 for rate in message.rates):
        raise invalid(f"{field}.rates", "must have an interval of whole seconds and a limit that is not negative")
    if min(message.max_concurrency, message.min_aggregation, message.max_seats) < 0:
        raise invalid(field, "numbers must not be negative")
    if message.HasField("seat_hold") and not (message.max_seats and _whole_seconds(message.seat_hold)):
        raise invalid(f"{field}.seat_hold", "must be whole seconds, and goes with max_seats alone")


def _whole_seconds(message: Duration) -> bool:
    return message.seconds >= 1 and not message.nanos
