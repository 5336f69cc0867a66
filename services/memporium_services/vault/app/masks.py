"""Field masks: which fields a change sets, and setting them (AIP-134)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.field_mask_pb2 import FieldMask
    from google.protobuf.message import Message


def paths_of(message: Message, mask: FieldMask | None, settable: Iterable[str]) -> set[str]:
    """Return the paths to change.

    Args:
        message: The resource with new values.
        mask: What the caller gave; None or empty: the fields that are set; `*`: all that can be.
        settable: The paths that can be changed; a path below one of them counts as that one.

    Raises:
        PlatformError: INVALID_FIELD, for a path that cannot be changed.
    """
    allowed = set(settable)
    asked = set(mask.paths) if mask is not None else set()
    if "*" in asked:
        return allowed
    if not asked:
        return {path for path in allowed if _present(message, path)}
    found = set()
    for path in asked:
        matching = [known for known in allowed if path == known or path.startswith(f"{known}.")]
        # A parent names all its fields that can be changed.
        matching += [known for known in allowed if known.startswith(f"{path}.")]
        if not matching:
            raise invalid("update_mask", f"{path} cannot be changed")
        found.update(matching)
    return found


def copy(source: Message, target: Message, paths: Iterable[str]) -> None:
    """Make the fields at `paths` (`a` or `a.b`) of `target` those of `source`."""
    for path in paths:
        *parents, name = path.split(".")
        giver, taker = source, target
        for parent in parents:
            giver, taker = getattr(giver, parent), getattr(taker, parent)
        taker.ClearField(name)
        field = giver.DESCRIPTOR.fields_by_name[name]
        value = getattr(giver, name)
        if field.is_repeated:
            getattr(taker, name).extend(value)
        elif field.message_type is None:
            setattr(taker, name, value)
        elif giver.HasField(name):
            getattr(taker, name).CopyFrom(value)


def clear(message: Message, names: Iterable[str]) -> None:
    """Clear fields."""
    for name in names:
        message.ClearField(name)


def _present(message: Message, path: str) -> bool:
    *parents, name = path.split(".")
    for parent in parents:
        if not message.HasField(parent):
            return False
        message = getattr(message, parent)
    return any(field.name == name for field, _ in message.ListFields())
