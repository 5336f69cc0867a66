"""The whole verification of a bundle, without I/O, in its fixed order (`steps.VerificationStep`).

The rules:

1. The documents are verified first (`BundleVerifier`): SIZE_CAPS, ENVELOPE, TRUST_ROOT, PAYLOAD, FRESHNESS, SNAPSHOT,
   GRANT, KEY. Each check is made for all documents before the next one begins. Roots are followed at TRUST_ROOT.
2. Then each segment (`content.ContentVerifier`): SEGMENT_DIGEST, DECRYPTION, DECOMPRESSION, STREAM_DIGEST, FORMAT. The
   segments of a stream come in order; the streams may come in any. A segment may be opened, by the first three, while
   the one before is checked by the others (`pipeline`).
3. The first failure ends all.
4. Content is in quarantine until `ContentVerifier.finish` has returned: nothing of it is made visible before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import Grant, GrantTerms, Manifest, Part, SignedTime, Snapshot, Suite
from memporium_platform.bundle import dsse, freshness, grants
from memporium_platform.bundle.content import ContentVerifier
from memporium_platform.bundle.documents import (
    GRANT_TYPE,
    MANIFEST_TYPE,
    PART_TYPE,
    SIGNED_TIME_TYPE,
    SNAPSHOT_TYPE,
    SUITES,
    Documents,
    check_manifest,
    check_part,
    decode,
    digest_of,
    moment,
    payload,
)
from memporium_platform.bundle.freshness import Seen
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from memporium_platform.bundle.keys import BundleKey
from memporium_platform.bundle.limits import GRANT_MAX, MANIFEST_MAX, PART_MAX, SIGNED_TIME_MAX, SNAPSHOT_MAX
from memporium_platform.bundle.roots import follow
from memporium_platform.bundle.steps import VerificationStep, require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

Step = VerificationStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a bundle is held against.

    Attributes:
        trust: The publisher's trust root.
        publisher: `orgs/{org}` of the publisher.
        now: The time.
        bundle: The bundle's name; "": any of the publisher's.
        recipient: Who opens it; None: only the outside is verified, up to SEGMENT_DIGEST.
        agreement: The recipient's agreement.
        seen: The highest numbers met so far.
        newest: True where the newest bundle of its line was asked for.
        suites: The suites that are allowed.
        roots: Later roots of the publisher, which are followed from `trust`, the first one.
    """

    trust: dsse.TrustRoot
    publisher: str
    now: datetime
    bundle: str = ""
    recipient: Recipient | None = None
    agreement: ExpectedAgreement = field(default_factory=ExpectedAgreement)
    seen: Seen = field(default_factory=Seen)
    newest: bool = False
    suites: AbstractSet[int] = SUITES
    roots: Sequence[bytes] = ()


