"""Grants: a bundle's key for one recipient, under what it was promised; another recipient re-encrypts nothing.

The serialised terms are the `info` of the HPKE encryption, so a key opens only for exactly the terms it was sealed for.
A grant that brings a part carries two keys: the bundle's, and behind it the part's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from memporium.transfer.v1.bundle_pb2 import BundleKind, Grant, GrantTerms, PartKind
from memporium_platform.bundle import recipients
from memporium_platform.bundle.documents import check_format, digest_of, moment
from memporium_platform.bundle.keys import KEY
from memporium_platform.bundle.limits import CLOCK_SKEW_S
from memporium_platform.bundle.recipients import recipient_key_id, suite_of
from memporium_platform.bundle.steps import VerificationStep, rejected, require

if TYPE_CHECKING:
    from datetime import datetime

    from memporium.transfer.v1.bundle_pb2 import Manifest, Part, Snapshot

_INFO = b"memporium.transfer.v1/grant\x00"
_STEP = VerificationStep.GRANT


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who opens a bundle: `orgs/{org}`, its key, and its hybrid key if it has one."""

    org: str
    key: recipients.PrivateKey
    hybrid: recipients.HybridPrivateKey | None = None

    def key_for(self, suite: int) -> recipients.PrivateKey | None:
        """Return the key that opens grants of a suite, or None."""
        return next((key for key in (self.key, self.hybrid) if key is not None and suite_of(key) == suite), None)


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


def seal(terms: GrantTerms, keys: bytes, recipient: recipients.PublicKey) -> bytes:
    """Return the serialised Grant: the bundle's key, and the part's behind it, for `recipient` under `terms`."""
    data = terms.SerializeToString()
    return Grant(terms=data, sealed_key=recipients.encrypt(keys, recipient, info=_INFO + data)).SerializeToString()


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
    key = recipient.key_for(terms.suite)
    require(key is not None, _STEP, "the grant is for a key of another suite")
    known = key is not None and terms.recipient_key_id == recipient_key_id(key.public_key())
    require(known, _STEP, "the grant is for another key")
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


def check_part(
    part: Part | None, part_bytes: bytes, *, terms: GrantTerms, manifest: Manifest, manifest_sha256: bytes
) -> None:
    """Demand that exactly the part that a grant names came along, and that it is this bundle's and this holder's.

    Args:
        part: The part; None where none came.
        part_bytes: Its bytes.
        terms: The verified terms of the grant.
        manifest: The verified manifest.
        manifest_sha256: SHA-256 of its bytes.

    Raises:
        PlatformError: BUNDLE_REJECTED at GRANT.
    """
    if part is None:
        require(not terms.part_sha256, _STEP, "the part that the grant names is missing")
        require(not manifest.part_cube_count, _STEP, "the bundle is not whole without a part")
        return
    require(terms.part_sha256 == digest_of(part_bytes), _STEP, "the grant names another part, or none")
    require(part.manifest_sha256 == manifest_sha256, _STEP, "the part is of another bundle")
    require(part.publisher == manifest.publisher, _STEP, "the part is of another publisher")
    require(part.suite == manifest.suite, _STEP, "the part is of another suite")
    own = part.kind == PartKind.PART_KIND_SOURCE
    require(own == (terms.recipient == manifest.publisher), _STEP, "the part is of the wrong kind")
    require(part.recipient == terms.recipient, _STEP, "the part is another recipient's")
    require(part.agreement == terms.agreement, _STEP, "the part is of another agreement")
    require(part.cube_count >= manifest.part_cube_count, _STEP, "the part lacks cubes")


def open_keys(grant: Grant, terms: GrantTerms, recipient: Recipient) -> tuple[bytes, bytes]:
    """Return the bundle's key and the part's; "" where the grant brings no part.

    Raises:
        PlatformError: BUNDLE_REJECTED at KEY.
    """
    key = recipient.key_for(terms.suite)
    if key is None:
        raise rejected(VerificationStep.KEY, "there is no key of the grant's suite")
    try:
        opened = recipients.decrypt(grant.sealed_key, key, info=_INFO + grant.terms)
    except (InvalidTag, ValueError) as err:
        raise rejected(VerificationStep.KEY, "the key does not open") from err
    expected = 2 * KEY if terms.part_sha256 else KEY
    require(len(opened) == expected, VerificationStep.KEY, "the key has another length")
    return opened[:KEY], opened[KEY:]
