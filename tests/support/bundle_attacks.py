"""What the tests of attacks share: a publisher, a stranger, changed and signed documents, and the refusal."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memporium.transfer.v1.bundle_pb2 import Manifest
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import (
    MANIFEST_TYPE,
    Documents,
    merkle_root,
    place,
)
from memporium_platform.bundle.keys import BundleKey, LineSecret
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.segments import seal_segment
from memporium_platform.errors import PlatformError, Reason
from support.bundles import (
    Publisher,
    secret,
    tensor_file,
    text_record,
)

RECORDS = [text_record("one", "first memory"), text_record("two", "second memory")]
OTHER = Ed25519PrivateKey.from_private_bytes(secret("other"))
press = Publisher()


@contextmanager
def refused_at(step: str):
    """Expect a refusal at a step of verification."""
    with pytest.raises(PlatformError) as caught:
        yield
    assert caught.value.reason is Reason.BUNDLE_REJECTED
    assert caught.value.metadata == {"step": step}


def resigned(sealed, change, **more):
    """Return the documents of `sealed` with its manifest changed and honestly signed: a publisher that lies."""
    manifest = Manifest.FromString(dsse.parse(sealed.manifest).payload)
    change(manifest)
    envelope = dsse.sign(manifest.SerializeToString(), MANIFEST_TYPE, press.signers)
    return press.documents(replace(sealed, manifest=envelope), **more)


def with_snapshot(sealed, snapshot, *, number=1):
    """Return the documents of `sealed` beside another snapshot that is honestly dated."""
    return Documents(
        sealed.manifest, snapshot, press.signed_time(snapshot, snapshot_number=number), press.grant(sealed)
    )


def forge_segment(content: bytes, *, compressed: bool = True, tensors: bool = False, records: int | None = None):
    """Return a bundle whose publisher sealed `content` as it is, with everything else consistent."""
    sealed = press.seal(RECORDS, [tensor_file()] if tensors else [])
    segment = seal_segment(content, LineSecret(press.line_secret), compressed=compressed)
    objects = sealed.objects | {segment.sha256.hex(): bytes(segment.data)}

    def change(manifest):
        index = len(manifest.segments) - 1
        target, stream = manifest.segments[index], manifest.streams[-1]
        target.sha256, target.size_bytes = segment.sha256, len(segment.data)
        key = BundleKey(sealed.bundle_key)
        target.sealed_key = key.seal_segment_key(index, segment.key, place=place(index, target))
        digest = key.stream_digest(len(manifest.streams) - 1)
        digest.update(index, content)
        stream.digest, stream.padded_bytes = digest.digest(), padded_size(len(content))
        if records is not None:
            stream.record_count = records
        manifest.total_padded_bytes = sum(stream.padded_bytes for stream in manifest.streams)
        manifest.merkle_root = merkle_root(manifest.segments)

    return resigned(sealed, change), objects
