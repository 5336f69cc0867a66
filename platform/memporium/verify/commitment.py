"""What a leaf of the audit log stands for: a salted commitment to a record, so that the record can be erased."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from memporium.verify.merkle import hash_leaf

if TYPE_CHECKING:
    from collections.abc import Mapping

SALT_BYTES = 32
_CONTEXT = b"memporium audit record v1\n"


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record that are committed to: JSON, keys sorted, no spaces, UTF-8."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf_of(record: bytes, salt: bytes) -> bytes:
    """Return the leaf hash of a record's bytes under a random salt."""
    return hash_leaf(hmac.new(salt, _CONTEXT + record, hashlib.sha256).digest())
