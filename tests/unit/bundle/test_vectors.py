"""Published vectors of the primitives: C2SP chunked encryption, HPKE, ML-DSA, ML-KEM, HKDF, DSSE, RFC 6962.

They come in the packages `cryptography_vectors` and `securesystemslib`; docs/bundle-format.md says which were run.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature

from memporium_platform.bundle import chunked, dsse, merkle
from memporium_platform.bundle.recipients import HybridPrivateKey, decrypt, encrypt

FOLDER = Path(cryptography_vectors.__file__).parent
CHUNKED = json.loads((FOLDER / "chunked-encryption" / "vectors.json").read_text())["vectors"]


def _message(vector) -> bytes:
    data = base64.b64decode(vector["ciphertext"] or "")
    return zlib.decompress(data) if vector.get("compressed") else data


@pytest.mark.parametrize(
    "vector", [one for one in CHUNKED if one["aead"] == "AEAD_AES_256_GCM"], ids=lambda vector: vector["name"]
)
def test_chunked_encryption_of_c2sp(vector):
    """The vectors are of the instantiation with SHA-256; ours differs from it in the hash alone."""
    key, context, message = bytes.fromhex(vector["key"]), vector["context"].encode(), _message(vector)
    if vector["expect"] == "failure":
        with pytest.raises(chunked.ChunkedDecryptionError):
            chunked.open_sealed(key, message, context=context, algorithm=SHA256())
        return
    opened = chunked.open_sealed(key, message, context=context, algorithm=SHA256())
    assert len(opened) == vector["payload_length"]
    assert hashlib.sha256(opened).hexdigest() == vector["payload_sha256"]
    assert bytes(chunked.seal(key, opened, salt=message[:24], context=context, algorithm=SHA256())) == message


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 70_000])
def test_what_we_seal_is_cobblestone_256_of_the_library(size):
    plaintext = bytes(n % 251 for n in range(size))
    message = bytes(chunked.seal(bytes(32), plaintext, salt=bytes(24), context=b"context"))
    opener = Cobblestone256Decryptor(bytes(32), b"context")
    assert opener.update(message) + opener.finalize() == plaintext


def _hpke(file: str, kem: int, kdf: int, aead: int):
    found = json.loads((FOLDER / "HPKE" / file).read_text())
    wanted = (0, kem, kdf, aead)
    return [one for one in found if (one["mode"], one["kem_id"], one["kdf_id"], one["aead_id"]) == wanted]


def _labelled(secret: bytes, suite: bytes, label: bytes, data: bytes, length: int = 0) -> bytes:
    """LabeledExtract (without a length) and LabeledExpand of RFC 9180, section 4."""
    if not length:
        return hmac.digest(secret, b"HPKE-v1" + suite + label + data, "sha256")
    return HKDFExpand(SHA256(), length, length.to_bytes(2) + b"HPKE-v1" + suite + label + data).derive(secret)


def _receiver(key: X25519PrivateKey, enc: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Return key and base nonce of base mode in our suite, by the formulas of RFC 9180, sections 4.1 and 5.1."""
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    dh = key.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + key.public_key().public_bytes_raw()
    secret = _labelled(_labelled(b"", kem, b"eae_prk", dh), kem, b"shared_secret", context, 32)
    schedule = b"\x00" + _labelled(b"", suite, b"psk_id_hash", b"") + _labelled(b"", suite, b"info_hash", info)
    root = _labelled(secret, suite, b"secret", b"")
    return _labelled(root, suite, b"key", schedule, 32), _labelled(root, suite, b"base_nonce", schedule, 12)


def test_hpke_of_rfc_9180_in_our_suite():
    """DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

    Every message of the vectors has associated data, which the library's single shot does not take: so the formulas are
    held against the vectors, and then the library against the formulas.
    """
    (vector,) = _hpke("test-vectors.json", 32, 1, 2)
    key = X25519PrivateKey.from_private_bytes(bytes.fromhex(vector["skRm"]))
    assert key.public_key().public_bytes_raw().hex() == vector["pkRm"]
    derived, nonce = _receiver(key, bytes.fromhex(vector["enc"]), bytes.fromhex(vector["info"]))
    assert (derived.hex(), nonce.hex()) == (vector["key"], vector["base_nonce"])
    first = vector["encryptions"][0]
    opened = AESGCM(derived).decrypt(nonce, bytes.fromhex(first["ct"]), bytes.fromhex(first["aad"]))
    assert opened.hex() == first["pt"]
    sealed = encrypt(b"k" * 32, key.public_key(), info=b"info")
    derived, nonce = _receiver(key, sealed[:32], b"info")
    assert AESGCM(derived).decrypt(nonce, sealed[32:], None) == b"k" * 32


