"""A publisher in memory: makes real bundles, and the forged ones that the verifier has to refuse."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from memporium.transfer.v1.bundle_pb2 import (
    BundleKind,
    GrantTerms,
    PartKind,
    SignedTime,
    Snapshot,
    SnapshotEntry,
    Suite,
)
from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium_platform.bundle import dsse, grants
from memporium_platform.bundle.documents import (
    GRANT_TYPE,
    MANIFEST_TYPE,
    PART_TYPE,
    SIGNED_TIME_TYPE,
    SNAPSHOT_TYPE,
    Documents,
    stamp,
)
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from memporium_platform.bundle.keys import LineSecret
from memporium_platform.bundle.limits import SegmentSizes
from memporium_platform.bundle.pipeline import verified
from memporium_platform.bundle.recipients import PrivateKey, recipient_key_id, suite_of
from memporium_platform.bundle.records import cube_name
from memporium_platform.bundle.verifier import BundleVerifier, Policy
from memporium_platform.bundle.writer import BundleIdentity, BundleWriter, PartIdentity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUBLISHER = "orgs/press"
READER = "orgs/reader"
AGREEMENT = "orgs/press/agreements/a1"
TERMS = "ab" * 32
SUITE = Suite.SUITE_MCB1_ED25519_X25519_AES256GCM
HYBRID = Suite.SUITE_MCB1_HYBRID_AES256GCM
# Small enough that a few kilobytes make several segments.
SMALL = SegmentSizes(least=256, target=1024, most=4096)


def secret(label: str) -> bytes:
    """Return 32 bytes that are the same in every run."""
    return sha256(label.encode()).digest()


SIGNER = Ed25519PrivateKey.from_private_bytes(secret("signer"))
READER_KEY = X25519PrivateKey.from_private_bytes(secret("reader"))


def text_record(name: str, text: str) -> bytes:
    """Return the record of a cube with a text."""
    record = BundleRecord()
    record.cube.cube.name = f"{PUBLISHER}/vaults/v/cubes/{name}"
    record.cube.cube.payload.plaintext.document.text = text
    return record.SerializeToString()


def tensor_record(blob: bytes) -> bytes:
    """Return the record of a cube with a tensor file."""
    record = BundleRecord()
    digest = sha256(blob).hexdigest()
    record.cube.cube.name = f"{PUBLISHER}/vaults/v/cubes/t{digest[:12]}"
    record.cube.cube.payload.parameter.blob.sha256 = digest
    record.cube.cube.payload.parameter.blob.size_bytes = len(blob)
    return record.SerializeToString()


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
    part: bytes | None = None
    part_key: bytes = b""


@dataclass
class Publisher:
    """Seals bundles, and signs what goes with them."""

    signers: list[Ed25519PrivateKey | dsse.SigningKey] = field(default_factory=lambda: [SIGNER])
    name: str = PUBLISHER
    line_secret: bytes = field(default_factory=lambda: secret("line"))
    sizes: SegmentSizes | None = None

    def write(self, writer: BundleWriter, records: list[bytes], blobs: list[bytes]) -> dict[str, bytes]:
        """Write records, a record for each blob, and the blobs; return the objects."""
        records = [*records, *map(tensor_record, blobs)]
        made = [segment for record in records for segment in writer.add_record(record, cube=cube_name(record))]
        made += writer.end_records()
        for blob in blobs:
            writer.begin_tensors(sha256(blob).hexdigest())
            made += writer.add_tensors(blob)
            made += writer.end_tensors()
        return {segment.sha256.hex(): bytes(segment.data) for segment in made}

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
        writer = BundleWriter(LineSecret(self.line_secret), bundle_key, sizes=self.sizes)
        objects = self.write(writer, records, list(blobs))
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
        manifest = dsse.sign(writer.manifest(who), MANIFEST_TYPE, self.signers)
        return Sealed(manifest, objects, bundle_key, who)

    def with_part(self, sealed: Sealed, records: list[bytes], blobs: list[bytes] = (), **identity) -> Sealed:  # type: ignore[assignment]
        """Return a sealed bundle with a part of the reader's own."""
        values = {
            "kind": PartKind.PART_KIND_RECIPIENT,
            "publisher": self.name,
            "manifest_sha256": payload_digest(sealed.manifest),
            "recipient": READER,
            "agreement": AGREEMENT,
            "mark_commitment": secret("marks"),
            "suite": sealed.identity.suite,
            "create_time": NOW,
        }
        part_key = secret(f"part of {values['recipient']}")
        writer = BundleWriter(LineSecret(secret("part line")), part_key, sizes=self.sizes)
        objects = self.write(writer, records, list(blobs))
        part = dsse.sign(writer.part(PartIdentity(**(values | identity))), PART_TYPE, self.signers)
        return replace(sealed, objects=sealed.objects | objects, part=part, part_key=part_key)

    def snapshot(self, bundles: list[Sealed], *, number: int = 1, epoch: int = 0, **more) -> bytes:
        """Return the envelope of a snapshot over `bundles`."""
        entries = [
            SnapshotEntry(
                bundle=sealed.identity.bundle,
                line=sealed.identity.line,
                number=sealed.identity.number,
                manifest_sha256=payload_digest(sealed.manifest),
                terms_sha256=sealed.identity.terms_sha256,
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

    def grant(self, sealed: Sealed, *, key: PrivateKey = READER_KEY, keys: bytes = b"", **more) -> bytes:
        """Return the envelope of a grant of `sealed`."""
        public = key.public_key()
        values = {
            "format": "MCB1",
            "suite": suite_of(key),
            "grant_id": "g1",
            "manifest_sha256": payload_digest(sealed.manifest),
            "publisher": self.name,
            "recipient": READER,
            "recipient_key_id": recipient_key_id(public),
            "agreement": AGREEMENT,
            "terms_sha256": TERMS,
            "start_time": stamp(NOW - timedelta(days=1)),
            "end_time": stamp(NOW + timedelta(days=1)),
            "part_sha256": payload_digest(sealed.part) if sealed.part else b"",
        }
        payload = grants.seal(GrantTerms(**(values | more)), keys or sealed.bundle_key + sealed.part_key, public)
        return dsse.sign(payload, GRANT_TYPE, self.signers)

    def documents(self, sealed: Sealed, others: list[Sealed] = (), *, key: PrivateKey = READER_KEY) -> Documents:  # type: ignore[assignment]
        """Return everything that goes with `sealed`, fresh."""
        snapshot = self.snapshot([sealed, *others])
        grant = self.grant(sealed, key=key)
        return Documents(sealed.manifest, snapshot, self.signed_time(snapshot), grant, sealed.part)


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
    quarantine: list[bytes] = []
    for content, listed in ((verifier.content(), verifier.manifest), (verifier.part_content(), verifier.part)):
        if content is None:
            continue
        names = [segment.sha256.hex() for segment in listed.segments]
        contents = verified(content, range(len(names)), lambda index, names=names: objects[names[index]])
        quarantine.extend(bytes(one) for one in contents)
        content.finish()
    return quarantine
