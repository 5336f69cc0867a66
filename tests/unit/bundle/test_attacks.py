"""Attacks on bundles, each refused at the check that is there for it and with nothing released."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from memporium.transfer.v1.bundle_pb2 import BundleKind, Envelope, EnvelopeSignature, Grant, Manifest
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import (
    GRANT_TYPE,
    MANIFEST_TYPE,
    SNAPSHOT_TYPE,
    Documents,
    merkle_root,
    stamp,
)
from memporium_platform.bundle.freshness import Seen
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from memporium_platform.bundle.keys import BundleKey, LineSecret
from memporium_platform.bundle.limits import MANIFEST_MAX, NUMBER_MAX
from memporium_platform.bundle.records import RecordError
from memporium_platform.bundle.segments import seal_segment
from memporium_platform.bundle.steps import VerificationStep
from memporium_platform.bundle.verifier import BundleVerifier
from memporium_platform.errors import PlatformError, Reason
from support.bundles import (
    AGREEMENT,
    NOW,
    PUBLISHER,
    READER,
    READER_KEY,
    SIGNER,
    TERMS,
    Publisher,
    load,
    policy,
    secret,
    tensor_file,
)

RECORDS = [b"first memory", b"second memory"]
OTHER = Ed25519PrivateKey.from_private_bytes(secret("other"))
press = Publisher()


@contextmanager
def refused_at(step: str):
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


def test_an_honest_bundle_loads_and_every_step_is_passed_in_order():
    blob = tensor_file()
    sealed = press.seal(RECORDS, [blob])
    assert b"".join(load(press.documents(sealed), sealed.objects)).endswith(blob)
    passed = list(BundleVerifier(policy()).documents(press.documents(sealed)))
    assert passed == list(VerificationStep)[:8]


def test_an_empty_bundle_loads():
    sealed = press.seal([])
    assert load(press.documents(sealed), sealed.objects) == []


# --- the documents -------------------------------------------------------------------------------------------------


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
    "path as a file's name": lambda m: setattr(m.streams[1], "blob_sha256", "../../../etc/passwd"),
    "huge stream": lambda m: setattr(m.streams[0], "padded_bytes", 1 << 50),
    "negative stream": lambda m: setattr(m.streams[0], "padded_bytes", -8),
    "total differs": lambda m: setattr(m, "total_padded_bytes", 8),
    "more cubes than records": lambda m: setattr(m, "cube_count", 3),
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


# --- freshness -----------------------------------------------------------------------------------------------------


def test_freeze_with_an_old_signed_time():
    sealed = press.seal(RECORDS)
    with refused_at("FRESHNESS"):
        load(press.documents(sealed), sealed.objects, policy(now=NOW + timedelta(seconds=3600)))


def test_a_signed_time_that_lives_too_long():
    sealed = press.seal(RECORDS)
    documents = press.documents(sealed)
    with refused_at("FRESHNESS"):
        load(replace(documents, signed_time=press.signed_time(documents.snapshot, life_s=3601)), sealed.objects)


def test_a_signed_time_from_the_future():
    sealed = press.seal(RECORDS)
    with refused_at("FRESHNESS"):
        load(press.documents(sealed), sealed.objects, policy(now=NOW - timedelta(minutes=10)))


def test_rollback_of_the_signed_time():
    sealed = press.seal(RECORDS)
    with refused_at("FRESHNESS"):
        load(press.documents(sealed), sealed.objects, policy(seen=Seen(signed_time=2)))


def test_fast_forward_of_the_signed_time():
    sealed = press.seal(RECORDS)
    documents = press.documents(sealed)
    forged = press.signed_time(documents.snapshot, number=NUMBER_MAX + 1)
    with refused_at("FRESHNESS"):
        load(replace(documents, signed_time=forged), sealed.objects)


def test_mix_and_match_of_signed_time_and_snapshot():
    sealed = press.seal(RECORDS)
    newer = press.snapshot([sealed], number=2)
    with refused_at("FRESHNESS"):
        load(replace(press.documents(sealed), snapshot=newer), sealed.objects)


def test_another_publishers_signed_time():
    sealed, twin = press.seal(RECORDS), Publisher(name="orgs/twin")
    documents = press.documents(sealed)
    with refused_at("FRESHNESS"):
        load(replace(documents, signed_time=twin.signed_time(documents.snapshot)), sealed.objects)


def test_an_expired_bundle():
    sealed = press.seal(RECORDS, expire_time=NOW)
    with refused_at("FRESHNESS"):
        load(press.documents(sealed), sealed.objects)


def with_snapshot(sealed, snapshot, *, number=1):
    return Documents(
        sealed.manifest, snapshot, press.signed_time(snapshot, snapshot_number=number), press.grant(sealed)
    )


def test_rollback_of_the_snapshot():
    sealed = press.seal(RECORDS)
    with refused_at("SNAPSHOT"):
        load(press.documents(sealed), sealed.objects, policy(seen=Seen(snapshot=2)))


def test_rollback_of_the_revocations():
    sealed = press.seal(RECORDS)
    with refused_at("SNAPSHOT"):
        load(press.documents(sealed), sealed.objects, policy(seen=Seen(revocation_epoch=1)))


def test_rollback_to_an_older_version_where_the_newest_was_asked_for():
    old, new = press.seal(RECORDS, number=1), press.seal(RECORDS, number=2)
    documents = press.documents(old, [new])
    assert load(documents, old.objects)
    with refused_at("SNAPSHOT"):
        load(documents, old.objects, policy(newest=True))
    with refused_at("SNAPSHOT"):
        load(press.documents(old), old.objects, policy(newest=True, seen=Seen(line=2)))


def test_a_bundle_that_is_not_in_the_snapshot():
    sealed, other = press.seal(RECORDS), press.seal(RECORDS, number=2)
    with refused_at("SNAPSHOT"):
        load(with_snapshot(sealed, press.snapshot([other])), sealed.objects)


def test_a_manifest_swapped_for_another_of_the_same_name():
    sealed, other = press.seal(RECORDS), press.seal([b"other"])
    with refused_at("SNAPSHOT"):
        load(with_snapshot(sealed, press.snapshot([other])), sealed.objects)


def test_a_bundle_named_twice_in_the_snapshot():
    sealed, other = press.seal(RECORDS), press.seal([b"other"])
    with refused_at("SNAPSHOT"):
        load(with_snapshot(sealed, press.snapshot([sealed, other])), sealed.objects)


def test_a_revoked_bundle():
    sealed = press.seal(RECORDS)
    digest = sha256(dsse.parse(sealed.manifest).payload).digest()
    with refused_at("SNAPSHOT"):
        load(with_snapshot(sealed, press.snapshot([sealed], epoch=1, revoked_manifests=[digest])), sealed.objects)


def test_a_snapshot_with_another_number_than_the_signed_time_says():
    sealed = press.seal(RECORDS)
    with refused_at("SNAPSHOT"):
        load(with_snapshot(sealed, press.snapshot([sealed]), number=2), sealed.objects)


def test_another_bundle_than_asked_for():
    sealed = press.seal(RECORDS)
    with refused_at("SNAPSHOT"):
        load(press.documents(sealed), sealed.objects, policy(bundle=f"{PUBLISHER}/bundles/other"))


def test_another_publishers_bundle_with_the_same_keys():
    twin = Publisher(name="orgs/twin")
    sealed = twin.seal(RECORDS)
    with refused_at("FRESHNESS"):
        load(twin.documents(sealed), sealed.objects)


# --- grants --------------------------------------------------------------------------------------------------------

GRANTS = {
    "another recipient's": {"recipient": "orgs/thief"},
    "another key's": {"recipient_key_id": "00" * 32},
    "another agreement's": {"agreement": "orgs/press/agreements/a2"},
    "without an agreement": {"agreement": ""},
    "other terms": {"terms_sha256": "cd" * 32},
    "another publisher's": {"publisher": "orgs/twin"},
    "another bundle's": {"manifest_sha256": bytes(32)},
    "over": {"end_time": stamp(NOW)},
    "not yet": {"start_time": stamp(NOW + timedelta(hours=1))},
    "epoch of the future": {"revocation_epoch": 5},
}


@pytest.mark.parametrize("name", GRANTS)
def test_a_grant_that_is(name):
    sealed = press.seal(RECORDS)
    with refused_at("GRANT"):
        load(replace(press.documents(sealed), grant=press.grant(sealed, **GRANTS[name])), sealed.objects)


def test_no_grant():
    sealed = press.seal(RECORDS)
    with refused_at("GRANT"):
        load(replace(press.documents(sealed), grant=None), sealed.objects)


def test_replay_of_a_grant_for_another_version():
    old, new = press.seal(RECORDS, number=1), press.seal(RECORDS, number=2)
    with refused_at("GRANT"):
        load(replace(press.documents(new), grant=press.grant(old)), new.objects)


def test_a_grant_of_another_suite():
    sealed = press.seal(RECORDS)
    with refused_at("PAYLOAD"):
        load(replace(press.documents(sealed), grant=press.grant(sealed, suite=0)), sealed.objects)


@pytest.mark.parametrize(
    "agreement",
    [
        ExpectedAgreement(AGREEMENT, active=False, terms_sha256=TERMS),
        ExpectedAgreement(AGREEMENT, active=True, terms_sha256="00" * 32),
        ExpectedAgreement("orgs/press/agreements/a2", active=True, terms_sha256=TERMS),
    ],
)
def test_an_agreement_that_is_not_in_force_or_another(agreement):
    sealed = press.seal(RECORDS)
    with refused_at("GRANT"):
        load(press.documents(sealed), sealed.objects, policy(agreement=agreement))


def test_a_revoked_agreement():
    sealed = press.seal(RECORDS)
    snapshot = press.snapshot([sealed], epoch=1, revoked_agreements=[AGREEMENT])
    with refused_at("GRANT"):
        load(with_snapshot(sealed, snapshot), sealed.objects)


def test_forwarding_to_another_recipient():
    sealed = press.seal(RECORDS)
    thief = Recipient("orgs/thief", X25519PrivateKey.from_private_bytes(secret("thief")))
    with refused_at("GRANT"):
        load(press.documents(sealed), sealed.objects, policy(recipient=thief))


def test_terms_of_one_grant_with_the_key_of_another():
    sealed = press.seal(RECORDS)
    mine, other = (
        Grant.FromString(dsse.parse(press.grant(sealed, grant_id=grant_id)).payload) for grant_id in ("one", "two")
    )
    mixed = Grant(terms=mine.terms, sealed_key=other.sealed_key).SerializeToString()
    with refused_at("KEY"):
        load(replace(press.documents(sealed), grant=dsse.sign(mixed, GRANT_TYPE, press.signers)), sealed.objects)


@pytest.mark.parametrize("key", [b"", b"short", bytes(79), bytes(81)])
def test_a_sealed_key_that_is_none(key):
    sealed = press.seal(RECORDS)
    grant = Grant.FromString(dsse.parse(press.grant(sealed)).payload)
    forged = Grant(terms=grant.terms, sealed_key=key).SerializeToString()
    with refused_at("KEY"):
        load(replace(press.documents(sealed), grant=dsse.sign(forged, GRANT_TYPE, press.signers)), sealed.objects)


def test_an_own_dump_needs_no_agreement_and_another_organisation_gets_none():
    own = Recipient(PUBLISHER, READER_KEY)
    sealed = press.seal(RECORDS, kind=BundleKind.BUNDLE_KIND_DUMP)
    grant = press.grant(sealed, recipient=PUBLISHER, agreement="", terms_sha256="")
    documents = replace(press.documents(sealed), grant=grant)
    assert load(documents, sealed.objects, policy(recipient=own, agreement=ExpectedAgreement()))
    release = press.seal(RECORDS)
    stolen = press.grant(release, recipient=READER, agreement="", terms_sha256="")
    with refused_at("GRANT"):
        load(replace(press.documents(release), grant=stolen), {}, policy(agreement=ExpectedAgreement()))


# --- segments ------------------------------------------------------------------------------------------------------


def big_bundle():
    """Return a bundle of several segments: two tensor files beside the records."""
    return press.seal(RECORDS, [tensor_file({"a": [1.0] * 50}), tensor_file({"b": [2.0] * 50})])


def test_every_pair_of_segments_swapped():
    sealed = big_bundle()
    names = list(sealed.objects)
    assert len(names) == 3
    for one in names:
        for other in names:
            if one != other:
                swapped = sealed.objects | {one: sealed.objects[other], other: sealed.objects[one]}
                with refused_at("SEGMENT_DIGEST"):
                    load(press.documents(sealed), swapped)


def test_segments_out_of_order_skipped_or_twice():
    sealed = press.seal([bytes([i]) * (1 << 20) for i in range(40)])
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    objects = [sealed.objects[segment.sha256.hex()] for segment in verifier.manifest.segments]
    assert len(objects) >= 3
    for order in ([1], [0, 0], [0, 2]):
        content = verifier.content()
        with refused_at("SEGMENT_DIGEST"):
            for index in order:
                content.segment(index, objects[index])
    content = verifier.content()
    content.segment(0, objects[0])
    with refused_at("STREAM_DIGEST"):
        content.finish()


def test_after_a_failure_nothing_more_is_verified():
    sealed = big_bundle()
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    objects = [sealed.objects[segment.sha256.hex()] for segment in verifier.manifest.segments]
    content = verifier.content()
    with refused_at("SEGMENT_DIGEST"):
        content.segment(0, b"x" + objects[0][1:])
    with refused_at("SEGMENT_DIGEST"):
        content.segment(0, objects[0])
    with refused_at("STREAM_DIGEST"):
        content.finish()


def test_a_segment_of_another_bundle_of_the_line():
    """The publisher's signature covers the list, so only a lying publisher could do it; the place still refuses."""
    one, two = press.seal(RECORDS, number=1), press.seal([b"x" * 12, b"y" * 13], number=2)
    foreign = Manifest.FromString(dsse.parse(two.manifest).payload).segments[0]

    def swap(manifest):
        manifest.segments[0].CopyFrom(foreign)
        manifest.merkle_root = merkle_root(manifest.segments)

    with refused_at("DECRYPTION"):
        load(resigned(one, swap), one.objects | two.objects)


