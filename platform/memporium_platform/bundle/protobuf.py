"""Strict reading of protobuf: nothing in a document goes unread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.unknown_fields import UnknownFieldSet

if TYPE_CHECKING:
    from google.protobuf.message import Message


def has_unknown_fields(message: Message) -> bool:
    """Return whether `message`, or any message within it, has fields that its descriptor does not know.

    Maps are left out: no signed document has one.
    """
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if any(has_unknown_fields(child) for child in (value if field.is_repeated else (value,))):
            return True
    return False


def is_plain(message: Message, size_bytes: int) -> bool:
    """Return whether a message that was read from `size_bytes` is all that stood there; forgets unknown fields.

    Much faster than `has_unknown_fields`, and for any message: what is unknown, overwritten or not in its shortest form
    makes the difference in size.
    """
    message.DiscardUnknownFields()
    return message.ByteSize() == size_bytes
