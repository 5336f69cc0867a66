"""The organisations' signing keys from the platform's keyring."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from memporium_platform.crypto.keyring import Keyring


class KeySigner:
    """Signs with one key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Take the key."""
        self._key = key
        self.key_id = hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()

    @property
    def of_steps(self) -> KeySigner:
        """It signs its own steps."""
        return self

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature."""
        return self._key.sign(message)


class KeyringSigners:
    """Keys by organisation."""

    def __init__(self, keys: Keyring) -> None:
        """Take the keyring."""
        self._keys = keys

    async def of(self, org: str) -> KeySigner:
        """Return the signer of an organisation; "" is the platform."""
        return KeySigner(await self._keys.org_signing_key(org) if org else self._keys.platform_signing_key())