def forge_segment(content: bytes, *, compressed: bool = True, tensors: bool = False, records: int | None = None):
    """Return a bundle whose publisher sealed `content` as it is, with everything else consistent."""
    sealed = press.seal(RECORDS, [tensor_file()] if tensors else [])
    segment = seal_segment(content, LineSecret(press.line_secret), compressed=compressed)
    objects = sealed.objects | {segment.sha256.hex(): bytes(segment.data)}

    def change(manifest):
        from memporium_platform.bundle.documents import place
        from memporium_platform.bundle.padme import padded_size

        index = len(manifest.segments) - 1
        target, stream = manifest.segments[index], manifest.streams[-1]
        target.sha256, target.size_bytes = segment.sha256, len(segment.data)
        key = BundleKey(sealed.bundle_key)
        target.sealed_key = key.seal_segment_key(index, segment.key, place=place(index, target))
        digest = key.stream_digest(len(manifest.streams) - 1)
        digest.update(content)
        stream.digest, stream.padded_bytes = digest.digest(), padded_size(len(content))
        if tensors:
            stream.blob_sha256 = sha256(content).hexdigest()
        if records is not None:
            stream.record_count = records
        manifest.total_padded_bytes = sum(stream.padded_bytes for stream in manifest.streams)
        manifest.merkle_root = merkle_root(manifest.segments)

    return resigned(sealed, change), objects


