"""Signed checkpoints: the C2SP formats signed-note and tlog-checkpoint, with Ed25519."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from memporium.verify.merkle import HASH_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ALGORITHM = b"\x01"  # Ed25519, in signed-note's registry
_ID_BYTES = 4
_KEY_BYTES = 32
_DASH = "\u2014 "
# A checkpoint has three lines and a few signatures.
_MAX_NOTE_CHARS = 64 << 10


class NoteError(Exception):
    """A note is malformed or not signed by the key."""


@dataclass(frozen=True, slots=True)
class SignedTree:
    """What a checkpoint says: whose log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and an Ed25519 public key."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that hint at the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ALGORITHM + self.public_key).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return the verifier form: name, id, key."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ALGORITHM + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key in its verifier form.

        Raises:
            NoteError: It is malformed.
        """
        name, _, rest = text.partition("+")
        stated, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        key = cls(name, raw[1:])
        if not name or raw[:1] != _ALGORITHM or len(raw) != 1 + _KEY_BYTES or key.key_id.hex() != stated:
            raise NoteError("is not a verifier key")
        return key


def sign_note(tree: SignedTree, *, name: str, key: Ed25519PrivateKey) -> str:
    """Return the checkpoint, signed."""
    text = tree.text()
    verifier = VerifierKey(name, key.public_key().public_bytes_raw())
    signature = base64.b64encode(verifier.key_id + key.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{name} {signature}\n"


def verify_note(note: str, key: VerifierKey) -> SignedTree:
    """Return what a checkpoint says, once the key has signed it.

    Raises:
        NoteError: It is malformed, or no signature of the key is good.
    """
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n") or len(note) > _MAX_NOTE_CHARS:
        raise NoteError("the checkpoint is malformed")
    text += "\n"
    for line in signatures[:-1].split("\n"):
        parts = line.removeprefix(_DASH).split(" ")
        if not line.startswith(_DASH) or len(parts) != 2:  # noqa: PLR2004 - name and signature
            raise NoteError("a signature of the checkpoint is malformed")
        raw = _decoded(parts[1])
        if parts[0] == key.name and raw[:_ID_BYTES] == key.key_id:
            try:
                Ed25519PublicKey.from_public_bytes(key.public_key).verify(raw[_ID_BYTES:], text.encode())
            except (InvalidSignature, ValueError) as error:
                raise NoteError("the checkpoint's signature is wrong") from error
            return _parse(text)
    raise NoteError("the checkpoint is not signed by the key")


def _parse(text: str) -> SignedTree:
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _is_number(lines[1]):  # noqa: PLR2004 - three lines and the end
        raise NoteError("the checkpoint is malformed")
    root = _decoded(lines[2])
    if len(root) != HASH_BYTES:
        raise NoteError("the checkpoint's root is malformed")
    return SignedTree(lines[0], int(lines[1]), root)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19 and (text == "0" or text[0] != "0")  # noqa: PLR2004 - int64


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("is not base64") from error
