"""Patterns of objects and actions.

An object is a resource name, `orgs/acme/vaults/notes`; an action is `vault.cubes.create`. In both, `*` between two
separators stands for exactly one part, `*` at the end for one or more parts, and `*` alone for everything. A pattern of
an object keeps its organisation: a wildcard there is refused, so that none ever crosses a tenant.
"""

from __future__ import annotations

import re
from itertools import product

EVERYTHING = "*"
# More parts than any action has; a longer one is refused instead of costing 2**n.
_MAX_ACTION_PARTS = 5
_ACTION_PART = re.compile(r"[a-zA-Z][a-zA-Z0-9]*|\*")
_OBJECT_PART = re.compile(r"[a-zA-Z0-9._-]+|\*")


def is_action_pattern(text: str) -> bool:
    """Whether `text` is an action or a pattern of actions."""
    parts = text.split(".")
    return len(parts) <= _MAX_ACTION_PARTS and all(_ACTION_PART.fullmatch(part) for part in parts)


def is_object_pattern(text: str, org: str) -> bool:
    """Whether `text` is `*`, or a name or pattern of names that lie in `org`."""
    if text == EVERYTHING:
        return True
    parts = text.split("/")
    return parts[:2] == ["orgs", org] and all(_OBJECT_PART.fullmatch(part) for part in parts)


def generalisations(action: str) -> tuple[str, ...]:
    """Return every pattern that matches `action`, the action itself first."""
    parts = action.split(".")
    if len(parts) > _MAX_ACTION_PARTS:
        return (action, EVERYTHING)
    found = [".".join(choice) for choice in product(*((part, "*") for part in parts))]
    for length in range(1, len(parts)):
        found.extend(".".join((*choice, "*")) for choice in product(*((part, "*") for part in parts[: length - 1])))
    return tuple(dict.fromkeys(found))


def action_matches(pattern: str, action: str) -> bool:
    """Whether `pattern` matches `action`; the slow, plain form."""
    return _matches(pattern.split("."), action.split("."))


def object_matches(pattern: str, name: str) -> bool:
    """Whether `pattern` matches `name`; the slow, plain form."""
    return pattern == EVERYTHING or _matches(pattern.split("/"), name.split("/"))


def _matches(pattern: list[str], parts: list[str]) -> bool:
    if pattern[-1] == EVERYTHING:
        return len(parts) >= len(pattern) and all(
            expected in (EVERYTHING, part) for expected, part in zip(pattern[:-1], parts, strict=False)
        )
    return len(parts) == len(pattern) and all(
        expected in (EVERYTHING, part) for expected, part in zip(pattern, parts, strict=True)
    )


__all__ = [
    "EVERYTHING",
    "action_matches",
    "generalisations",
    "is_action_pattern",
    "is_object_pattern",
    "object_matches",
]