def test_a_pickle_in_the_place_of_tensors():
    import pickle

    documents, objects = forge_segment(pickle.dumps({"weights": [1.0]}), compressed=False, tensors=True)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_not_a_number_among_the_tensors():
    documents, objects = forge_segment(tensor_file({"a": [float("nan")]}), compressed=False, tensors=True)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_records_that_are_malformed():
    documents, objects = forge_segment(b"\x0aabc")
    with refused_at("FORMAT"):
        load(documents, objects)


def test_another_number_of_records_than_the_manifest_says():
    documents, objects = forge_segment(b"\x01a", records=2)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_records_that_the_caller_refuses():
    def no_second(record):
        if record.startswith(b"second"):
            raise RecordError("not a cube")

    sealed = press.seal(RECORDS)
    with refused_at("FORMAT"):
        load(press.documents(sealed), sealed.objects, policy(check_record=no_second))


def test_zip_bomb_in_a_segment():
    """The stream claims little; the frame in its segment would grow beyond that."""
    documents, objects = forge_segment(bytes(1 << 20))
    envelope = dsse.parse(documents.manifest)
    manifest = Manifest.FromString(envelope.payload)
    manifest.streams[0].padded_bytes = manifest.total_padded_bytes = 1024
    forged = dsse.sign(manifest.SerializeToString(), MANIFEST_TYPE, press.signers)
    sealed = replace(press.seal(RECORDS), manifest=forged)
    with refused_at("DECOMPRESSION"):
        load(press.documents(sealed), objects)


