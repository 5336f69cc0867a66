"""Keys of a bundle.

Two secrets make a bundle. The *line secret* stays with the publisher for as long as the listing (or the vault's
backups) lives: from it and the content come the segments' keys, so that equal segments of two versions are one object.
The *bundle key* is new for each bundle: it seals the segments' keys in the manifest, and it alone is what a grant hands
out. So whoever was granted one version can open no other.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from memporium_platform.bundle.chunked import SALT

KEY = 32
_PREFIX = b"memporium.transfer.v1/"


def derive(secret: bytes, label: str, data: bytes = b"", *, length: int = KEY) -> bytes:
    """Return `length` bytes from a uniformly random `secret`, for one purpose and its data."""
    return HKDFExpand(SHA256(), length, _PREFIX + label.encode() + b"\x00" + data).derive(secret)


def position(index: int, *, sha256_: bytes, size_bytes: int, stream: int, compression: int) -> bytes:
    """Return the fixed-length description of a segment at its place: leaf of the Merkle tree, AAD of its key."""
    return index.to_bytes(8) + sha256_ + size_bytes.to_bytes(8) + stream.to_bytes(4) + compression.to_bytes(4)


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """Key and salt of one segment: made from the line and the content, so neither repeats for another content."""

    key: bytes
    salt: bytes


class LineSecret:
    """The publisher's secret of one line."""

    def __init__(self, secret: bytes) -> None:
        """Keep 32 uniformly random bytes."""
        self._digest_key = derive(secret, "segment-digest")
        self._segment_secret = derive(secret, "segment-key")
        self.cut_key = derive(secret, "cut")

    def segment_key(self, content: bytes | bytearray | memoryview, compression: int) -> SegmentKey:
        """Return the key of the segment with this content, stored in this way."""
        digest = hmac.digest(self._digest_key, content, "sha256")
        out = derive(self._segment_secret, "segment", compression.to_bytes(4) + digest, length=KEY + SALT)
        return SegmentKey(out[:KEY], out[KEY:])


class BundleKey:
    """The key of one bundle."""

    def __init__(self, key: bytes) -> None:
        """Keep 32 uniformly random bytes."""
        self.raw = key
        self._wrap = AESGCM(derive(key, "segment-keys"))
        self._stream_key = derive(key, "stream-digest")

    def seal_segment_key(self, index: int, key: bytes, *, place: bytes) -> bytes:
        """Return the key of the segment at `index`, sealed for that place alone."""
        # The bundle key is new for each bundle and seals one key per index: no nonce repeats.
        return self._wrap.encrypt(index.to_bytes(12), key, place)

    def open_segment_key(self, index: int, sealed: bytes, *, place: bytes) -> bytes | None:
        """Return the key of the segment at `index`, or None where it was sealed for another place or bundle."""
        try:
            return self._wrap.decrypt(index.to_bytes(12), sealed, place)
        except InvalidTag:
            return None

    def stream_digest(self, stream: int) -> hmac.HMAC:
        """Return a running digest for the content of the stream at an index."""
        return hmac.new(self._stream_key, stream.to_bytes(4), sha256)
