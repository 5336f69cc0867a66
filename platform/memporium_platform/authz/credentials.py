"""API keys: `mpk_<keyid>_<secret>`, of which only the SHA-256 of the secret is kept."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from memporium_platform.authz.jwt import invalid_credential
from memporium_platform.authz.refusal import CallerRefusedError
from memporium_platform.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_platform.authz.entries import Credential

PREFIX = "mpk_"
# Bytes of randomness in a secret: far beyond guessing, so a fast hash is enough.
SECRET_BYTES = 32
_NO_SECRET = bytes(32)


def format_api_key(key_id: str, secret: str) -> str:
    """Return the whole key, as its holder keeps it."""
    return f"{PREFIX}{key_id}_{secret}"


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def find_credential(text: str, credentials: Mapping[str, Credential], *, now_us: int) -> Credential:
    """Return the credential of an API key.

    Raises:
        PlatformError: CREDENTIAL_INVALID.
        CallerRefusedError: CREDENTIAL_REVOKED or CREDENTIAL_EXPIRED, for who holds the secret.
    """
    key_id, _, secret = text.removeprefix(PREFIX).partition("_")
    found = credentials.get(key_id)
    expected = found.secret_sha256 if found is not None else _NO_SECRET
    good = hmac.compare_digest(hash_secret(secret), expected)
    if found is None or not good:
        raise invalid_credential()
    if found.revoked:
        raise CallerRefusedError(
            Reason.CREDENTIAL_REVOKED, "the API key was revoked", principal=found.principal, credential=key_id
        )
    if found.expire_us and now_us >= found.expire_us:
        expired = {"expire_time": str(found.expire_us // 1_000_000)}
        raise CallerRefusedError(
            Reason.CREDENTIAL_EXPIRED,
            "the API key has expired",
            principal=found.principal,
            credential=key_id,
            metadata=expired,
        )
    return found