def test_hpke_hybrid_of_the_draft():
    """MLKEM768-X25519 (0x647a): the vectors' key is one seed, from which both halves are made by SHAKE256."""
    vectors = [
        one
        for one in json.loads((FOLDER / "HPKE" / "hpke-pq-test-vectors.json").read_text())
        if one["kem_id"] == 0x647A
    ]
    assert vectors
    for vector in vectors:
        seed = bytes.fromhex(vector["skRm"])
        expanded = hashlib.shake_256(seed).digest(96)
        key = HybridPrivateKey.from_seeds(expanded[:64], expanded[64:])
        assert key.public_key().public_bytes_raw().hex() == vector["pkRm"]


def test_hpke_round_trip_binds_the_info_and_the_key():
    key = HybridPrivateKey.from_seeds(bytes(64), bytes(range(32)))
    sealed = encrypt(b"k" * 32, key.public_key(), info=b"one")
    assert decrypt(sealed, key, info=b"one") == b"k" * 32
    with pytest.raises(Exception, match=r".*"):
        decrypt(sealed, key, info=b"two")


def _rsp(path: Path) -> list[dict[str, str]]:
    """Return the records of a file of known answers."""
    found: list[dict[str, str]] = []
    for line in path.read_text().splitlines():
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            continue
        if name.lower() in {"count", "number"}:
            found.append({})
        elif found:
            found[-1][name.lower()] = value
    return found


def test_ml_dsa_65_known_answers():
    records = _rsp(FOLDER / "asymmetric" / "MLDSA" / "kat_MLDSA_65_det_pure.rsp")
    assert len(records) >= 50
    for record in records:
        key = MLDSA65PrivateKey.from_seed_bytes(bytes.fromhex(record["xi"])).public_key()
        assert key.public_bytes_raw().hex() == record["pk"].lower()
        message, context = bytes.fromhex(record["msg"]), bytes.fromhex(record.get("ctx", ""))
        signature = bytes.fromhex(record["sm"])[:3309]
        key.verify(signature, message, context)
        with pytest.raises(Exception, match=r".*"):
            key.verify(signature[:-1] + bytes([signature[-1] ^ 1]), message, context)


def test_ml_kem_768_known_answers():
    records = _rsp(FOLDER / "asymmetric" / "MLKEM" / "kat_MLKEM_768.rsp")
    assert len(records) >= 50
    for record in records:
        key = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(record["d"] + record["z"]))
        assert key.public_key().public_bytes_raw().hex() == record["pk"].lower()
        assert key.decapsulate(bytes.fromhex(record["ct"])).hex() == record["ss"].lower()


def test_hkdf_expand_of_rfc_5869():
    records = _rsp(FOLDER / "KDF" / "rfc-5869-HKDF-SHA256.txt")
    assert records
    for record in records:
        out = HKDFExpand(SHA256(), int(record["l"]), bytes.fromhex(record["info"])).derive(bytes.fromhex(record["prk"]))
        assert out.hex() == record["okm"]


def test_dsse_is_that_of_securesystemslib():
    """Both serialise the same bytes for a signature, and each verifies what the other one made."""
    for kind, body in (("http://example.com/HelloWorld", b"hello world"), ("", b""), ("tÿpe", "größe".encode())):
        theirs = Envelope(payload=body, payload_type=kind, signatures={"k": Signature("k", "00")})
        assert theirs.pae() == dsse.pre_authentication_encoding(kind, body)
    assert dsse.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


# https://github.com/google/certificate-transparency: the leaves of its tests, and the roots over the first n of them.
LEAVES = [bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("count", range(9))
def test_merkle_roots_of_rfc_6962(count):
    assert merkle.root(LEAVES[:count]).hex() == ROOTS[count]
