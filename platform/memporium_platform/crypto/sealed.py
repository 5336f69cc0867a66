"""Sealing of payloads at rest: AES-256-GCM with a random nonce.

Layout: version (1 byte, 1), nonce (12 bytes), ciphertext with its tag (16 bytes more than the plaintext). A random
96-bit nonce is safe for 2^32 messages under one key (NIST SP 800-38D, 8.3); a vault key seals fewer.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memporium_platform.errors import PlatformError, Reason

KEY_BYTES = 32
VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES


def seal(key: bytes, plaintext: bytes | bytearray | memoryview, aad: bytes) -> bytes:
    """Return `plaintext` sealed under the 32-byte `key`; `aad` says what it is, and is needed again to open it."""
    return seal_by(AESGCM(key), plaintext, aad)


def open(key: bytes, sealed: bytes, aad: bytes) -> bytes:  # noqa: A001 - `sealed.open` reads as what it is
    """Return what was sealed.

    Raises:
        PlatformError: INTEGRITY_FAILURE, where the key, the text or `aad` is not the one it was sealed with.
    """
    return open_by(AESGCM(key), sealed, aad)


def seal_by(cipher: AESGCM, plaintext: bytes | bytearray | memoryview, aad: bytes) -> bytes:
    """Do what `seal` does, for callers who seal much under one key: to set a key up costs more than a small text."""
    nonce = os.urandom(NONCE_BYTES)
    return bytes((VERSION,)) + nonce + cipher.encrypt(nonce, plaintext, aad)


def open_by(cipher: AESGCM, sealed: bytes, aad: bytes) -> bytes:
    """Do what `open` does, for callers who open much under one key.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    if len(sealed) < OVERHEAD_BYTES or sealed[0] != VERSION:
        raise _broken()
    try:
        return cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], aad)
    except InvalidTag as error:
        raise _broken() from error


def _broken() -> PlatformError:
    return PlatformError(Reason.INTEGRITY_FAILURE, "sealed data does not open: it was changed, or is of another place")
