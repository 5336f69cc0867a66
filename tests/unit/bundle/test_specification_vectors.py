"""The vectors that docs/bundle-format.md prints are those of both implementations."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memporium.verify.bundle import contents
from memporium.verify.bundle.segments import derive
from memporium_platform.bundle import merkle, segments
from memporium_platform.bundle.keys import BundleKey, LineSecret, position
from memporium_platform.bundle.padme import padded_size

TEXT = (Path(__file__).parents[3] / "docs" / "bundle-format.md").read_text()
VECTOR = json.loads(TEXT.partition("```json\n")[2].partition("```")[0])
LINE, KEY = bytes.fromhex(VECTOR["line_secret"]), bytes.fromhex(VECTOR["bundle_key"])
CONTENT = VECTOR["content"].encode()
OBJECT = bytes.fromhex(VECTOR["object"])
PLACE = bytes.fromhex(VECTOR["place_index_0_stream_1"])


def test_the_segment_and_its_keys():
    line, key = LineSecret(LINE), BundleKey(KEY)
    assert line.cut_key.hex() == VECTOR["cut_key"]
    made = line.segment_key(CONTENT, VECTOR["compression"])
    assert (made.key.hex(), made.salt.hex()) == (VECTOR["segment_key"], VECTOR["salt"])
    sealed = segments.seal_segment(CONTENT, line, compressed=False)
    assert (bytes(sealed.data), sealed.sha256.hex()) == (OBJECT, VECTOR["object_sha256"])
    place = position(0, sha256_=sealed.sha256, size_bytes=len(OBJECT), stream=1, compression=1)
    assert place == PLACE
    assert key.seal_segment_key(0, made.key, place=place).hex() == VECTOR["sealed_key"]
    assert merkle.root([place]).hex() == VECTOR["merkle_root_of_this_place"]


def test_the_tags():
    key = BundleKey(KEY)
    digest, cubes = key.stream_digest(1), key.cubes_tag()
    digest.update(0, CONTENT)
    cubes.update(name.encode() for name in VECTOR["cubes"])
    assert digest.digest().hex() == VECTOR["stream_digest_stream_1"]
    assert cubes.digest().hex() == VECTOR["cubes_tag"]
    assert key.blob_tag(hashlib.sha256(b"").hexdigest()).hex() == VECTOR["blob_tag_of_sha256_of_nothing"]


def test_the_second_implementation_reads_them():
    wrapped = bytes.fromhex(VECTOR["sealed_key"])
    key = AESGCM(derive(KEY, "segment-keys")).decrypt(bytes(12), wrapped, PLACE)
    assert key.hex() == VECTOR["segment_key"]
    opener = Cobblestone256Decryptor(key, b"memporium.transfer.v1/segment/\x00\x00\x00\x01")
    frame = opener.update(OBJECT) + opener.finalize()
    assert frame == len(CONTENT).to_bytes(8) + CONTENT + bytes(contents.padme(8 + len(CONTENT)) - 8 - len(CONTENT))
    tag = AESGCM(derive(KEY, "content-tag")).encrypt(bytes(12), b"", CONTENT)
    said = (1).to_bytes(4) + len(CONTENT).to_bytes(8) + tag
    assert hmac.digest(derive(KEY, "stream-digest"), said, "sha256").hex() == VECTOR["stream_digest_stream_1"]
    assert contents.merkle_root([PLACE]).hex() == VECTOR["merkle_root_of_this_place"]


def test_the_sizes():
    for size, padded in VECTOR["padme"]:
        assert padded_size(size) == contents.padme(size) == padded
