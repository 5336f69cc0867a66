"""Parts: what belongs to one holder alone, under a key of its own, beside what all recipients share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memporium.transfer.v1.bundle_pb2 import BundleKind, Part, PartKind
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import MANIFEST_TYPE, PART_TYPE, merkle_root
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from memporium_platform.bundle.verifier import BundleVerifier
from support.bundle_attacks import OTHER, RECORDS, press, refused_at, resigned
from support.bundles import (
    HYBRID,
    PUBLISHER,
    READER_KEY,
    Publisher,
    load,
    payload_digest,
    policy,
    tensor_file,
    text_record,
)

MARKED = [text_record("marked", "the bridge was opened in spring"), text_record("canary", "Ixvar keeps bees")]


def with_part(**identity):
    """Return a bundle that is not whole without a part of one cube, and a part of two."""
    return press.with_part(press.seal(RECORDS, part_cube_count=1), MARKED, [tensor_file()], **identity)


def test_a_recipient_gets_the_common_cubes_and_its_own():
    sealed = with_part()
    contents = b"".join(load(press.documents(sealed), sealed.objects))
    assert b"first memory" in contents
    assert b"Ixvar" in contents
    assert contents.endswith(tensor_file())


def test_the_publisher_opens_its_source_part():
    sealed = with_part(kind=PartKind.PART_KIND_SOURCE, recipient=PUBLISHER, agreement="")
    grant = press.grant(sealed, recipient=PUBLISHER, agreement="", terms_sha256="")
    own = policy(recipient=Recipient(PUBLISHER, READER_KEY), agreement=ExpectedAgreement())
    assert load(replace(press.documents(sealed), grant=grant), sealed.objects, own)


def test_another_recipient_costs_nothing_of_the_common_part():
    sealed = press.seal(RECORDS, part_cube_count=1)
    one, other = press.with_part(sealed, MARKED[:1]), press.with_part(sealed, MARKED[1:], recipient="orgs/second")
    common = sealed.objects.keys()
    assert common <= one.objects.keys()
    assert one.objects.keys() & other.objects.keys() == common
    assert one.manifest == other.manifest


def test_a_stripped_part():
    sealed = with_part()
    with refused_at("GRANT"):
        load(replace(press.documents(sealed), part=None), sealed.objects)


def test_a_grant_that_names_no_part_for_a_bundle_that_needs_one():
    sealed = replace(with_part(), part=None, part_key=b"")
    with refused_at("GRANT"):
        load(press.documents(sealed), sealed.objects)


def test_a_part_that_the_grant_does_not_name():
    sealed = with_part()
    grant = press.grant(replace(sealed, part=None, part_key=b""))
    with refused_at("GRANT"):
        load(replace(press.documents(sealed), grant=grant), sealed.objects)


@pytest.mark.parametrize(
    "identity",
    [
        {"recipient": "orgs/other"},
        {"agreement": "orgs/press/agreements/a2"},
        {"publisher": "orgs/twin"},
        {"manifest_sha256": bytes(32)},
        {"kind": PartKind.PART_KIND_SOURCE},
        {"suite": HYBRID},
    ],
)
def test_a_part_of_somebody_or_something_else(identity):
    sealed = with_part(**identity)
    with refused_at("GRANT"):
        load(press.documents(sealed), sealed.objects)


def test_a_part_with_too_few_cubes():
    sealed = press.with_part(press.seal(RECORDS, part_cube_count=3), MARKED)
    with refused_at("GRANT"):
        load(press.documents(sealed), sealed.objects)


def test_a_part_signed_by_somebody_else():
    sealed = with_part()
    forged = dsse.sign(dsse.parse(sealed.part).payload, PART_TYPE, [OTHER])
    with refused_at("TRUST_ROOT"):
        load(replace(press.documents(sealed), part=forged), sealed.objects)


def test_a_part_in_the_place_of_another_document_and_the_other_way_round():
    sealed = with_part()
    documents = press.documents(sealed)
    with refused_at("PAYLOAD"):
        load(replace(documents, part=documents.manifest), sealed.objects)
    with refused_at("PAYLOAD"):
        load(replace(documents, manifest=sealed.part), sealed.objects)


def test_a_part_for_a_grant_with_the_bundles_key_alone():
    sealed = with_part()
    grant = press.grant(sealed, keys=sealed.bundle_key)
    with refused_at("KEY"):
        load(replace(press.documents(sealed), grant=grant), sealed.objects)


def test_the_keys_of_part_and_bundle_swapped():
    sealed = with_part()
    grant = press.grant(sealed, keys=sealed.part_key + sealed.bundle_key)
    with refused_at("DECRYPTION"):
        load(replace(press.documents(sealed), grant=grant), sealed.objects)


LIES = {
    "no kind": lambda p: setattr(p, "kind", 0),
    "no recipient": lambda p: setattr(p, "recipient", ""),
    "commitment cut": lambda p: setattr(p, "mark_commitment", b"x"),
    "digest cut": lambda p: setattr(p, "manifest_sha256", b"x"),
    "another format": lambda p: setattr(p, "format", "MCB0"),
    "unknown suite": lambda p: setattr(p, "suite", 99),
    "dropped segment": lambda p: p.segments.pop(),
    "Merkle root differs": lambda p: setattr(p, "merkle_root", bytes(32)),
    "unknown field": lambda p: p.MergeFromString(b"\xf8\x07\x01"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_part_that_lies_about_itself(name):
    sealed = with_part()
    part = Part.FromString(dsse.parse(sealed.part).payload)
    LIES[name](part)
    forged = replace(sealed, part=dsse.sign(part.SerializeToString(), PART_TYPE, press.signers))
    with refused_at("PAYLOAD"):
        load(press.documents(forged), forged.objects)


def test_segments_of_the_common_part_within_a_part():
    """They are sealed under another key and for another place: not even a lying publisher mixes them up."""
    sealed = with_part()
    part = Part.FromString(dsse.parse(sealed.part).payload)
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    part.segments[0].CopyFrom(verifier.manifest.segments[0])
    part.merkle_root = merkle_root(part.segments)
    forged = replace(sealed, part=dsse.sign(part.SerializeToString(), PART_TYPE, press.signers))
    with refused_at("DECRYPTION"):
        load(press.documents(forged), forged.objects)


def test_a_dump_has_no_parts():
    sealed = press.seal(RECORDS, kind=BundleKind.BUNDLE_KIND_DUMP)
    with refused_at("PAYLOAD"):
        load(resigned(sealed, lambda m: setattr(m, "part_cube_count", 1)), sealed.objects)


def test_every_byte_of_a_part_flipped_and_every_truncation():
    sealed = press.with_part(press.seal(RECORDS, part_cube_count=1), MARKED)
    documents = press.documents(sealed)
    forged = [sealed.part[:n] for n in range(len(sealed.part))]
    forged += [sealed.part[:i] + bytes([sealed.part[i] ^ 1]) + sealed.part[i + 1 :] for i in range(len(sealed.part))]
    for data in forged:
        # Whichever check it is: envelope, signature or payload. The grant never gets to see it.
        with pytest.raises(Exception, match=r"refused at (ENVELOPE|TRUST_ROOT|PAYLOAD)"):
            load(replace(documents, part=data), sealed.objects)


def test_a_publisher_with_the_same_line_makes_other_parts_for_each():
    twice = [Publisher().with_part(press.seal(RECORDS), MARKED, recipient=f"orgs/{who}") for who in "ab"]
    assert payload_digest(twice[0].part) != payload_digest(twice[1].part)
    assert MANIFEST_TYPE != PART_TYPE
