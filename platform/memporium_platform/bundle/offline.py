"""Verifies a bundle that lies in a folder, away from any platform. The only module here that reads files.

The folder holds what `DownloadBundleObject` returns, each object under its own name: `manifest`, `snapshot`,
`timestamp`, `grant` and `part` if there are such, `root` with the chain of roots, and the segments by their digests.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from memporium.transfer.v1.bundle_pb2 import Grant as GrantMessage
from memporium.transfer.v1.bundle_pb2 import GrantTerms, Manifest, RootChain
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import Documents, decode
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from memporium_platform.bundle.keys import KEY
from memporium_platform.bundle.limits import (
    GRANT_MAX,
    MANIFEST_MAX,
    PART_MAX,
    ROOT_MAX,
    SEGMENT_OBJECT_MAX,
    SIGNED_TIME_MAX,
    SNAPSHOT_MAX,
)
from memporium_platform.bundle.pipeline import verified
from memporium_platform.bundle.segments import check_stored
from memporium_platform.bundle.steps import DOCUMENT_STEPS, SEGMENT_STEPS, VerificationStep, rejected
from memporium_platform.bundle.verifier import BundleVerifier, Policy
from memporium_platform.errors import PlatformError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from memporium.transfer.v1.bundle_pb2 import Part
    from memporium_platform.bundle.recipients import PrivateKey


def trust_root(keys: Sequence[str], *, threshold: int = 1) -> dsse.TrustRoot:
    """Return the trust root of a publisher's keys in hexadecimal: Ed25519, and behind it ML-DSA-65 or nothing.

    Raises:
        PlatformError: INVALID_FIELD, where a key is malformed or the threshold does not fit.
    """
    try:
        return dsse.TrustRoot.of([_key(bytes.fromhex(key)) for key in keys], threshold=threshold)
    except ValueError as err:
        raise invalid("key", "must be a public key of 32 bytes, or 1,984 with its second half, once for each") from err


def _key(raw: bytes) -> dsse.TrustedKey:
    second = MLDSA65PublicKey.from_public_bytes(raw[KEY:]) if len(raw) > KEY else None
    return dsse.TrustedKey(Ed25519PublicKey.from_public_bytes(raw[:KEY]), second)


def verify_folder(
    folder: Path, trust: dsse.TrustRoot, *, now: datetime | None = None, key: PrivateKey | None = None
) -> Iterator[VerificationStep]:
    """Verify the bundle in a folder; yield each check that was passed.

    Args:
        folder: Where the objects lie.
        trust: The publisher's first root; never taken from the folder. Roots that lie there are followed from it.
        now: The time to verify for, such as that of the download; None: the present time.
        key: The recipient's key. Without it the content stays closed: the checks end with the digests of the segments.

    Raises:
        PlatformError: BUNDLE_REJECTED at the check that failed.
    """
    grant = _read(folder, "grant", GRANT_MAX) if key is not None else None
    documents = Documents(
        manifest=_read(folder, "manifest", MANIFEST_MAX),
        snapshot=_read(folder, "snapshot", SNAPSHOT_MAX),
        signed_time=_read(folder, "timestamp", SIGNED_TIME_MAX),
        grant=grant,
        part=_read(folder, "part", PART_MAX) if key is not None and (folder / "part").exists() else None,
    )
    recipient, agreement = _expected(grant, key)
    roots: list[bytes] = []
    if (folder / "root").exists():
        roots = _roots(_read(folder, "root", ROOT_MAX * 16))
    policy = Policy(
        trust=trust,
        publisher=_publisher(documents.manifest),
        now=now or datetime.now(UTC),
        recipient=recipient,
        agreement=agreement,
        roots=roots,
    )
    verifier = BundleVerifier(policy)
    yield from verifier.documents(documents)
    if key is None:
        for segment in verifier.manifest.segments:
            data = _read(folder, segment.sha256.hex(), SEGMENT_OBJECT_MAX)
            check_stored(data, digest=segment.sha256, size_bytes=segment.size_bytes)
        yield VerificationStep.SEGMENT_DIGEST
        return
    for content, listed in ((verifier.content(), verifier.manifest), (verifier.part_content(), verifier.part)):
        if content is not None and listed is not None:
            for _ in verified(content, range(len(listed.segments)), partial(_segment, folder, listed)):
                pass
            content.finish()
    yield from SEGMENT_STEPS


def _read(folder: Path, name: str, limit_bytes: int) -> bytes:
    """Return a file of at most `limit_bytes`; names are our own words or digests, never paths from a document."""
    step = VerificationStep.SEGMENT_DIGEST if limit_bytes == SEGMENT_OBJECT_MAX else DOCUMENT_STEPS[0]
    try:
        with (folder / name).open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as err:
        raise rejected(step, f"{name} cannot be read") from err
    if len(data) > limit_bytes:
        raise rejected(step, f"{name} is above its cap")
    return data


def _segment(folder: Path, listed: Manifest | Part, index: int) -> bytes:
    return _read(folder, listed.segments[index].sha256.hex(), SEGMENT_OBJECT_MAX)


def _roots(data: bytes) -> list[bytes]:
    try:
        return list(decode(RootChain, data).roots)
    except PlatformError as err:
        raise rejected(VerificationStep.ENVELOPE, "the chain of roots is malformed") from err


def _publisher(envelope: bytes) -> str:
    """Return who the manifest says it is of; that counts only because the trust root's keys signed it."""
    try:
        return decode(Manifest, dsse.parse(envelope).payload).publisher
    except PlatformError:  # which check it fails is said when its turn comes
        return ""


def _expected(envelope: bytes | None, key: PrivateKey | None) -> tuple[Recipient | None, ExpectedAgreement]:
    """Return the recipient and agreement that a grant names: away from the platform nobody else knows them."""
    if envelope is None or key is None:
        return None, ExpectedAgreement()
    try:
        terms = decode(GrantTerms, decode(GrantMessage, dsse.parse(envelope).payload).terms)
    except PlatformError:  # which check it fails is said when its turn comes
        terms = GrantTerms()
    return Recipient(terms.recipient, key), ExpectedAgreement(terms.agreement, terms_sha256=terms.terms_sha256)
