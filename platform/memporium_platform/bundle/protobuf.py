"""Strict reading of protobuf: nothing in a signed document goes unread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.unknown_fields import UnknownFieldSet

if TYPE_CHECKING:
    from google.protobuf.message import Message


def has_unknown_fields(message: Message) -> bool:
    """Return whether `message`, or any message within it, has fields that its descriptor does not know."""
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        if any(has_unknown_fields(child) for child in (value if field.is_repeated else (value,))):
            return True
    return False
