"""Attacks with old, mixed or revoked documents, each refused at the check that is there for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from memporium_platform.bundle import dsse
from memporium_platform.bundle.freshness import Seen
from memporium_platform.bundle.limits import NUMBER_MAX
from support.bundle_attacks import RECORDS, press, refused_at, with_snapshot
from support.bundles import (
    NOW,
    PUBLISHER,
    Publisher,
    load,
    policy,
)


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
    sealed, other = press.seal(RECORDS), press.seal(RECORDS[:1])
    with refused_at("SNAPSHOT"):
        load(with_snapshot(sealed, press.snapshot([other])), sealed.objects)


def test_a_bundle_named_twice_in_the_snapshot():
    sealed, other = press.seal(RECORDS), press.seal(RECORDS[:1])
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
