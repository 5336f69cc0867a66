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
)
from memporium_platform.errors import PlatformError, Reason
from support.bundles import (
    Publisher,
    secret,
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
