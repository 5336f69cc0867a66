"""Keys of recipients: to them a bundle's key is sealed by HPKE (RFC 9180), X25519 or its hybrid with ML-KEM-768."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from memporium.transfer.v1.bundle_pb2 import Suite as BundleSuite

_MLKEM_BYTES = 1184


@dataclass(frozen=True, slots=True)
class HybridPublicKey:
    """The public halves of a hybrid key; sealing needs both, opening too."""

    mlkem: MLKEM768PublicKey
    x25519: X25519PublicKey

    @classmethod
    def from_bytes(cls, data: bytes) -> HybridPublicKey:
        """Return the key in 1,216 bytes: ML-KEM-768, then X25519.

        Raises:
            ValueError: They are none.
        """
        mlkem = MLKEM768PublicKey.from_public_bytes(data[:_MLKEM_BYTES])
        return cls(mlkem, X25519PublicKey.from_public_bytes(data[_MLKEM_BYTES:]))

    def public_bytes_raw(self) -> bytes:
        """Return both halves: 1,184 and 32 bytes."""
        return self.mlkem.public_bytes_raw() + self.x25519.public_bytes_raw()


@dataclass(frozen=True, slots=True)
class HybridPrivateKey:
    """The private halves; the library's own hybrid key cannot be stored."""

    mlkem: MLKEM768PrivateKey
    x25519: X25519PrivateKey

    @classmethod
    def from_seeds(cls, mlkem: bytes, x25519: bytes) -> HybridPrivateKey:
        """Return the key of a 64-byte seed and a 32-byte X25519 key."""
        return cls(MLKEM768PrivateKey.from_seed_bytes(mlkem), X25519PrivateKey.from_private_bytes(x25519))

    def public_key(self) -> HybridPublicKey:
        """Return the public halves."""
        return HybridPublicKey(self.mlkem.public_key(), self.x25519.public_key())


PublicKey = X25519PublicKey | HybridPublicKey
PrivateKey = X25519PrivateKey | HybridPrivateKey

_CLASSICAL = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_HYBRID = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def recipient_key_id(key: PublicKey) -> str:
    """Return the id of a recipient's key: SHA-256 of its raw bytes, hexadecimal."""
    return sha256(key.public_bytes_raw()).hexdigest()


def suite_of(key: PublicKey | PrivateKey) -> BundleSuite.ValueType:
    """Return the only suite whose grants a key opens."""
    if isinstance(key, HybridPublicKey | HybridPrivateKey):
        return BundleSuite.SUITE_MCB1_HYBRID_AES256GCM
    return BundleSuite.SUITE_MCB1_ED25519_X25519_AES256GCM


def encrypt(keys: bytes, recipient: PublicKey, *, info: bytes) -> bytes:
    """Return `keys` for a recipient: the encapsulated key, then the ciphertext."""
    if isinstance(recipient, HybridPublicKey):
        return _HYBRID.encrypt(keys, MLKEM768X25519PublicKey(recipient.mlkem, recipient.x25519), info=info)
    return _CLASSICAL.encrypt(keys, recipient, info=info)


def decrypt(sealed: bytes, key: PrivateKey, *, info: bytes) -> bytes:
    """Return what was sealed to `key` under `info`.

    Raises:
        InvalidTag: It was sealed to another key or under another info, or changed.
        ValueError: It is too short to be anything.
    """
    if isinstance(key, HybridPrivateKey):
        return bytes(_HYBRID.decrypt(sealed, MLKEM768X25519PrivateKey(key.mlkem, key.x25519), info=info))
    return bytes(_CLASSICAL.decrypt(sealed, key, info=info))
