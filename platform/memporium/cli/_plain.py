"""Messages as text for people: enums without their prefix, times to the second, bytes only where they are short."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

# A public key is worth showing; signatures, documents and payloads are for `--json`.
_SHOWN_BYTES = 32


def fields(message: Message, prefix: str = "", *, skip: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every field that is set, nested ones too, but for the fields in `skip`."""
    for field, value in message.ListFields():
        if field.name in skip:
            continue
        path = prefix + field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of_values = field.message_type.fields_by_name["value"]
            yield from ((f"{path}.{key}", _scalar(of_values, value[key])) for key in sorted(value))
        elif field.is_repeated and _is_nested(field):
            for index, item in enumerate(value, start=1):
                yield from fields(item, f"{path}[{index}].", skip=skip)
        elif _is_nested(field):
            yield from fields(value, f"{path}.", skip=skip)
        else:
            yield path, _text(field, value)


def pick(message: Message, path: str) -> str:
    """Return the text of one field by its dotted path; "" where it is not set."""
    head, _, rest = path.partition(".")
    field = message.DESCRIPTOR.fields_by_name[head]
    value = getattr(message, head)
    if rest:
        return pick(value, rest) if message.HasField(head) else ""
    if _is_nested(field) and not field.is_repeated:
        return ", ".join(f"{name} {text}" for name, text in fields(value))
    if field.message_type is not None and not field.is_repeated and not message.HasField(head):
        return ""
    return _text(field, value)


def _is_nested(field: Any) -> bool:
    known = {timestamp_pb2.Timestamp.DESCRIPTOR.full_name, duration_pb2.Duration.DESCRIPTOR.full_name}
    return field.message_type is not None and field.message_type.full_name not in known


def _text(field: Any, value: Any) -> str:
    if field.is_repeated:
        return ", ".join(_scalar(field, item) for item in value)
    return _scalar(field, value)


def _scalar(field: Any, value: Any) -> str:
    if field.message_type is not None:
        return _message(value)
    if field.enum_type is not None:
        return _word(field.enum_type, value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() if len(value) <= _SHOWN_BYTES else f"({len(value)} bytes)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _message(value: Message) -> str:
    if isinstance(value, timestamp_pb2.Timestamp):
        return f"{value.ToDatetime():%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, duration_pb2.Duration):
        return _span(value.ToTimedelta())
    return ", ".join(f"{name} {text}" for name, text in fields(value))


def _span(value: timedelta) -> str:
    if value >= timedelta(days=1) and not value % timedelta(days=1):
        return f"{value.days} days"
    return f"{value.total_seconds():g} s"


def _word(enum: Any, value: int) -> str:
    known = enum.values_by_number.get(value)
    if known is None or not value:
        return "" if not value else str(value)
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    word: str = known.name.removeprefix(prefix).lower().replace("_", "-")
    return word
