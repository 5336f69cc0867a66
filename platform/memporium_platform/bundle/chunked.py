"""Encryption in the C2SP chunked-encryption layout (c2sp.org/chunked-encryption, v1), as Cobblestone-256.

    key (32) || base nonce (12) || commitment (32) =
        HKDF-Expand-SHA512(input key, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" || 0x00 || salt || context)
    message = salt (24) || commitment (32) || chunks

Every chunk holds 16 KiB, the last one less, and may be empty: what is cut off is noticed. By the commitment no message
opens under two keys. The salt is the caller's, which the library's own Cobblestone does not allow.
"""

from __future__ import annotations

from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK = 16 * 1024
TAG = 16
SALT = 24
COMMITMENT = 32
HEADER = SALT + COMMITMENT
_SEALED_CHUNK = CHUNK + TAG
_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"


_COBBLESTONE = SHA512()


class ChunkedDecryptionError(Exception):
    """The message was cut, changed, or sealed under another key, salt or context."""


def sealed_size(size_bytes: int) -> int:
    """Return the size of the message for `size_bytes` of plaintext."""
    return HEADER + size_bytes + (size_bytes // CHUNK + 1) * TAG


def _derive(key: bytes, *, salt: bytes, context: bytes, algorithm: HashAlgorithm) -> tuple[AESGCM, int, bytes]:
    """Return the cipher, the base nonce as a number, and the commitment."""
    out = HKDFExpand(algorithm, 32 + 12 + COMMITMENT, _LABEL + salt + context).derive(key)
    return AESGCM(out[:32]), int.from_bytes(out[32:44]), out[44:]


def seal(
    key: bytes,
    plaintext: bytes | bytearray | memoryview,
    *,
    salt: bytes,
    context: bytes = b"",
    algorithm: HashAlgorithm = _COBBLESTONE,
) -> bytearray:
    """Return the message for `plaintext`.

    Args:
        key: 32 uniformly random bytes.
        plaintext: At most 4 PiB.
        salt: 24 bytes, never used twice with the key for different plaintexts.
        context: Bound to the message and not part of it.
        algorithm: Hash of the key derivation; another one than SHA-512 makes another instantiation of the layout.
    """
    if len(key) != 32 or len(salt) != SALT:  # noqa: PLR2004 - bytes of an AES-256 key
        raise ValueError("a key has 32 bytes and a salt 24")
    cipher, base, commitment = _derive(key, salt=salt, context=context, algorithm=algorithm)
    source = memoryview(plaintext)
    out = bytearray(sealed_size(len(source)))
    out[:HEADER] = salt + commitment
    target = memoryview(out)
    for index in range(len(source) // CHUNK + 1):
        chunk = source[index * CHUNK : (index + 1) * CHUNK]
        start = HEADER + index * _SEALED_CHUNK
        nonce = (base ^ index).to_bytes(12)
        cipher.encrypt_into(nonce, chunk, None, target[start : start + len(chunk) + TAG])
    return out


def open_sealed(
    key: bytes,
    message: bytes | bytearray | memoryview,
    *,
    context: bytes = b"",
    algorithm: HashAlgorithm = _COBBLESTONE,
) -> bytearray:
    """Return the plaintext of `message`.

    Raises:
        ChunkedDecryptionError: The message is not whole, not untouched, or not for this key and context.
    """
    source = memoryview(message)
    if len(key) != 32:  # noqa: PLR2004 - bytes of an AES-256 key
        raise ChunkedDecryptionError("key length")
    chunks, rest = divmod(len(source) - HEADER, _SEALED_CHUNK)
    # A last chunk of full length is missing its short successor; one below a tag's length is none.
    if len(source) < HEADER + TAG or rest < TAG:
        raise ChunkedDecryptionError("truncated")
    salt, claimed = bytes(source[:SALT]), bytes(source[SALT:HEADER])
    cipher, base, commitment = _derive(key, salt=salt, context=context, algorithm=algorithm)
    if not compare_digest(claimed, commitment):
        raise ChunkedDecryptionError("key commitment")
    out = bytearray(chunks * CHUNK + rest - TAG)
    target = memoryview(out)
    for index in range(chunks + 1):
        start = HEADER + index * _SEALED_CHUNK
        chunk = source[start : start + _SEALED_CHUNK]
        nonce = (base ^ index).to_bytes(12)
        try:
            cipher.decrypt_into(nonce, chunk, None, target[index * CHUNK : index * CHUNK + len(chunk) - TAG])
        except InvalidTag as err:
            raise ChunkedDecryptionError("authentication") from err
    return out
