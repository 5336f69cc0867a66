"""What platforms say to each other: JSON, signed as it stands, never written again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from memporium_services.memstore.domain.statement import canonical_json

MESSAGE_TYPE = "application/vnd.memporium.peer-message.v1+json"
ANSWER_TYPE = "application/vnd.memporium.peer-answer.v1+json"
RECORD_TYPE = "application/vnd.memporium.peer-record.v1+json"
STATEMENT_TYPE = "application/vnd.memporium.peer-organisation.v1+json"
GREETING_TYPE = "application/vnd.memporium.peer-greeting.v1+json"
CATALOGUE_TYPE = "application/vnd.memporium.peer-catalogue.v1+protobuf"

# Kinds of messages about consents and about statements for billing.
ASKING = "consent-step"
SETTLING = "settlement"

# Larger ones are not read: two documents of 64 KiB each, a long history, and room to spare.
PAYLOAD_MAX = 1 << 20
# How far a platform's clock may be ahead before what it certifies counts as of the future.
SKEW_US = 300 * 1_000_000


class SpeechError(Exception):
    """What was said is malformed, of another, or wrongly signed; the text says which."""


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes and the one signature over them."""

    payload_type: str
    payload: bytes
    key_id: str
    signature: bytes

    @property
    def sha256(self) -> str:
        """Digest of the payload, hexadecimal."""
        return hashlib.sha256(self.payload).hexdigest()


def key_id_of(raw: bytes) -> str:
    """Return the id of a public key."""
    return hashlib.sha256(raw).hexdigest()


def written(what: str, /, **fields: Any) -> bytes:
    """Return the payload of something to say."""
    return canonical_json({"format": f"memporium-peer-{what}-1", **fields})


def require_type(said: Said, payload_type: str) -> None:
    """Demand that something is of a type.

    Raises:
        SpeechError: It is of another.
    """
    if said.payload_type != payload_type:
        raise SpeechError(f"it is not of type {payload_type}")


def read(kind: str, said: Said, payload_type: str) -> dict[str, Any]:
    """Return the fields of what was said, not yet verified.

    Raises:
        SpeechError: It is malformed or of another kind.
    """
    require_type(said, payload_type)
    if len(said.payload) > PAYLOAD_MAX:
        raise SpeechError("it is too large")
    try:
        fields = json.loads(said.payload)
    except (ValueError, RecursionError) as error:
        raise SpeechError("it is no JSON") from error
    if not isinstance(fields, dict) or fields.get("format") != f"memporium-peer-{kind}-1":
        raise SpeechError(f"it is no {kind} of a version that is known here")
    return fields


def text(fields: dict[str, Any], key: str, *, optional: bool = False) -> str:
    """Return a text among the fields.

    Raises:
        SpeechError: It is absent or no text.
    """
    value = fields.get(key, "" if optional else None)
    if not isinstance(value, str) or (not value and not optional):
        raise SpeechError(f"{key} is missing or no text")
    return value


def number(fields: dict[str, Any], key: str) -> int:
    """Return a whole number among the fields, not negative.

    Raises:
        SpeechError: It is absent or no such number.
    """
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise SpeechError(f"{key} is missing or no number")
    return value
