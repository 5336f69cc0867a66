"""Attacks on the documents of a bundle, each refused at the check that is there for it, with nothing released."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memporium.transfer.v1.bundle_pb2 import Envelope, EnvelopeSignature
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import (
    GRANT_TYPE,
    MANIFEST_TYPE,
    SNAPSHOT_TYPE,
)
from memporium_platform.bundle.limits import MANIFEST_MAX, NUMBER_MAX
from memporium_platform.bundle.steps import VerificationStep
from memporium_platform.bundle.verifier import BundleVerifier
from memporium_platform.errors import PlatformError, Reason
from support.bundle_attacks import OTHER, RECORDS, press, refused_at, resigned
from support.bundles import (
    SIGNER,
    Publisher,
    load,
    policy,
    tensor_file,
)


def test_an_honest_bundle_loads_and_every_step_is_passed_in_order():
    blob = tensor_file()
    sealed = press.seal(RECORDS, [blob])
    assert b"".join(load(press.documents(sealed), sealed.objects)).endswith(blob)
    passed = list(BundleVerifier(policy()).documents(press.documents(sealed)))
    assert passed == list(VerificationStep)[:8]


def test_an_empty_bundle_loads():
    sealed = press.seal([])
    assert load(press.documents(sealed), sealed.objects) == []


def test_endless_manifest():
    sealed = press.seal(RECORDS)
    with refused_at("SIZE_CAPS"):
        load(replace(press.documents(sealed), manifest=bytes(MANIFEST_MAX + 1)), sealed.objects)


def test_endless_grant():
    sealed = press.seal(RECORDS)
    with refused_at("SIZE_CAPS"):
        load(replace(press.documents(sealed), grant=bytes(1 << 20)), sealed.objects)


@pytest.mark.parametrize("field", ["manifest", "snapshot", "signed_time", "grant"])
def test_stripped_signature(field):
    sealed = press.seal(RECORDS)
    documents = press.documents(sealed)
    envelope = dsse.parse(getattr(documents, field))
    del envelope.signatures[:]
    with refused_at("ENVELOPE"):
        load(replace(documents, **{field: envelope.SerializeToString()}), sealed.objects)


def test_thousands_of_signatures():
    sealed = press.seal(RECORDS)
    envelope = dsse.parse(sealed.manifest)
    envelope.signatures.extend([envelope.signatures[0]] * 1000)
    with refused_at("ENVELOPE"):
        load(replace(press.documents(sealed), manifest=envelope.SerializeToString()), sealed.objects)


@pytest.mark.parametrize("field", ["manifest", "snapshot", "signed_time", "grant"])
def test_signed_by_somebody_else(field):
    sealed, stranger = press.seal(RECORDS), Publisher(signers=[OTHER])
    documents, forged = press.documents(sealed), stranger.documents(stranger.seal(RECORDS))
    with refused_at("TRUST_ROOT"):
        load(replace(documents, **{field: getattr(forged, field)}), sealed.objects)


def test_somebody_elses_signature_under_the_trusted_keys_id():
    sealed = press.seal(RECORDS)
    envelope = dsse.parse(sealed.manifest)
    message = dsse.pre_authentication_encoding(envelope.payload_type, envelope.payload)
    forged = EnvelopeSignature(sig=OTHER.sign(message), keyid=dsse.key_id(SIGNER.public_key()))
    envelope = Envelope(payload=envelope.payload, payload_type=envelope.payload_type, signatures=[forged])
    with refused_at("TRUST_ROOT"):
        load(replace(press.documents(sealed), manifest=envelope.SerializeToString()), sealed.objects)


def test_one_key_counted_twice():
    two_of_two = policy(trust=dsse.TrustRoot.of([SIGNER.public_key(), OTHER.public_key()], threshold=2))
    twice = Publisher(signers=[SIGNER, SIGNER])
    with refused_at("TRUST_ROOT"):
        load(twice.documents(twice.seal(RECORDS)), {}, two_of_two)


def test_two_keys_reach_a_threshold_of_two():
    two_of_two = policy(trust=dsse.TrustRoot.of([SIGNER.public_key(), OTHER.public_key()], threshold=2))
    both = Publisher(signers=[SIGNER, OTHER])
    sealed = both.seal(RECORDS)
    assert load(both.documents(sealed), sealed.objects, two_of_two)


@pytest.mark.parametrize("threshold", [0, 2])
def test_a_trust_root_that_nobody_or_everybody_satisfies_cannot_be_made(threshold):
    with pytest.raises(ValueError, match="threshold"):
        dsse.TrustRoot.of([SIGNER.public_key(), SIGNER.public_key()], threshold=threshold)


def test_a_document_in_the_place_of_another():
    sealed = press.seal(RECORDS)
    documents = press.documents(sealed)
    for field in ("manifest", "signed_time", "grant"):
        with refused_at("PAYLOAD"):
            load(replace(documents, **{field: documents.snapshot}), sealed.objects)


def test_a_manifest_signed_under_another_type():
    sealed = press.seal(RECORDS)
    forged = dsse.sign(dsse.parse(sealed.manifest).payload, GRANT_TYPE, press.signers)
    with refused_at("PAYLOAD"):
        load(replace(press.documents(sealed), manifest=forged), sealed.objects)


def test_unknown_fields_in_the_manifest():
    sealed = press.seal(RECORDS)
    payload = dsse.parse(sealed.manifest).payload
    for extra in (b"\xf8\x07\x01", b"\xfa\x07\x03abc"):
        forged = replace(sealed, manifest=dsse.sign(payload + extra, MANIFEST_TYPE, press.signers))
        with refused_at("PAYLOAD"):
            load(press.documents(forged), sealed.objects)


def test_unknown_fields_within_a_segment_and_in_the_envelope():
    sealed = press.seal(RECORDS)
    with refused_at("PAYLOAD"):
        load(resigned(sealed, lambda m: m.segments[0].MergeFromString(b"\xf8\x07\x01")), sealed.objects)
    with refused_at("ENVELOPE"):
        load(replace(press.documents(sealed), manifest=sealed.manifest + b"\xf8\x07\x01"), sealed.objects)


LIES = {
    "suite downgrade": lambda m: setattr(m, "suite", 0),
    "unknown suite": lambda m: setattr(m, "suite", 99),
    "another format": lambda m: setattr(m, "format", "MCB0"),
    "no kind": lambda m: setattr(m, "kind", 0),
    "another publisher's bundle": lambda m: setattr(m, "bundle", "orgs/presse/bundles/b1"),
    "number zero": lambda m: setattr(m, "number", 0),
    "fast-forward number": lambda m: setattr(m, "number", NUMBER_MAX + 1),
    "dropped segment": lambda m: m.segments.pop(),
    "doubled segment": lambda m: m.segments.append(m.segments[-1]),
    "dropped stream": lambda m: m.streams.pop(),
    "no stream": lambda m: m.ClearField("streams"),
    "tensors stored compressed": lambda m: setattr(m.segments[-1], "compression", 2),
    "cubes stored plain": lambda m: setattr(m.segments[0], "compression", 1),
    "path as a file's name": lambda m: setattr(m.streams[1], "blob_tag", b"../../../etc/passwd"),
    "file without a name": lambda m: m.streams[1].ClearField("blob_tag"),
    "records with a file's name": lambda m: setattr(m.streams[0], "blob_tag", bytes(32)),
    "negative number of segments": lambda m: setattr(m.streams[0], "segment_count", -1),
    "lineage out of order": lambda m: m.lineage.extend(["b", "a"]),
    "tag of the cubes cut": lambda m: setattr(m, "cubes_tag", bytes(31)),
    "huge stream": lambda m: setattr(m.streams[0], "padded_bytes", 1 << 50),
    "negative stream": lambda m: setattr(m.streams[0], "padded_bytes", -8),
    "total differs": lambda m: setattr(m, "total_padded_bytes", 8),
    "more cubes than records": lambda m: setattr(m, "cube_count", 4),
    "huge segment": lambda m: setattr(m.segments[0], "size_bytes", 1 << 40),
    "short digest": lambda m: setattr(m.segments[0], "sha256", b"x"),
    "Merkle root differs": lambda m: setattr(m, "merkle_root", bytes(32)),
    "time out of range": lambda m: setattr(m.expire_time, "seconds", 1 << 60),
}


@pytest.mark.parametrize("name", [name for name in LIES if name != "time out of range"])
def test_a_manifest_that_lies_about_itself(name):
    sealed = press.seal(RECORDS, [tensor_file()])
    with refused_at("PAYLOAD"):
        load(resigned(sealed, LIES[name]), sealed.objects)


def test_a_time_that_no_calendar_has():
    sealed = press.seal(RECORDS, [tensor_file()])
    with refused_at("PAYLOAD"):
        load(resigned(sealed, LIES["time out of range"]), sealed.objects)


@pytest.mark.parametrize("field", ["manifest", "snapshot", "signed_time", "grant"])
def test_every_byte_of_the_documents_flipped_and_every_truncation(field):
    sealed = press.seal(RECORDS)
    documents = press.documents(sealed)
    original = getattr(documents, field)
    forged = [original[:n] for n in range(len(original))]
    forged += [
        original[:i] + bytes([original[i] ^ bit]) + original[i + 1 :] for i in range(len(original)) for bit in (1, 128)
    ]
    for data in forged:
        released = []
        with pytest.raises(PlatformError) as caught:
            released = load(replace(documents, **{field: data}), sealed.objects)
        assert caught.value.reason is Reason.BUNDLE_REJECTED
        assert caught.value.metadata["step"] in set(VerificationStep)
        assert released == []


def test_snapshot_type_is_its_own():
    assert SNAPSHOT_TYPE != MANIFEST_TYPE != GRANT_TYPE