class BundleVerifier:
    """Verifies one bundle: `documents`, then `segment` for each, then `finish`."""

    def __init__(self, policy: Policy) -> None:
        """Begin a verification."""
        self._policy = policy
        self._manifest: Manifest | None = None
        self._manifest_sha256 = b""
        self._seen = policy.seen
        self._key: BundleKey | None = None
        self._part: Part | None = None
        self._part_key: BundleKey | None = None

    @property
    def part(self) -> Part | None:
        """The verified part, or None where the grant names none."""
        return self._part

    @property
    def manifest(self) -> Manifest:
        """The verified manifest."""
        if self._manifest is None:
            raise RuntimeError("the documents are not verified")
        return self._manifest

    @property
    def manifest_sha256(self) -> bytes:
        """SHA-256 of the manifest's bytes."""
        return self._manifest_sha256

    @property
    def seen(self) -> Seen:
        """What to remember once the documents are verified."""
        return self._seen

    def documents(self, documents: Documents) -> Iterator[VerificationStep]:
        """Verify the documents; yield each check that was passed.

        Consume it to the end: only then are `manifest` and `content` there.

        Raises:
            PlatformError: BUNDLE_REJECTED at the check that failed.
        """
        policy = self._policy
        received = {
            "manifest": (documents.manifest, MANIFEST_MAX),
            "snapshot": (documents.snapshot, SNAPSHOT_MAX),
            "signed time": (documents.signed_time, SIGNED_TIME_MAX),
        }
        if policy.recipient is not None:
            require(documents.grant is not None, Step.GRANT, "there is no grant")
            received["grant"] = (documents.grant or b"", GRANT_MAX)
            if documents.part is not None:
                received["part"] = (documents.part, PART_MAX)
        for name, (data, cap) in received.items():
            require(len(data) <= cap, Step.SIZE_CAPS, f"the {name} is above its cap")
        yield Step.SIZE_CAPS
        envelopes = {name: dsse.parse(data) for name, (data, _cap) in received.items()}
        yield Step.ENVELOPE
        trust, _ = follow(policy.trust, policy.roots, publisher=policy.publisher)
        for envelope in envelopes.values():
            dsse.verify(envelope, trust)
        yield Step.TRUST_ROOT
        manifest = payload(envelopes["manifest"], MANIFEST_TYPE, Manifest)
        snapshot = payload(envelopes["snapshot"], SNAPSHOT_TYPE, Snapshot)
        signed = payload(envelopes["signed time"], SIGNED_TIME_TYPE, SignedTime)
        check_manifest(manifest)
        require(manifest.suite in policy.suites, Step.PAYLOAD, "the suite is not allowed here")
        doubled = manifest.suite != Suite.SUITE_MCB1_HYBRID_AES256GCM or trust.hybrid
        require(doubled, Step.PAYLOAD, "the suite demands two signatures, and the trusted keys have one half")
        grant = terms = part = None
        if policy.recipient is not None:
            grant = payload(envelopes["grant"], GRANT_TYPE, Grant)
            terms = decode(GrantTerms, grant.terms)
            if "part" in envelopes:
                part = payload(envelopes["part"], PART_TYPE, Part)
                check_part(part)
        yield Step.PAYLOAD
        freshness.check_signed_time(
            signed, envelopes["snapshot"].payload, publisher=policy.publisher, seen=policy.seen, now=policy.now
        )
        expires = manifest.HasField("expire_time")
        require(not expires or policy.now < moment(manifest.expire_time), Step.FRESHNESS, "the bundle is over")
        yield Step.FRESHNESS
        digest = digest_of(envelopes["manifest"].payload)
        require(manifest.publisher == policy.publisher, Step.SNAPSHOT, "the bundle is another publisher's")
        require(policy.bundle in {"", manifest.bundle}, Step.SNAPSHOT, "another bundle than asked for")
        freshness.check_snapshot(
            snapshot, signed, manifest, manifest_sha256=digest, seen=policy.seen, newest=policy.newest
        )
        yield Step.SNAPSHOT
        if policy.recipient is not None and grant is not None and terms is not None:
            grants.check(
                terms,
                manifest=manifest,
                manifest_sha256=digest,
                snapshot=snapshot,
                recipient=policy.recipient,
                agreement=policy.agreement,
                now=policy.now,
            )
            part_bytes = envelopes["part"].payload if part is not None else b""
            grants.check_part(part, part_bytes, terms=terms, manifest=manifest, manifest_sha256=digest)
            yield Step.GRANT
            bundle_key, part_key = grants.open_keys(grant, terms, policy.recipient)
            self._key = BundleKey(bundle_key)
            self._part, self._part_key = part, BundleKey(part_key) if part_key else None
            yield Step.KEY
        self._manifest, self._manifest_sha256 = manifest, digest
        self._seen = Seen(
            signed_time=signed.number,
            snapshot=snapshot.number,
            revocation_epoch=snapshot.revocation_epoch,
            line=max(policy.seen.line, manifest.number),
        )

    def content(self) -> ContentVerifier:
        """Return what verifies the manifest's segments, once the documents are verified and the key is open."""
        if self._key is None:
            raise RuntimeError("the bundle's key is not open")
        return ContentVerifier(self.manifest, self._key)

    def part_content(self) -> ContentVerifier | None:
        """Return what verifies the part's segments; None where there is no part."""
        if self._part is None or self._part_key is None:
            return None
        return ContentVerifier(self._part, self._part_key)
