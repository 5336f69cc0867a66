"""The whole verification of a bundle, without I/O: documents, then segments, in the order of the specification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from memporium.transfer.v1 import bundle_pb2 as pb
from memporium.verify.bundle import documents as docs
from memporium.verify.bundle.contents import check_manifest, check_part
from memporium.verify.bundle.documents import BundleRefusedError, demand
from memporium.verify.bundle.segments import SegmentCheck, outside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

_KEY = 32
_HYBRID_KEY = 96
STEPS = (
    "SIZE_CAPS",
    "ENVELOPE",
    "TRUST_ROOT",
    "PAYLOAD",
    "FRESHNESS",
    "SNAPSHOT",
    "GRANT",
    "KEY",
    "SEGMENT_DIGEST",
    "DECRYPTION",
    "DECOMPRESSION",
    "STREAM_DIGEST",
    "FORMAT",
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a bundle is held against.

    Attributes:
        trust: Keys of the publisher's first root, which came by another way than the bundle.
        now: The time.
        key: The recipient's private key: 32 bytes (X25519), or 96 (ML-KEM-768 seed, X25519); b"": outside only.
        roots: The publisher's chain of roots.
    """

    trust: docs.Trust
    now: datetime
    key: bytes = b""
    roots: Sequence[bytes] = ()


class BundleCheck:
    """One verification: `documents`, then every segment of `wanted` in that order, then `finish`."""

    def __init__(self, question: Question) -> None:
        """Begin."""
        self._question = question
        self._listed: list[pb.Manifest | pb.Part] = []
        self._opened: list[SegmentCheck] = []
        self._taken = 0

    def documents(self, received: Mapping[str, bytes]) -> Iterator[str]:
        """Make the checks 1 to 8; yield each that was passed. Consume it to the end.

        Args:
            received: Envelopes: `manifest`, `snapshot`, `timestamp`; with a key `grant`, and `part` if there is one.

        Raises:
            BundleRefusedError: At the check that failed.
        """
        question = self._question
        names = ["manifest", "snapshot", "timestamp", *(["grant"] if question.key else [])]
        if question.key and "part" in received:
            names.append("part")
        demand(set(names) <= received.keys(), "SIZE_CAPS", "a document is missing")
        envelopes = docs.envelopes({name: received[name] for name in names})
        yield "SIZE_CAPS"
        yield "ENVELOPE"
        trust = docs.follow_roots(question.trust, question.roots, _claimed_publisher(envelopes["manifest"]))
        for envelope in envelopes.values():
            docs.signed(envelope, trust)
        yield "TRUST_ROOT"
        manifest = docs.payload(envelopes["manifest"], "manifest", pb.Manifest)
        snapshot = docs.payload(envelopes["snapshot"], "snapshot", pb.Snapshot)
        clock = docs.payload(envelopes["timestamp"], "signed-time", pb.SignedTime)
        check_manifest(manifest)
        doubled = all(key.mldsa65 for key in trust.keys) or manifest.suite != pb.SUITE_MCB1_HYBRID_AES256GCM
        demand(doubled, "PAYLOAD", "the suite demands keys of two halves")
        grant, terms, part = self._granted(envelopes)
        yield "PAYLOAD"
        docs.fresh(clock, envelopes["snapshot"].payload, manifest, question.now)
        yield "FRESHNESS"
        digest = docs.sha256(envelopes["manifest"].payload)
        docs.in_snapshot(snapshot, clock, manifest, digest)
        yield "SNAPSHOT"
        self._listed = [manifest]
        if grant is None or terms is None:
            return
        demand(terms.agreement not in snapshot.revoked_agreements, "GRANT", "the agreement is revoked")
        demand(0 <= terms.revocation_epoch <= snapshot.revocation_epoch, "GRANT", "an epoch of the future")
        part_bytes = envelopes["part"].payload if part is not None else b""
        docs.granted(terms, part, part_bytes, manifest, digest, question.now)
        opener = _Opener(question.key)
        demand((terms.suite, terms.recipient_key_id) == (opener.suite, opener.key_id), "GRANT", "for another key")
        yield "GRANT"
        keys = opener.open(grant)
        demand(len(keys) == (2 * _KEY if part is not None else _KEY), "KEY", "a key of another length")
        self._listed += [part] if part is not None else []
        self._opened = [SegmentCheck(one, keys[n * _KEY :][:_KEY]) for n, one in enumerate(self._listed)]
        yield "KEY"

    def _granted(
        self, envelopes: Mapping[str, pb.Envelope]
    ) -> tuple[pb.Grant | None, pb.GrantTerms | None, pb.Part | None]:
        if "grant" not in envelopes:
            return None, None, None
        grant = docs.payload(envelopes["grant"], "grant", pb.Grant)
        terms, part = docs.message(pb.GrantTerms, grant.terms, "PAYLOAD"), None
        if "part" in envelopes:
            part = docs.payload(envelopes["part"], "part", pb.Part)
            check_part(part)
        return grant, terms, part

    def wanted(self) -> Iterator[str]:
        """Yield the names of the segments in the order in which `segment` takes them."""
        for listed in self._listed:
            for segment in listed.segments:
                yield segment.sha256.hex()

    def segment(self, data: bytes) -> None:
        """Make the checks 9 to 13 of the next segment, or without a key the ninth alone."""
        at = self._taken
        self._taken += 1
        for number, listed in enumerate(self._listed):
            if at < len(listed.segments):
                if self._opened:
                    self._opened[number].segment(data)
                else:
                    outside(listed.segments[at], data)
                return
            at -= len(listed.segments)
        raise BundleRefusedError("SEGMENT_DIGEST", "more segments than there are")

    def finish(self) -> Sequence[str]:
        """Demand that all was seen; return the checks that were made of the segments."""
        complete = self._taken == sum(len(listed.segments) for listed in self._listed)
        demand(complete, "STREAM_DIGEST" if self._opened else "SEGMENT_DIGEST", "a segment is missing")
        for opened in self._opened:
            opened.finish()
        return STEPS[8:] if self._opened else STEPS[8:9]


