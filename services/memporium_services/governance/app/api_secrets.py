"""New API keys: the secret is shown once and only its hash is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from memporium_platform.authz.credentials import SECRET_BYTES, format_api_key, hash_secret


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A key's id, its whole text for its holder, and what is stored."""

    key_id: str
    text: str
    sha256: bytes

    def __repr__(self) -> str:
        """Leave the text out."""
        return f"NewSecret({self.key_id!r})"


def new_secret(key_id: str) -> NewSecret:
    """Return a new random key."""
    return secret_from(key_id, secrets.token_urlsafe(SECRET_BYTES))


def secret_from(key_id: str, secret: str) -> NewSecret:
    """Return the key with this secret."""
    return NewSecret(key_id, format_api_key(key_id, secret), hash_secret(secret))
