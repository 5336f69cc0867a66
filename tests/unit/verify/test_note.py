import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memporium.verify.note import NoteError, SignedTree, VerifierKey, sign_note, verify_note

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAME = "memporium.local/audit/acme"
TREE = SignedTree(NAME, 7, bytes(range(32)))
VERIFIER = VerifierKey(NAME, KEY.public_key().public_bytes_raw())
NOTE = sign_note(TREE, name=NAME, key=KEY)

# The example key of C2SP signed-note (and of golang.org/x/mod/sumdb/note).
KNOWN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_form_of_a_checkpoint():
    lines = NOTE.split("\n")
    assert lines[:4] == [NAME, "7", base64.b64encode(bytes(range(32))).decode(), ""]
    assert lines[4].startswith(f"\u2014 {NAME} ")
    assert lines[5:] == [""]


def test_a_known_verifier_key():
    key = VerifierKey.parse(KNOWN)
    assert (key.name, key.key_id.hex(), str(key)) == ("PeterNeumann", "c74f20a3", KNOWN)


def test_a_known_signed_note():
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    # The signature is good; what it signs is no checkpoint.
    with pytest.raises(NoteError, match="malformed"):
        verify_note(f"{text}\n\u2014 PeterNeumann {signature}\n", VerifierKey.parse(KNOWN))
    with pytest.raises(NoteError, match="wrong"):
        verify_note(f"X{text}\n\u2014 PeterNeumann {signature}\n", VerifierKey.parse(KNOWN))


def test_a_signed_checkpoint_verifies():
    assert verify_note(NOTE, VerifierKey.parse(str(VERIFIER))) == TREE
    witness = "\u2014 witness.example AAAAAAAA\n"
    assert verify_note(NOTE + witness, VERIFIER) == TREE


def test_every_flipped_character_is_seen():
    raw = NOTE.encode()
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises((NoteError, UnicodeDecodeError)):
            verify_note(bytes(changed).decode(), VERIFIER)


def test_other_keys_are_not_believed():
    other = Ed25519PrivateKey.generate()
    with pytest.raises(NoteError, match="not signed"):
        verify_note(sign_note(TREE, name=NAME, key=other), VERIFIER)
    with pytest.raises(NoteError, match="not signed"):
        verify_note(sign_note(TREE, name="else", key=KEY), VERIFIER)


@pytest.mark.parametrize(
    "text", ["", "a", "a+b", "a+00000000+AQ==", KNOWN[:-4], KNOWN.replace("c74f", "c74e"), "+" + KNOWN]
)
def test_malformed_keys(text):
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("size", ["-1", "07", "seven", "9" * 19])
def test_sizes_are_plain_numbers(size):
    text = f"{NAME}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
    signature = base64.b64encode(VERIFIER.key_id + KEY.sign(text.encode())).decode()
    with pytest.raises(NoteError, match="malformed"):
        verify_note(f"{text}\n\u2014 {NAME} {signature}\n", VERIFIER)


def test_roots_have_32_bytes():
    text = f"{NAME}\n7\nAAAA\n"
    signature = base64.b64encode(VERIFIER.key_id + KEY.sign(text.encode())).decode()
    with pytest.raises(NoteError, match="root"):
        verify_note(f"{text}\n\u2014 {NAME} {signature}\n", VERIFIER)
