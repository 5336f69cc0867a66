"""Grants: the bundle's key for one recipient, under what it was promised; another recipient re-encrypts nothing.

The serialised terms are the `info` of the HPKE encryption, so a key opens only for exactly the terms it was sealed for.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from memporium.transfer.v1.bundle_pb2 import BundleKind, Grant, GrantTerms
from memporium_platform.bundle.documents import check_format, moment
from memporium_platform.bundle.keys import KEY
from memporium_platform.bundle.limits import CLOCK_SKEW_S
from memporium_platform.bundle.steps import VerificationStep, rejected, require

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    from memporium.transfer.v1.bundle_pb2 import Manifest, Snapshot

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO = b"memporium.transfer.v1/grant\x00"
_STEP = VerificationStep.GRANT


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who opens a bundle: `orgs/{org}` and its key."""

    org: str
    key: X25519PrivateKey


@dataclass(frozen=True, slots=True)
class ExpectedAgreement:
    """What the recipient knows of its agreement.

    Attributes:
        name: `orgs/{org}/agreements/{agreement}`; "" for an own dump.
        active: Whether it is in force now.
        terms_sha256: Digest of its terms, hexadecimal; "" for an own dump.
    """

    name: str = ""
    active: bool = True
    terms_sha256: str = ""


def recipient_key_id(key: X25519PublicKey) -> str:
    """Return the id of a recipient's key: SHA-256 of its 32 bytes, hexadecimal."""
    return sha256(key.public_bytes_raw()).hexdigest()


def seal(terms: GrantTerms, bundle_key: bytes, recipient: X25519PublicKey) -> bytes:
    """Return the serialised Grant: `bundle_key` for `recipient` under `terms`."""
    data = terms.SerializeToString()
    return Grant(terms=data, sealed_key=_SUITE.encrypt(bundle_key, recipient, info=_INFO + data)).SerializeToString()


def check(
    terms: GrantTerms,
    *,
    manifest: Manifest,
    manifest_sha256: bytes,
    snapshot: Snapshot,
    recipient: Recipient,
    agreement: ExpectedAgreement,
    now: datetime,
) -> None:
    """Demand that a grant is for this bundle, this recipient, this agreement and this time.

    Raises:
        PlatformError: BUNDLE_REJECTED at GRANT (at PAYLOAD for another format).
    """
    check_format(terms.format, terms.suite)
    require(terms.suite == manifest.suite, _STEP, "the grant is for another suite")
    require(terms.publisher == manifest.publisher, _STEP, "the grant is of another publisher")
    require(terms.manifest_sha256 == manifest_sha256, _STEP, "the grant is for another bundle")
    require(terms.recipient == recipient.org, _STEP, "the grant is for another recipient")
    own_key = recipient_key_id(recipient.key.public_key())
    require(terms.recipient_key_id == own_key, _STEP, "the grant is for another key")
    own = manifest.kind == BundleKind.BUNDLE_KIND_DUMP or recipient.org == manifest.publisher
    require(bool(terms.agreement) or own, _STEP, "the grant names no agreement")
    require(terms.agreement == agreement.name, _STEP, "the grant is for another agreement")
    require(agreement.active, _STEP, "the agreement is not in force")
    require(terms.terms_sha256 == agreement.terms_sha256, _STEP, "the grant is for other terms")
    require(terms.agreement not in snapshot.revoked_agreements, _STEP, "the agreement is revoked")
    require(0 <= terms.revocation_epoch <= snapshot.revocation_epoch, _STEP, "the grant's epoch is not yet known")
    ahead = (moment(terms.start_time) - now).total_seconds()
    require(ahead <= CLOCK_SKEW_S, _STEP, "the grant does not hold yet")
    require(now < moment(terms.end_time), _STEP, "the grant is over")


def open_key(grant: Grant, recipient: Recipient) -> bytes:
    """Return the bundle's key.

    Raises:
        PlatformError: BUNDLE_REJECTED at KEY.
    """
    try:
        key = _SUITE.decrypt(grant.sealed_key, recipient.key, info=_INFO + grant.terms)
    except (InvalidTag, ValueError) as err:
        raise rejected(VerificationStep.KEY, "the key does not open") from err
    require(len(key) == KEY, VerificationStep.KEY, "the key has another length")
    return bytes(key)