def test_a_stream_with_another_digest():
    sealed = press.seal(RECORDS)
    with refused_at("STREAM_DIGEST"):
        load(resigned(sealed, lambda m: setattr(m.streams[0], "digest", bytes(32))), sealed.objects)


def test_a_file_under_another_files_name():
    sealed = press.seal(RECORDS, [tensor_file()])
    with refused_at("STREAM_DIGEST"):
        load(resigned(sealed, lambda m: setattr(m.streams[1], "blob_sha256", "00" * 32)), sealed.objects)


# --- all of it -----------------------------------------------------------------------------------------------------


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


def test_every_byte_of_a_segment_flipped_and_every_truncation():
    sealed = press.seal(RECORDS)
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    (original,) = sealed.objects.values()
    forged = [original[:n] for n in range(len(original))] + [original + b"\x00"]
    forged += [original[:i] + bytes([original[i] ^ 1]) + original[i + 1 :] for i in range(len(original))]
    for data in forged:
        with refused_at("SEGMENT_DIGEST"):
            verifier.content().segment(0, data)
        # Even where the digest was not looked at, decryption refuses: nothing of the content comes out.
        with refused_at("DECRYPTION"):
            verifier.content().decrypt(0, data)


def test_snapshot_type_is_its_own():
    assert SNAPSHOT_TYPE != MANIFEST_TYPE != GRANT_TYPE
