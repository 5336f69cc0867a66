"""Page tokens: sealed, bound to the caller and the query that they continue, and never an authorisation."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memporium_platform.call import maybe_call
from memporium_platform.errors import PlatformError, Reason, invalid

# AES-GCM's nonce: 96 random bits, for one token each.
_NONCE_BYTES = 12
# Longer than any token made here; keeps hostile input small.
_MAX_TOKEN_CHARS = 4096


class PageTokens:
    """Seals and opens page tokens.

    The scope (method, parent, filter, order), and the principal and method of the call in progress, are authenticated,
    not stored.
    """

    def __init__(self, key: bytes) -> None:
        """Take a 32-byte key; replicas share it, so a token opens on each."""
        self._aead = AESGCM(key)

    def seal(self, scope: str, cursor: dict[str, Any]) -> str:
        """Return an opaque token for `cursor`, a JSON-able dictionary; `scope` is what the next call must repeat."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, json.dumps(cursor, separators=(",", ":")).encode(), _digest(scope))
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, scope: str, token: str) -> dict[str, Any]:
        """Return the cursor in `token`; an empty token gives an empty cursor: the first page.

        Raises:
            PlatformError: INVALID_PAGE_TOKEN, where it is malformed, of another key, principal or method, or `scope` is
                another one.
        """
        if not token:
            return {}
        refusal = PlatformError(
            Reason.INVALID_PAGE_TOKEN, "page_token: is not valid for this request; start again without one"
        )
        if len(token) > _MAX_TOKEN_CHARS:
            raise refusal
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            opened = self._aead.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _digest(scope))
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise refusal from error
        cursor: dict[str, Any] = json.loads(opened)
        return cursor


def page_size(requested: int, default: int = 50, maximum: int = 1000) -> int:
    """Return the size of the page to make: 0 is the default, too much is the maximum.

    Raises:
        PlatformError: INVALID_FIELD, where it is negative.
    """
    if requested < 0:
        raise invalid("page_size", "must not be negative")
    return min(requested or default, maximum)


def _digest(scope: str) -> bytes:
    call = maybe_call()
    bound = f"{call.principal.name}\0{call.method}\0{scope}" if call is not None else scope
    return hashlib.sha256(bound.encode()).digest()
