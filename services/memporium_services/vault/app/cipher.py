"""What a vault's key does: seals what is kept, and gives words their keyed form.

Everything derives from the vault's key, so destroying it makes all that is left of the vault unreadable.
"""

from __future__ import annotations

from hashlib import sha256
from weakref import WeakSet

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memporium_platform.crypto import sealed

# 80 bits: two of a million terms share a form with a chance of some 10^-13.
_TERM_BYTES = 10
# Terms whose keyed forms are remembered, of all vaults together: some 60 MB. To key one anew takes microseconds.
_MAX_CACHED_TERMS = 250_000


_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def _base32(ten: bytes) -> str:
    """Return ten bytes in base 32, in lower case: `base64.b32encode` takes three times as long for so few."""
    bits, pairs = int.from_bytes(ten, "big"), _PAIRS
    return (
        pairs[bits >> 70]
        + pairs[bits >> 60 & 1023]
        + pairs[bits >> 50 & 1023]
        + pairs[bits >> 40 & 1023]
        + pairs[bits >> 30 & 1023]
        + pairs[bits >> 20 & 1023]
        + pairs[bits >> 10 & 1023]
        + pairs[bits & 1023]
    )


class _Mac:
    """HMAC-SHA256 under one key. Some thousand tokens a second are made of it: `hmac` sets itself up for each anew."""

    def __init__(self, key: bytes) -> None:
        """Take a key of at most 64 bytes."""
        padded = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, message: bytes) -> bytes:
        """Return the 32 bytes of the code."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class _TermCaches:
    """The terms that ciphers remember. Threads may count a few twice, which only empties them sooner."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._caches: WeakSet[_Terms] = WeakSet()
        self._count = 0

    def add(self, cache: _Terms) -> None:
        """Count the terms of this one, too."""
        self._caches.add(cache)

    def grown(self, count: int) -> None:
        """Empty all caches when there are too many terms in them."""
        self._count += count
        if self._count > self._most:
            self._count = 0
            for cache in list(self._caches):
                cache.kept = {}


class _Terms:
    """Keyed forms by term."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}


_CACHES = _TermCaches(_MAX_CACHED_TERMS)


class VaultCipher:
    """Seals and names for one vault. Safe to use from several threads."""

    def __init__(self, key: bytes, vault_uid: str) -> None:
        """Take the vault's 32-byte key."""
        self._cipher = AESGCM(key)
        self._uid = vault_uid
        of_vault = _Mac(key)
        self._index_mac = _Mac(of_vault.digest(b"memporium vault index terms"))
        self._word_mac = _Mac(of_vault.digest(b"memporium vault words"))
        self._name_mac = _Mac(of_vault.digest(b"memporium vault object names"))
        self._terms = _Terms()
        _CACHES.add(self._terms)

    def seal(self, plaintext: bytes, *place: str | int) -> bytes:
        """Return `plaintext` sealed for one place, for instance ("meta", cube uid, version)."""
        return sealed.seal_by(self._cipher, plaintext, self._aad(place))

    def open(self, data: bytes, *place: str | int) -> bytes:
        """Return what was sealed for that place.

        Raises:
            PlatformError: INTEGRITY_FAILURE, where it was changed or is of another place.
        """
        return sealed.open_by(self._cipher, data, self._aad(place))

    def terms(self, words: list[str]) -> tuple[str, ...]:
        """Return the keyed forms of analysed terms, in order: what the index holds instead of words."""
        cache = self._terms.kept
        known = len(cache)
        found = []
        for word in words:
            token = cache.get(word)
            if token is None:
                digest = self._index_mac.digest(word.encode())[:_TERM_BYTES]
                token = cache[word] = _base32(digest)
            found.append(token)
        if len(cache) > known:
            _CACHES.grown(len(cache) - known)
        return tuple(found)

    def forget_terms(self) -> None:
        """Drop from memory which terms were keyed."""
        self._terms.kept = {}

    def token(self, kind: str, word: str) -> str:
        """Return the keyed form of a word beside a cube, for filters that ask for equality."""
        message = f"{kind}\0{word}".encode()
        return _base32(self._word_mac.digest(message)[:_TERM_BYTES])

    def object_name(self, kind: str, *parts: str) -> str:
        """Return a name for the object store that tells nothing of what it names, and differs between vaults."""
        return self._name_mac.digest("\0".join((kind, *parts)).encode()).hex()

    def _aad(self, place: tuple[str | int, ...]) -> bytes:
        return "\0".join([self._uid, *[str(part) for part in place]]).encode()
