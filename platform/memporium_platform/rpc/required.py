"""The generic check of fields that a proto marks REQUIRED, compiled once from the descriptors.

Numbers and booleans without presence are not checked: their zero cannot be told from absence. Below an update's
resource nothing is checked, since a field mask says what is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from memporium_platform.errors import FieldViolation, PlatformError, Reason

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

# Appends the paths of what is missing.
Check = Callable[[Any, str, list[str]], None]

_NO_PRESENCE_CHECKED = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_ENUM})


def compile_check(descriptor: Descriptor) -> Callable[[Message], None]:
    """Return a function that raises INVALID_FIELD, naming every missing field, for messages of this type."""
    check = _compile(descriptor, {})
    if check is None:
        return lambda _message: None

    def run(message: Message) -> None:
        missing: list[str] = []
        check(message, "", missing)
        if missing:
            raise PlatformError(
                Reason.INVALID_FIELD,
                f"{missing[0]}: is required",
                fields=[FieldViolation(path, "is required") for path in missing],
            )

    return run


def _compile(descriptor: Descriptor, known: dict[str, list[Check]]) -> Check | None:
    """Compile one type; `known` breaks the cycles of recursive types."""
    checks = known.get(descriptor.full_name)
    if checks is None:
        checks = known[descriptor.full_name] = []
        has_mask = "update_mask" in descriptor.fields_by_name
        for field in descriptor.fields:
            if _is_required(field):
                checks.append(_presence(field))
            below = field.message_type
            if below is not None and not has_mask and _reaches_required(below, set()):
                nested = _compile(below, known)
                if nested is not None:
                    checks.append(_descent(field, nested))
    return _all_of(checks) if _reaches_required(descriptor, set()) else None


def _all_of(checks: list[Check]) -> Check:
    def run(message: Any, prefix: str, missing: list[str]) -> None:
        for check in checks:
            check(message, prefix, missing)

    return run


def _presence(field: FieldDescriptor) -> Check:
    name = field.name

    def has(message: Any, prefix: str, missing: list[str]) -> None:
        if not message.HasField(name):
            missing.append(prefix + name)

    def non_empty(message: Any, prefix: str, missing: list[str]) -> None:
        if not getattr(message, name):
            missing.append(prefix + name)

    def anything(_message: Any, _prefix: str, _missing: list[str]) -> None:
        return

    if field.is_repeated:
        return non_empty
    if field.has_presence:
        return has
    return non_empty if field.type in _NO_PRESENCE_CHECKED else anything


def _descent(field: FieldDescriptor, nested: Check) -> Check:
    name = field.name

    def one(message: Any, prefix: str, missing: list[str]) -> None:
        if message.HasField(name):
            nested(getattr(message, name), f"{prefix}{name}.", missing)

    def many(message: Any, prefix: str, missing: list[str]) -> None:
        for position, element in enumerate(getattr(message, name)):
            nested(element, f"{prefix}{name}[{position}].", missing)

    def entries(message: Any, prefix: str, missing: list[str]) -> None:
        values: Iterable[tuple[Any, Any]] = getattr(message, name).items()
        for key, value in values:
            missing_below: list[str] = []
            nested(_Entry(value), "", missing_below)
            missing.extend(f"{prefix}{name}[{key}].{path.removeprefix('value.')}" for path in missing_below)

    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return entries
    return many if field.is_repeated else one


class _Entry:
    """A map entry's value in the shape that the check of the entry type reads."""

    def __init__(self, value: object) -> None:
        self.value = value

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        return name == "value"


def _is_required(field: FieldDescriptor) -> bool:
    behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.REQUIRED in behaviours


def _reaches_required(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        _is_required(field) or (field.message_type is not None and _reaches_required(field.message_type, seen))
        for field in descriptor.fields
    )
