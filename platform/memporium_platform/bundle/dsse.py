"""DSSE envelopes (Dead Simple Signing Envelope 1.0) with Ed25519, and the trust roots that they are held against.

The bytes that were signed are stored and verified as they are; nothing is serialised again. The algorithm belongs
to the trusted key and never comes from the envelope.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from google.protobuf.message import DecodeError

from memporium.transfer.v1.bundle_pb2 import Envelope, EnvelopeSignature
from memporium_platform.bundle.limits import SIGNATURES_MAX
from memporium_platform.bundle.protobuf import has_unknown_fields
from memporium_platform.bundle.steps import VerificationStep, rejected, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed (PAE of the DSSE protocol)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(key: Ed25519PublicKey) -> str:
    """Return a key's id: SHA-256 of its 32 bytes, hexadecimal."""
    return sha256(key.public_bytes_raw()).hexdigest()


def sign(payload: bytes, payload_type: str, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """Return the serialised envelope of `payload`, signed with every one of `keys`."""
    message = pre_authentication_encoding(payload_type, payload)
    signatures = [EnvelopeSignature(sig=key.sign(message), keyid=key_id(key.public_key())) for key in keys]
    return Envelope(payload=payload, payload_type=payload_type, signatures=signatures).SerializeToString()


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Whose signatures count.

    Attributes:
        keys: Trusted keys by their ids.
        threshold: So many different ones must have signed; at least 1.
    """

    keys: Mapping[str, Ed25519PublicKey]
    threshold: int = 1

    @classmethod
    def of(cls, keys: Iterable[Ed25519PublicKey], *, threshold: int = 1) -> TrustRoot:
        """Return the root that trusts `keys`.

        Raises:
            ValueError: The threshold is below one or above the number of different keys.
        """
        by_id = {key_id(key): key for key in keys}
        if not 1 <= threshold <= len(by_id):
            raise ValueError("a threshold must be from 1 to the number of different keys")
        return cls(by_id, threshold)

    @property
    def fingerprint(self) -> str:
        """What is remembered about a publisher is remembered under its keys: a rotation begins anew."""
        return sha256("\n".join([str(self.threshold), *sorted(self.keys)]).encode()).hexdigest()


def parse(data: bytes) -> Envelope:
    """Return the envelope in `data`, not yet verified.

    Raises:
        PlatformError: BUNDLE_REJECTED at ENVELOPE.
    """
    try:
        envelope = Envelope.FromString(data)
    except DecodeError as err:
        raise rejected(VerificationStep.ENVELOPE, "not an envelope") from err
    require(not has_unknown_fields(envelope), VerificationStep.ENVELOPE, "unknown fields")
    require(envelope.payload, VerificationStep.ENVELOPE, "no payload")
    require(envelope.signatures, VerificationStep.ENVELOPE, "no signature")
    require(len(envelope.signatures) <= SIGNATURES_MAX, VerificationStep.ENVELOPE, "too many signatures")
    return envelope


def verify(envelope: Envelope, root: TrustRoot) -> None:
    """Demand that enough different trusted keys signed the envelope's payload and type.

    The key id narrows the choice of the key and nothing else. One key counts once, however often it signed. A wrong
    signature under a trusted key's id refuses the envelope, even where the others would do.

    Raises:
        PlatformError: BUNDLE_REJECTED at TRUST_ROOT.
    """
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    accepted: set[str] = set()
    for signature in envelope.signatures:
        key = root.keys.get(signature.keyid)
        if key is None:  # of a successor or a countersigner: worth nothing here
            continue
        try:
            key.verify(signature.sig, message)
        except InvalidSignature as err:
            raise rejected(VerificationStep.TRUST_ROOT, "a signature is wrong") from err
        accepted.add(signature.keyid)
    require(
        len(accepted) >= root.threshold,
        VerificationStep.TRUST_ROOT,
        f"{len(accepted)} of {root.threshold} needed keys signed",
    )
