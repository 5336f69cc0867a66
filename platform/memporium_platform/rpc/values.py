"""The generic check of values that no service could make sense of, compiled once from the descriptors.

Enum numbers that this version does not know, timestamps and durations beyond what their types define, and texts with
the character NUL, which PostgreSQL does not store: refused here, they cannot surprise a service further on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from memporium_platform.errors import invalid

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

# Raises INVALID_FIELD for a wrong value; takes the message and the path before it.
Check = Callable[[Any, str], None]

# What is remembered, not what is asked for: services clean it and keep it as bytes.
_CONTENT = frozenset({"text", "texts", "content", "caption"})
_SECOND_NANOS = 999_999_999
# 0001-01-01 to 9999-12-31, as google.protobuf.Timestamp defines it; a duration is at most 10,000 years.
_TIMESTAMP = (-62_135_596_800, 253_402_300_799)
_DURATION = 315_576_000_000


def compile_values(descriptor: Descriptor, *, texts: bool = True) -> Check:
    """Return a function that raises INVALID_FIELD where a message of this type holds an impossible value.

    Without `texts` it leaves out the character NUL, for messages whose bytes have no zero anywhere.
    """
    if not _has_any(descriptor, set(), texts=texts):
        return lambda _message, _prefix: None
    known: dict[str, Check] = {"google.protobuf.Timestamp": _timestamp, "google.protobuf.Duration": _duration}
    return _compile(descriptor, known, texts=texts)


def _compile(descriptor: Descriptor, known: dict[str, Check], *, texts: bool) -> Check:
    """Compile one type; `known` breaks the cycles of recursive types."""
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    checks: list[Check] = []

    def run(message: Any, prefix: str) -> None:
        for check in checks:
            check(message, prefix)

    known[descriptor.full_name] = run
    for field in descriptor.fields:
        below = field.message_type
        if field.enum_type is not None:
            checks.append(_enum(field))
        elif field.type == FieldDescriptor.TYPE_STRING:
            if texts and field.name not in _CONTENT:
                checks.append(_text(field))
        elif below is not None and not below.GetOptions().map_entry and _has_any(below, set(), texts=texts):
            checks.append(_descent(field, _compile(below, known, texts=texts)))
    return run


def _enum(field: FieldDescriptor) -> Check:
    assert field.enum_type is not None  # noqa: S101 - the caller asked
    name, numbers = field.name, frozenset(field.enum_type.values_by_number)

    def one(message: Any, prefix: str) -> None:
        if getattr(message, name) not in numbers:
            raise invalid(prefix + name, "is not a value of its enum")

    def many(message: Any, prefix: str) -> None:
        if not numbers.issuperset(getattr(message, name)):
            raise invalid(prefix + name, "holds what is not a value of its enum")

    return many if field.is_repeated else one


def _text(field: FieldDescriptor) -> Check:
    name = field.name

    def one(message: Any, prefix: str) -> None:
        if "\0" in getattr(message, name):
            raise invalid(prefix + name, "must not hold the character NUL")

    def many(message: Any, prefix: str) -> None:
        if any("\0" in text for text in getattr(message, name)):
            raise invalid(prefix + name, "must not hold the character NUL")

    return many if field.is_repeated else one


def _descent(field: FieldDescriptor, nested: Check) -> Check:
    name = field.name

    def one(message: Any, prefix: str) -> None:
        if message.HasField(name):
            nested(getattr(message, name), f"{prefix}{name}.")

    def many(message: Any, prefix: str) -> None:
        for position, element in enumerate(getattr(message, name)):
            nested(element, f"{prefix}{name}[{position}].")

    return many if field.is_repeated else one


def _timestamp(message: Any, prefix: str) -> None:
    if not (_TIMESTAMP[0] <= message.seconds <= _TIMESTAMP[1] and 0 <= message.nanos <= _SECOND_NANOS):
        raise invalid(prefix.rstrip("."), "must lie between the years 1 and 9999")


def _duration(message: Any, prefix: str) -> None:
    seconds, nanos = message.seconds, message.nanos
    if abs(seconds) > _DURATION or abs(nanos) > _SECOND_NANOS or seconds * nanos < 0:
        raise invalid(prefix.rstrip("."), "must be a duration of at most 10,000 years")


def _has_any(descriptor: Descriptor, seen: set[str], *, texts: bool) -> bool:
    if descriptor.full_name in {"google.protobuf.Timestamp", "google.protobuf.Duration"}:
        return True
    if descriptor.full_name in seen or descriptor.GetOptions().map_entry:
        return False
    seen.add(descriptor.full_name)
    return any(
        field.enum_type is not None
        or (texts and field.type == FieldDescriptor.TYPE_STRING)
        or (field.message_type is not None and _has_any(field.message_type, seen, texts=texts))
        for field in descriptor.fields
    )
