"""Strict reading of protobuf: nothing in a document goes unread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
_CONTINUES = 0x80
# A field's tag and length as they stand, and what follows: bytes, or the fields of a message.
Fields = list[tuple[bytes, "bytes | Fields"]]


def is_plain(message: Message, data: bytes) -> bool:
    """Return whether `message`, which was read from `data`, is all that stood there; forgets unknown fields.

    It is where writing it again, without unknown fields, gives the same bytes, or the same fields in another order. The
    size alone does not tell: a number that its type cuts off, or a list that was not packed, is longer when it is
    written again, and makes room for something unknown.
    """
    message.DiscardUnknownFields()
    again = message.SerializePartialToString(deterministic=True)
    if again == data:
        return True
    kind: Descriptor = message.DESCRIPTOR  # type: ignore[assignment]  # the stubs know another one as well
    return len(again) == len(data) and _fields(data, kind) == _fields(again, kind)


def _fields(data: bytes, kind: Descriptor) -> Fields:
    """Return the fields of a message that was parsed, each as it stands there, in an order of their own.

    Those of the messages within it likewise.
    """
    found: Fields = []
    at, end = 0, len(data)
    while at < end:
        start = at
        tag, at = _varint(data, at)
        field, wire, size = kind.fields_by_number.get(tag >> 3), tag & 7, 0
        if wire == _VARINT:
            _, at = _varint(data, at)
        elif wire == _LENGTH:
            size, at = _varint(data, at)
        else:
            # What begins or ends a group is unknown to all messages here; it stands for itself.
            size = _FIXED.get(wire, 0)
        head, body = data[start:at], data[at : at + size]
        at += size
        nested = field.message_type if field is not None and wire == _LENGTH else None
        found.append((head, _fields(body, nested) if nested is not None else body))
    # Equal heads belong to one field, so bodies that are compared are of one kind.
    return sorted(found)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & ~_CONTINUES) << shift
        if byte < _CONTINUES:
            return number, at
        shift += 7
