"""A publisher in memory: makes real bundles, and the forged ones that the verifier has to refuse."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from memporium.transfer.v1.bundle_pb2 import BundleKind, GrantTerms, SignedTime, Snapshot, SnapshotEntry, Suite
from memporium_platform.bundle import dsse, grants
from memporium_platform.bundle.documents import (
    GRANT_TYPE,
    MANIFEST_TYPE,
    SIGNED_TIME_TYPE,
    SNAPSHOT_TYPE,
    Documents,
    stamp,
)
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from memporium_platform.bundle.keys import LineSecret
from memporium_platform.bundle.verifier import BundleVerifier, Policy
from memporium_platform.bundle.writer import BundleIdentity, BundleWriter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUBLISHER = "orgs/press"
READER = "orgs/reader"
AGREEMENT = "orgs/press/agreements/a1"
TERMS = "ab" * 32
SUITE = Suite.SUITE_MCB1_ED25519_X25519_AES256GCM


def secret(label: str) -> bytes:
    """Return 32 bytes that are the same in every run."""
    return sha256(label.encode()).digest()


SIGNER = Ed25519PrivateKey.from_private_bytes(secret("signer"))
READER_KEY = X25519PrivateKey.from_private_bytes(secret("reader"))


def tensor_file(tensors: dict[str, list[float]] | None = None) -> bytes:
    """Return a safetensors file of float32 vectors."""
    header, data = {}, b""
    for name, numbers in (tensors or {"layer.0": [0.5, -1.0, 2.0]}).items():
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": [len(numbers)], "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@dataclass
class Sealed:
    """A bundle as it lies in a store: envelopes, objects by name, and what made it."""

    manifest: bytes
    objects: dict[str, bytes]
    bundle_key: bytes
    identity: BundleIdentity


@dataclass
class Publisher:
    """Seals bundles, and signs what goes with them."""

    signers: list[Ed25519PrivateKey] = field(default_factory=lambda: [SIGNER])
    name: str = PUBLISHER
    line_secret: bytes = field(default_factory=lambda: secret("line"))

    def seal(
        self,
        records: list[bytes],
        blobs: list[bytes] = (),  # type: ignore[assignment]
        *,
        number: int = 1,
        kind: BundleKind.ValueType = BundleKind.BUNDLE_KIND_RELEASE,
        bundle: str = "",
        **identity,
    ) -> Sealed:
        """Return a sealed bundle."""
        bundle_key = secret(f"bundle {number} {bundle}")
        writer, objects = BundleWriter(LineSecret(self.line_secret), bundle_key), {}
        made = [segment for record in records for segment in writer.add_record(record)]
        made += writer.end_records()
        for blob in blobs:
            writer.begin_tensors(sha256(blob).hexdigest())
            made += writer.add_tensors(blob)
            made += writer.end_tensors()
        objects = {segment.sha256.hex(): bytes(segment.data) for segment in made}
        who = BundleIdentity(
            kind=kind,
            bundle=bundle or f"{self.name}/bundles/b{number}",
            publisher=self.name,
            line=f"{self.name}/listings/l",
            version=f"1.{number}.0",
            number=number,
            create_time=NOW,
            terms_sha256=TERMS,
        )
        who = replace(who, **identity)
        manifest = dsse.sign(writer.manifest(who, cube_count=len(records)), MANIFEST_TYPE, self.signers)
        return Sealed(manifest, objects, bundle_key, who)

    def snapshot(self, bundles: list[Sealed], *, number: int = 1, epoch: int = 0, **more) -> bytes:
        """Return the envelope of a snapshot over `bundles`."""
        entries = [
            SnapshotEntry(
                bundle=sealed.identity.bundle,
                line=sealed.identity.line,
                number=sealed.identity.number,
                manifest_sha256=payload_digest(sealed.manifest),
            )
            for sealed in bundles
        ]
        snapshot = Snapshot(
            format="MCB1",
            publisher=self.name,
            number=number,
            create_time=stamp(NOW),
            entries=entries,
            revocation_epoch=epoch,
            **more,
        )
        return dsse.sign(snapshot.SerializeToString(), SNAPSHOT_TYPE, self.signers)

    def signed_time(self, snapshot: bytes, *, number: int = 1, life_s: int = 3600, **more) -> bytes:
        """Return the envelope of a signed time over a snapshot's envelope."""
        inner = Snapshot.FromString(dsse.parse(snapshot).payload)
        values = {
            "format": "MCB1",
            "publisher": self.name,
            "number": number,
            "create_time": stamp(NOW),
            "expire_time": stamp(NOW + timedelta(seconds=life_s)),
            "snapshot_sha256": payload_digest(snapshot),
            "snapshot_number": inner.number,
        }
        return dsse.sign(SignedTime(**(values | more)).SerializeToString(), SIGNED_TIME_TYPE, self.signers)

    def grant(self, sealed: Sealed, *, key: X25519PrivateKey = READER_KEY, bundle_key: bytes = b"", **more) -> bytes:
        """Return the envelope of a grant of `sealed`."""
        public = key.public_key()
        values = {
            "format": "MCB1",
            "suite": SUITE,
            "grant_id": "g1",
            "manifest_sha256": payload_digest(sealed.manifest),
            "publisher": self.name,
            "recipient": READER,
            "recipient_key_id": grants.recipient_key_id(public),
            "agreement": AGREEMENT,
            "terms_sha256": TERMS,
            "start_time": stamp(NOW - timedelta(days=1)),
            "end_time": stamp(NOW + timedelta(days=1)),
        }
        payload = grants.seal(GrantTerms(**(values | more)), bundle_key or sealed.bundle_key, public)
        return dsse.sign(payload, GRANT_TYPE, self.signers)

    def documents(self, sealed: Sealed, others: list[Sealed] = ()) -> Documents:  # type: ignore[assignment]
        """Return everything that goes with `sealed`, fresh."""
        snapshot = self.snapshot([sealed, *others])
        return Documents(sealed.manifest, snapshot, self.signed_time(snapshot), self.grant(sealed))


def payload_digest(envelope: bytes) -> bytes:
    """Return SHA-256 of an envelope's payload."""
    return sha256(dsse.parse(envelope).payload).digest()


def policy(**changes) -> Policy:
    """Return the reader's policy, with changes."""
    values = {
        "trust": dsse.TrustRoot.of([SIGNER.public_key()]),
        "publisher": PUBLISHER,
        "now": NOW,
        "recipient": Recipient(READER, READER_KEY),
        "agreement": ExpectedAgreement(AGREEMENT, active=True, terms_sha256=TERMS),
    }
    return Policy(**(values | changes))


def load(documents: Documents, objects: dict[str, bytes], held_against: Policy | None = None) -> list[bytes]:
    """Verify a whole bundle; return the contents of its segments, released only at the end."""
    verifier = BundleVerifier(held_against or policy())
    list(verifier.documents(documents))
    content = verifier.content()
    quarantine = [
        content.segment(index, objects[segment.sha256.hex()])
        for index, segment in enumerate(verifier.manifest.segments)
    ]
    content.finish()
    return quarantine