def _claimed_publisher(envelope: pb.Envelope) -> str:
    """Return who a manifest says it is of, before anything is known about it: only roots of that publisher count."""
    try:
        return docs.message(pb.Manifest, envelope.payload, "PAYLOAD").publisher
    except BundleRefusedError:
        return ""


class _Opener:
    """Opens grants by HPKE (section 5)."""

    def __init__(self, key: bytes) -> None:
        """Take a private key."""
        self._key: X25519PrivateKey | MLKEM768X25519PrivateKey
        if len(key) == _HYBRID_KEY:
            mlkem, x25519 = MLKEM768PrivateKey.from_seed_bytes(key[:64]), X25519PrivateKey.from_private_bytes(key[64:])
            self._key, self.suite = MLKEM768X25519PrivateKey(mlkem, x25519), pb.SUITE_MCB1_HYBRID_AES256GCM
            public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
            kem = KEM.MLKEM768_X25519
        else:
            plain = X25519PrivateKey.from_private_bytes(key)
            self._key, self.suite = plain, pb.SUITE_MCB1_ED25519_X25519_AES256GCM
            public, kem = plain.public_key().public_bytes_raw(), KEM.X25519
        self.key_id = docs.sha256(public).hex()
        self._suite = Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

    def open(self, grant: pb.Grant) -> bytes:
        """Return the keys in a grant."""
        try:
            info = b"memporium.transfer.v1/grant\x00" + grant.terms
            return bytes(self._suite.decrypt(grant.sealed_key, self._key, info=info))
        except (InvalidTag, ValueError):
            raise BundleRefusedError("KEY", "the key does not open") from None
