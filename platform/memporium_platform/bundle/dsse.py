"""DSSE envelopes (Dead Simple Signing Envelope 1.0), and the trust roots that they are held against.

The bytes that were signed are stored and verified as they are; nothing is serialised again. The algorithms belong to
the trusted key and never come from the envelope: Ed25519 alone, or Ed25519 and ML-DSA-65 where the key has two halves.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from google.protobuf.message import DecodeError

from memporium.transfer.v1.bundle_pb2 import Envelope, EnvelopeSignature
from memporium_platform.bundle.limits import SIGNATURES_MAX
from memporium_platform.bundle.protobuf import is_plain
from memporium_platform.bundle.steps import VerificationStep, rejected, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed (PAE of the DSSE protocol)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(key: Ed25519PublicKey | MLDSA65PublicKey) -> str:
    """Return a key's id: SHA-256 of its raw bytes, hexadecimal."""
    return sha256(key.public_bytes_raw()).hexdigest()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key to sign with; with a second half, both sign, and both must be right."""

    first: Ed25519PrivateKey
    second: MLDSA65PrivateKey | None = None

    @property
    def public(self) -> TrustedKey:
        """What others trust."""
        return TrustedKey(self.first.public_key(), self.second.public_key() if self.second else None)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key whose signatures count: one half, or two that both must have signed."""

    first: Ed25519PublicKey
    second: MLDSA65PublicKey | None = None

    @property
    def halves(self) -> dict[str, Ed25519PublicKey | MLDSA65PublicKey]:
        """The halves by their ids."""
        halves: list[Ed25519PublicKey | MLDSA65PublicKey] = [self.first, *([self.second] if self.second else [])]
        return {key_id(half): half for half in halves}


def sign(payload: bytes, payload_type: str, keys: Sequence[Ed25519PrivateKey | SigningKey]) -> bytes:
    """Return the serialised envelope of `payload`, signed with every one of `keys`."""
    return Envelope(
        payload=payload, payload_type=payload_type, signatures=signatures(payload, payload_type, keys)
    ).SerializeToString()


def signatures(
    payload: bytes, payload_type: str, keys: Sequence[Ed25519PrivateKey | SigningKey]
) -> list[EnvelopeSignature]:
    """Return the signatures of `keys`, two for each key that has two halves."""
    message = pre_authentication_encoding(payload_type, payload)
    whole = [key if isinstance(key, SigningKey) else SigningKey(key) for key in keys]
    halves = [half for key in whole for half in (key.first, key.second) if half is not None]
    return [EnvelopeSignature(sig=half.sign(message), keyid=key_id(half.public_key())) for half in halves]


def countersigned(envelope: bytes, keys: Sequence[Ed25519PrivateKey | SigningKey]) -> bytes:
    """Return a serialised envelope with the signatures of `keys` in the place of those that it had from them.

    The payload stays byte for byte: what was signed is signed again by others, for those who trust them.
    """
    parsed = Envelope.FromString(envelope)
    new = signatures(parsed.payload, parsed.payload_type, keys)
    ids = {signature.keyid for signature in new}
    kept = [signature for signature in parsed.signatures if signature.keyid not in ids]
    return Envelope(
        payload=parsed.payload, payload_type=parsed.payload_type, signatures=[*kept, *new]
    ).SerializeToString()


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Whose signatures count.

    Attributes:
        keys: Trusted keys by the ids of their first halves.
        threshold: So many different ones must have signed; at least 1.
    """

    keys: Mapping[str, TrustedKey]
    threshold: int = 1

    @classmethod
    def of(cls, keys: Iterable[Ed25519PublicKey | TrustedKey], *, threshold: int = 1) -> TrustRoot:
        """Return the root that trusts `keys`.

        Raises:
            ValueError: The threshold is below one or above the number of different keys.
        """
        whole = [key if isinstance(key, TrustedKey) else TrustedKey(key) for key in keys]
        by_id = {key_id(key.first): key for key in whole}
        if not 1 <= threshold <= len(by_id):
            raise ValueError("a threshold must be from 1 to the number of different keys")
        return cls(by_id, threshold)

    @property
    def hybrid(self) -> bool:
        """Whether every key has two halves."""
        return all(key.second is not None for key in self.keys.values())

    @property
    def fingerprint(self) -> str:
        """What is remembered about a publisher is remembered under its keys: a rotation begins anew."""
        ids = sorted(half for key in self.keys.values() for half in key.halves)
        return sha256("\n".join([str(self.threshold), *ids]).encode()).hexdigest()


def parse(data: bytes) -> Envelope:
    """Return the envelope in `data`, not yet verified.

    Raises:
        PlatformError: BUNDLE_REJECTED at ENVELOPE.
    """
    try:
        envelope = Envelope.FromString(data)
    except DecodeError as err:
        raise rejected(VerificationStep.ENVELOPE, "not an envelope") from err
    plain = is_plain(envelope, data)
    require(plain, VerificationStep.ENVELOPE, "unknown fields, or not written in the shortest way")
    require(envelope.payload, VerificationStep.ENVELOPE, "no payload")
    require(envelope.signatures, VerificationStep.ENVELOPE, "no signature")
    require(len(envelope.signatures) <= SIGNATURES_MAX, VerificationStep.ENVELOPE, "too many signatures")
    return envelope


def verify(envelope: Envelope, root: TrustRoot) -> None:
    """Demand that enough different trusted keys signed the envelope's payload and type.

    The key id narrows the choice of the key and nothing else. One key counts once, however often it signed, and with
    two halves only when both did. A wrong signature under a trusted key's id refuses the envelope, even where the
    others would do.

    Raises:
        PlatformError: BUNDLE_REJECTED at TRUST_ROOT.
    """
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    halves = {half_id: half for key in root.keys.values() for half_id, half in key.halves.items()}
    accepted: set[str] = set()
    for signature in envelope.signatures:
        half = halves.get(signature.keyid)
        if half is None:  # of a successor or a countersigner: worth nothing here
            continue
        try:
            half.verify(signature.sig, message)
        except (InvalidSignature, ValueError) as err:  # a ValueError: not even as long as a signature
            raise rejected(VerificationStep.TRUST_ROOT, "a signature is wrong") from err
        accepted.add(signature.keyid)
    counted = sum(key.halves.keys() <= accepted for key in root.keys.values())
    require(counted >= root.threshold, VerificationStep.TRUST_ROOT, f"{counted} of {root.threshold} needed keys signed")
