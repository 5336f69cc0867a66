"""Attacks on grants, each refused at the check that is there for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from memporium.transfer.v1.bundle_pb2 import BundleKind, Grant
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import (
    GRANT_TYPE,
    stamp,
)
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from support.bundle_attacks import RECORDS, press, refused_at, with_snapshot
from support.bundles import (
    AGREEMENT,
    NOW,
    PUBLISHER,
    READER,
    READER_KEY,
    TERMS,
    load,
    policy,
    secret,
)

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
