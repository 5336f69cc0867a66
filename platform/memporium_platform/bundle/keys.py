"""Keys of a bundle.

Two secrets make a bundle. The *line secret* stays with the publisher for as long as the listing (or the vault's
backups) lives: from it and what is encrypted come the segments' keys, so that equal segments of two versions are one
object. The *bundle key* is new for each bundle: it seals the segments' keys in the manifest, and it alone is what a
grant hands out. So whoever was granted one version can open no other.

Tags of contents are GMAC: a universal hash under a secret key, at the speed of memory. They never leave this module but
through HKDF or HMAC; what makes a bundle binding for those who know its keys is SHA-256 over the stored objects.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from memporium_platform.bundle.chunked import SALT

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = 32
_PREFIX = b"memporium.transfer.v1/"
Data = bytes | bytearray | memoryview


def derive(secret: bytes, label: str, data: bytes = b"", *, length: int = KEY) -> bytes:
    """Return `length` bytes from a uniformly random `secret`, for one purpose and its data."""
    return HKDFExpand(SHA256(), length, _PREFIX + label.encode() + b"\x00" + data).derive(secret)


def position(index: int, *, sha256_: bytes, size_bytes: int, stream: int, compression: int) -> bytes:
    """Return the fixed-length description of a segment at its place: leaf of the Merkle tree, AAD of its key."""
    return index.to_bytes(8) + sha256_ + size_bytes.to_bytes(8) + stream.to_bytes(4) + compression.to_bytes(4)


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """Key and salt of one segment: made from the line and the body, so neither repeats for another body."""

    key: bytes
    salt: bytes


class LineSecret:
    """The publisher's secret of one line."""

    def __init__(self, secret: bytes) -> None:
        """Keep 32 uniformly random bytes."""
        self._tag = AESGCM(derive(secret, "segment-tag"))
        self._segment_secret = derive(secret, "segment-key")
        self.cut_key = derive(secret, "cut")

    def segment_key(self, body: Data, compression: int) -> SegmentKey:
        """Return the key of the segment with this body: what is encrypted, not what it decompresses to.

        Another version of zstd may compress the same content to other bytes; were the key made from the content, one
        key and nonce would then encrypt two bodies.
        """
        # One nonce for all: the tag is a hash, never shown, and under two different tags nothing is equal.
        tag = self._tag.encrypt(bytes(12), b"", body)
        data = compression.to_bytes(4) + len(body).to_bytes(8) + tag
        out = derive(self._segment_secret, "segment", data, length=KEY + SALT)
        return SegmentKey(out[:KEY], out[KEY:])


class StreamDigest:
    """The running digest of one stream: HMAC over the lengths and tags of its segments' contents."""

    def __init__(self, key: bytes, tags: AESGCM, stream: int) -> None:
        """Begin the stream at an index."""
        self._hmac, self._tags = hmac.new(key, stream.to_bytes(4), sha256), tags

    def update(self, index: int, content: Data) -> None:
        """Take in the content of the segment at `index` of the whole list: each content has a nonce of its own."""
        self._hmac.update(len(content).to_bytes(8) + self._tags.encrypt(index.to_bytes(12), b"", content))

    def digest(self) -> bytes:
        """Return the 32 bytes."""
        return self._hmac.digest()


class CubesTag:
    """The running tag of the cubes' names: commits to which cubes are within, and tells nobody else."""

    def __init__(self, key: bytes) -> None:
        """Begin."""
        self._hmac = hmac.new(key, digestmod=sha256)

    def update(self, names: Iterable[bytes]) -> None:
        """Take in names, in order."""
        self._hmac.update(b"\n".join([*names, b""]))

    def digest(self) -> bytes:
        """Return the 32 bytes."""
        return self._hmac.digest()


class BundleKey:
    """The key of one bundle, or of one part."""

    def __init__(self, key: bytes) -> None:
        """Keep 32 uniformly random bytes."""
        self.raw = key
        self._wrap = AESGCM(derive(key, "segment-keys"))
        self._content_tags = AESGCM(derive(key, "content-tag"))
        self._stream_key = derive(key, "stream-digest")
        self._blob_key = derive(key, "blob-tag")
        self._cubes_key = derive(key, "cubes-tag")

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

    def stream_digest(self, stream: int) -> StreamDigest:
        """Return a running digest for the stream at an index."""
        return StreamDigest(self._stream_key, self._content_tags, stream)

    def blob_tag(self, blob_sha256: str) -> bytes:
        """Return by what a stream is found for the file of this digest (hexadecimal)."""
        return hmac.digest(self._blob_key, bytes.fromhex(blob_sha256), "sha256")

    def cubes_tag(self) -> CubesTag:
        """Return a running tag for the names of the cubes."""
        return CubesTag(self._cubes_key)
