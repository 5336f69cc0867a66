"""Fuzzers over everything that reads bytes of others: they raise what they say they raise, and nothing else.

A few examples in every run, more with `make explore`; `MEMPORIUM_FUZZ_MINUTES=10 pytest tests/unit/bundle/test_fuzz.py`
shares so many minutes out among the fuzzers.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memporium.transfer.v1.bundle_pb2 import Grant, Manifest, Part, Root, SignedTime, Snapshot
from memporium.transfer.v1.record_pb2 import RecordBatch
from memporium.verify.bundle.documents import BundleRefusedError
from memporium.verify.bundle.safetensors import TensorFile
from memporium_platform.bundle import chunked, dsse, roots
from memporium_platform.bundle.compression import DecompressionError, compress, decompress
from memporium_platform.bundle.documents import (
    GRANT_TYPE,
    MANIFEST_TYPE,
    PART_TYPE,
    SIGNED_TIME_TYPE,
    SNAPSHOT_TYPE,
    Documents,
)
from memporium_platform.bundle.reading import RecordOrder, read
from memporium_platform.bundle.records import RecordError, delimited
from memporium_platform.bundle.tensors import TensorFileCheck, TensorFileError
from memporium_platform.errors import PlatformError, Reason
from support.bundle_attacks import RECORDS, press
from support.bundles import NOW, PUBLISHER, SIGNER, load, tensor_file
from support.exploring import examples

MINUTES = float(os.environ.get("MEMPORIUM_FUZZ_MINUTES", "0"))
FUZZERS = 8
EXAMPLES = 60

pytestmark = pytest.mark.hypothesis


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return `data` with a few things changed: bytes, runs, lengths, order."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << draw.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = draw.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            out[at:at] = draw.randbytes(draw.randint(1, 9))
        elif kind == 3:
            del out[at : at + draw.randint(1, 9)]
        elif kind == 4:
            del out[at:]
        elif kind == 5:
            end = min(len(out), at + draw.randint(1, 40))
            out[at:at] = out[at:end]
        else:
            other = draw.randrange(len(out) + 1)
            start, end = min(at, other), max(at, other)
            out = out[:start] + out[end:] + out[start:end]
    return bytes(out)


def fuzz(check) -> None:
    """Run `check(draw)` on many seeds: a few, or for its share of the minutes."""
    if MINUTES:
        until, seed = time.monotonic() + MINUTES * 60 / FUZZERS, int.from_bytes(os.urandom(6))
        while time.monotonic() < until:
            check(random.Random(seed))
            seed += 1
        return

    @settings(max_examples=examples(EXAMPLES), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 62))
    def run(seed):
        check(random.Random(seed))

    run()


def refused(documents: Documents, objects) -> None:
    """Demand that a bundle is loaded whole or refused in the right way."""
    try:
        load(documents, objects)
    except PlatformError as error:
        assert error.reason is Reason.BUNDLE_REJECTED
        assert error.metadata["step"]


SEALED = press.with_part(press.seal(RECORDS, [tensor_file()], part_cube_count=1), RECORDS[:1])
DOCUMENTS = press.documents(SEALED)
PAYLOADS = {
    "manifest": (Manifest, MANIFEST_TYPE),
    "snapshot": (Snapshot, SNAPSHOT_TYPE),
    "signed_time": (SignedTime, SIGNED_TIME_TYPE),
    "grant": (Grant, GRANT_TYPE),
    "part": (Part, PART_TYPE),
}


def test_envelopes():
    """What lies in the store, changed by somebody without a key."""

    def check(draw):
        field = draw.choice(list(PAYLOADS))
        refused(replace(DOCUMENTS, **{field: mutated(getattr(DOCUMENTS, field), draw)}), SEALED.objects)

    fuzz(check)


def test_payloads():
    """What a lying publisher signs."""

    def check(draw):
        field = draw.choice(list(PAYLOADS))
        _, kind = PAYLOADS[field]
        payload = mutated(dsse.parse(getattr(DOCUMENTS, field)).payload, draw)
        if payload:
            refused(replace(DOCUMENTS, **{field: dsse.sign(payload, kind, press.signers)}), SEALED.objects)

    fuzz(check)


def test_terms_of_grants():
    def check(draw):
        grant = Grant.FromString(dsse.parse(DOCUMENTS.grant).payload)
        grant.terms = mutated(grant.terms, draw)
        forged = dsse.sign(grant.SerializeToString(), GRANT_TYPE, press.signers)
        refused(replace(DOCUMENTS, grant=forged), SEALED.objects)

    fuzz(check)


def test_segments():
    def check(draw):
        name = draw.choice(list(SEALED.objects))
        changed = mutated(SEALED.objects[name], draw)
        refused(DOCUMENTS, SEALED.objects | {name: changed})
        message = bytes(chunked.seal(bytes(32), b"x" * draw.randint(0, 40_000), salt=bytes(24)))
        try:
            chunked.open_sealed(bytes(32), mutated(message, draw))
        except chunked.ChunkedDecryptionError:
            return

    fuzz(check)


def test_frames():
    def check(draw):
        content = draw.randbytes(10) * draw.randint(1, 200)
        try:
            out = decompress(mutated(compress(content), draw), limit_bytes=4096)
        except DecompressionError:
            return
        assert len(out) <= 4096

    fuzz(check)


def test_records():
    content = b"".join(map(delimited, RECORDS))

    def check(draw):
        data = mutated(content, draw)
        try:
            names = [name for some in RecordOrder().segment(data, {}) for name in some]
        except RecordError:
            return
        # What was accepted says nothing but what was read.
        batch = RecordBatch(records=read(data))
        assert batch.ByteSize() == len(data)
        assert names == RecordOrder().take(batch, {})

    fuzz(check)


def test_tensor_files_and_both_readers_of_them():
    files = [tensor_file(), tensor_file({"a": [1.0] * 40, "b": [], "c": [-0.5]})]

    def check(draw):
        data, verdicts = mutated(draw.choice(files), draw), []
        piece = draw.choice([1, 7, 64, 1 << 20])
        for reader, error in (
            (TensorFileCheck(size_limit=1 << 20), TensorFileError),
            (TensorFile(), BundleRefusedError),
        ):
            try:
                for start in range(0, len(data), piece):
                    reader.feed(data[start : start + piece])
                reader.finish()
                verdicts.append("")
            except error:
                verdicts.append("refused")
        assert len(set(verdicts)) == 1, data

    fuzz(check)


def test_roots():
    trusted = dsse.TrustRoot.of([SIGNER.public_key()])
    key = dsse.SigningKey(SIGNER)
    chain = [roots.make_root(PUBLISHER, number, [key], before=[key], create_time=NOW) for number in (1, 2)]

    def check(draw):
        payload = mutated(dsse.parse(chain[1]).payload, draw)
        forged = (
            dsse.sign(payload, roots.ROOT_TYPE, [key]) if draw.random() < 0.5 and payload else mutated(chain[1], draw)
        )
        try:
            trust, number = roots.follow(trusted, [chain[0], forged], publisher=PUBLISHER)
        except PlatformError as error:
            assert error.reason is Reason.BUNDLE_REJECTED
            return
        assert number <= 2
        assert trust.keys

    fuzz(check)


@pytest.mark.parametrize("kind", [Manifest, Part, Root])
def test_the_fuzzers_change_things(kind):
    draw = random.Random(1)
    assert len({mutated(kind.DESCRIPTOR.full_name.encode(), draw) for _ in range(50)}) > 40
