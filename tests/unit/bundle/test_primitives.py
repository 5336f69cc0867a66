"""Building blocks of the bundle format, against published vectors where there are any."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_platform.bundle import chunked, compression, dsse, merkle
from memporium_platform.bundle.keys import LineSecret
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.segments import seal_segment

KEY, SALT = bytes(range(32)), bytes(range(24))


def test_pae_of_the_dsse_specification():
    encoded = dsse.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_pae_counts_bytes_not_characters():
    assert dsse.pre_authentication_encoding("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_ed25519_of_rfc8032():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


def test_merkle_root_of_rfc6962():
    # Root over the eight leaves of the reference implementation of certificate transparency.
    leaves = [
        bytes.fromhex(text)
        for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
    ]
    assert merkle.root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert merkle.root(leaves[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert merkle.root([]).hex() == sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("size", "padded"), [(0, 0), (1, 1), (8, 8), (9, 10), (100, 104), (1000, 1024), (100_000, 100_352)]
)
def test_padme_sizes(size, padded):
    assert padded_size(size) == padded


@given(st.integers(min_value=2, max_value=1 << 40))
def test_padme_is_idempotent_and_costs_at_most_an_eighth(size):
    padded = padded_size(size)
    assert size <= padded <= size * 1.12 + 1
    assert padded_size(padded) == padded


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 40_000])
def test_chunked_layout_is_that_of_c2sp(size):
    """Opens with nothing but the formulas of the specification."""
    plaintext = bytes(i * 7 % 256 for i in range(size))
    message = bytes(chunked.seal(KEY, plaintext, salt=SALT, context=b"ctx"))
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + SALT + b"ctx"
    out = HKDFExpand(SHA512(), 76, info).derive(KEY)
    assert message[:56] == SALT + out[44:]
    opened = b""
    for index, start in enumerate(range(56, len(message), 16_400)):
        nonce = (int.from_bytes(out[32:44]) ^ index).to_bytes(12)
        opened += AESGCM(out[:32]).decrypt(nonce, message[start : start + 16_400], None)
    assert opened == plaintext
    assert len(message) == chunked.sealed_size(size)
    assert bytes(chunked.open_sealed(KEY, message, context=b"ctx")) == plaintext


@pytest.mark.parametrize("size", [0, 5, 16_384, 33_000])
def test_chunked_refuses_every_truncation(size):
    message = bytes(chunked.seal(KEY, bytes(size), salt=SALT))
    lengths = (
        range(len(message)) if size < 100 else [*range(60), 56 + 16_400, 16_400, len(message) - 16, len(message) - 1]
    )
    for length in lengths:
        with pytest.raises(chunked.ChunkedDecryptionError):
            chunked.open_sealed(KEY, message[:length])


def test_chunked_refuses_dropped_swapped_and_doubled_chunks():
    message = bytes(chunked.seal(KEY, bytes(40_000), salt=SALT))
    head, a, b, c = message[:56], message[56:16_456], message[16_456:32_856], message[32_856:]
    for forged in (head + b + a + c, head + a + c, head + a + a + b + c, head + a + b, head + a + b + b[:-1]):
        with pytest.raises(chunked.ChunkedDecryptionError):
            chunked.open_sealed(KEY, forged)


def test_chunked_refuses_another_key_salt_or_context():
    message = bytes(chunked.seal(KEY, b"secret", salt=SALT, context=b"one"))
    for key, data, context in [
        (bytes(32), message, b"one"),
        (KEY, message, b"two"),
        (KEY, bytes(24) + message[24:], b"one"),
    ]:
        with pytest.raises(chunked.ChunkedDecryptionError, match="commitment"):
            chunked.open_sealed(key, data, context=context)


def test_two_key_ciphertext_is_refused():
    """AES-GCM alone lets one ciphertext open under two keys; the commitment names one of them."""
    other = bytes(reversed(KEY))
    message = bytes(chunked.seal(KEY, b"for the first key", salt=SALT))
    forged = bytes(chunked.seal(other, b"", salt=SALT))[:56] + message[56:]
    for key in (KEY, other):
        with pytest.raises((chunked.ChunkedDecryptionError, InvalidTag)):
            chunked.open_sealed(key, forged)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=5000))
def test_zstd_round_trip(content):
    assert compression.decompress(compression.compress(content), limit_bytes=len(content)) == content


def test_zip_bomb_is_refused_before_it_grows():
    bomb = compression.compress(bytes(64 * 1024 * 1024))
    assert len(bomb) < 20_000
    with pytest.raises(compression.DecompressionError, match="cap"):
        compression.decompress(bomb, limit_bytes=1024 * 1024)


def test_zip_bomb_that_hides_its_size_is_refused():
    import zstandard

    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64 * 1024 * 1024))
    with pytest.raises(compression.DecompressionError):
        compression.decompress(bomb, limit_bytes=1024 * 1024)


def test_zstd_refuses_cut_frames_second_frames_and_other_bytes():
    frame = compression.compress(b"abc" * 1000)
    for forged in (*(frame[:n] for n in range(len(frame))), frame + frame, frame + b"x", b"not zstd"):
        with pytest.raises(compression.DecompressionError):
            compression.decompress(forged, limit_bytes=10_000)


@pytest.mark.parametrize(("key", "salt"), [(bytes(31), bytes(24)), (bytes(32), bytes(23))])
def test_chunked_takes_no_other_lengths_of_keys_and_salts(key, salt):
    with pytest.raises(ValueError, match="32 bytes"):
        chunked.seal(key, b"", salt=salt)
    if len(key) < 32:
        with pytest.raises(chunked.ChunkedDecryptionError):
            chunked.open_sealed(key, chunked.seal(bytes(32), b"", salt=bytes(24)))


@pytest.mark.parametrize("size", [0, (16 << 20) + 1])
def test_a_segment_is_neither_empty_nor_above_its_cap(size):
    with pytest.raises(ValueError, match="16 MiB"):
        seal_segment(bytes(size), LineSecret(bytes(32)), compressed=False)
