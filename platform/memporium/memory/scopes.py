"""Whose memory it is: a vault for each user, labels for agents, runs and metadata.

A vault a user keeps one user's memory apart from another's in the index and under a key of its own; forgetting a user
erases it whole. Metadata are kept exactly in labels of their own, and once more in lower case to filter by.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

# Every memory of this facade has this label.
MARK = "memory"
_EXACT = "json."
_CHUNK = 200
# Characters of the metadata of one memory as JSON; labels are for short things.
MOST_METADATA_CHARS = 2_000
# Key of the ids among what is kept to the letter.
_IDS = "@ids"
_ID_KEYS = ("user_id", "agent_id", "run_id")
_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """Who a memory belongs to, and the metadata that it carries or is to be filtered by."""

    owner: str
    ids: dict[str, str]
    metadata: dict[str, Any] = field(default_factory=dict)

    def vault_id(self, prefix: str) -> str:
        """Return the id of the owner's vault: readable, and different for different owners."""
        slug = _SLUG.sub("-", self.owner.split(":", 1)[1].lower()).strip("-")[:24].strip("-")
        digest = hashlib.sha256(self.owner.encode()).hexdigest()[:12]
        return "-".join(part for part in (prefix, slug, digest) if part)

    def labels(self) -> list[str]:
        """Return the labels to keep with a memory."""
        # Labels are lower case; ids that are not are kept to the letter, too.
        told = {key: value for key, value in self.ids.items() if value != value.lower()}
        return [*self.conditions(), *exact_labels({**self.metadata, **({_IDS: told} if told else {})})]

    def conditions(self) -> list[str]:
        """Return the labels that a memory must have."""
        found = [MARK, *(_label(key, value) for key, value in self.ids.items())]
        return found + [
            _label(key, value) for key, value in self.metadata.items() if isinstance(value, str | int | bool)
        ]


def scope_of(
    *, user_id: str | None, agent_id: str | None, run_id: str | None, more: dict[str, Any] | None = None
) -> Scope:
    """Return the scope of ids and metadata, or of a filter with both.

    Raises:
        ValueError: It names nobody, or what it names is too long.
    """
    rest = dict(more or {})
    given = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
    ids = {key: str(value) for key in _ID_KEYS if (value := given[key] or rest.pop(key, None))}
    owner = next((f"{key}:{ids[key]}" for key in _ID_KEYS if key in ids), "")
    if not owner:
        raise ValueError("give a user_id, agent_id or run_id: whose memory it is")
    if any(len(value) > _CHUNK for value in ids.values()):
        raise ValueError(f"ids have at most {_CHUNK} characters")
    return Scope(owner, ids, {key: value for key, value in rest.items() if key not in _ID_KEYS})


def metadata_in(labels: list[str]) -> dict[str, Any]:
    """Return the metadata that labels carry."""
    found = _told_in(labels)
    found.pop(_IDS, None)
    return found


def _told_in(labels: list[str]) -> dict[str, Any]:
    chunks = sorted(label.removeprefix(_EXACT) for label in labels if label.startswith(_EXACT))
    text = "".join(chunk.partition(".")[2] for chunk in chunks).upper()
    try:
        found = json.loads(base64.b32decode(text + "=" * (-len(text) % 8))) if text else {}
    except (binascii.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def ids_in(labels: list[str]) -> dict[str, str]:
    """Return the ids of user, agent and run that labels name."""
    found = {key: value for label in labels for key, _, value in [label.partition("=")] if key in _ID_KEYS and value}
    told = _told_in(labels).get(_IDS)
    return found | ({key: str(value) for key, value in told.items()} if isinstance(told, dict) else {})


def own_labels(labels: list[str]) -> list[str]:
    """Return labels without those that keep ids and metadata."""
    ids = ids_in(labels)
    kept = set(Scope("", ids, metadata_in(labels)).conditions()) - ({MARK} if not ids else set())
    return [label for label in labels if label not in kept and not label.startswith(_EXACT)]


def exact_labels(metadata: dict[str, Any]) -> list[str]:
    """Return metadata as labels that keep it to the letter; none for none.

    Raises:
        ValueError: It is no JSON, or too long.
    """
    if not metadata:
        return []
    try:
        text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
    except TypeError as error:
        raise ValueError("metadata must be JSON") from error
    if len(text) > MOST_METADATA_CHARS:
        raise ValueError(f"metadata have at most {MOST_METADATA_CHARS} characters as JSON")
    sealed = base64.b32encode(text.encode()).decode().rstrip("=").lower()
    parts = [sealed[start : start + _CHUNK] for start in range(0, len(sealed), _CHUNK)]
    return [f"{_EXACT}{number:02}.{part}" for number, part in enumerate(parts)]


def _label(key: str, value: object) -> str:
    text = f"{key}={json.dumps(value) if isinstance(value, bool) else value}".lower()
    # Longer ones are filtered by their digest: a label is short, and equal values stay equal.
    return text if len(text) <= _CHUNK else f"{key[:64].lower()}#{hashlib.sha256(text.encode()).hexdigest()}"
