"""The chain of roots by which a publisher changes its keys."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from memporium.transfer.v1.bundle_pb2 import Root
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import MANIFEST_TYPE
from memporium_platform.bundle.dsse import SigningKey, TrustRoot
from memporium_platform.bundle.limits import ROOT_MAX
from memporium_platform.bundle.roots import ROOT_TYPE, follow, make_root, whole
from support.bundle_attacks import RECORDS, refused_at
from support.bundles import NOW, PUBLISHER, Publisher, load, policy, secret

KEYS = [SigningKey(Ed25519PrivateKey.from_private_bytes(secret(f"generation {n}"))) for n in range(4)]
HYBRID_KEY = SigningKey(KEYS[2].first, MLDSA65PrivateKey.from_seed_bytes(secret("half")))
FIRST = TrustRoot.of([KEYS[0].public])


def root(number, key, before=(), **more):
    """Return the root with one key."""
    return make_root(PUBLISHER, number, [key], before=before, create_time=NOW, **more)


CHAIN = [root(1, KEYS[0]), root(2, KEYS[1], [KEYS[0]]), root(3, HYBRID_KEY, [KEYS[1]])]


def test_whoever_trusts_the_first_root_comes_to_trust_the_newest():
    trust, number = follow(FIRST, CHAIN, publisher=PUBLISHER)
    assert (trust.fingerprint, number) == (TrustRoot.of([HYBRID_KEY.public]).fingerprint, 3)
    assert trust.hybrid


def test_whoever_came_in_between_goes_on_from_there():
    trust, number = follow(TrustRoot.of([KEYS[1].public]), CHAIN, publisher=PUBLISHER, number=2)
    assert (trust.hybrid, number) == (True, 3)


def test_no_roots_change_nothing():
    assert follow(FIRST, [], publisher=PUBLISHER) == (FIRST, 1)


def test_a_bundle_that_was_signed_again_loads_for_those_who_trust_the_old_key_and_for_those_who_trust_the_new():
    old, new = Publisher(signers=[KEYS[0]]), Publisher(signers=[KEYS[1]])
    sealed = old.seal(RECORDS)
    documents = old.documents(sealed)
    again = type(documents)(
        *(
            dsse.countersigned(envelope, new.signers)
            for envelope in (documents.manifest, documents.snapshot, documents.signed_time, documents.grant)
        )
    )
    trust, _ = follow(FIRST, CHAIN[:2], publisher=PUBLISHER)
    for trusted in (FIRST, trust):
        assert load(again, sealed.objects, policy(trust=trusted))
    with refused_at("TRUST_ROOT"):
        load(documents, sealed.objects, policy(trust=trust))


def test_signing_again_twice_adds_one_signature():
    sealed = Publisher(signers=[KEYS[0]]).seal(RECORDS)
    twice = dsse.countersigned(dsse.countersigned(sealed.manifest, [KEYS[1]]), [KEYS[1]])
    assert len(dsse.parse(twice).signatures) == 2


ATTACKS = {
    "a root that the one before did not sign": [root(2, KEYS[1])],
    "a root that its own key did not sign": [
        dsse.sign(dsse.parse(root(2, KEYS[1])).payload, ROOT_TYPE, [KEYS[0]]),
    ],
    "a root left out": [CHAIN[2]],
    "a root of a stranger": [root(2, KEYS[3], [KEYS[3]])],
    "fast forward": [root(1 << 40, KEYS[1], [KEYS[0]])],
    "a root signed by the one before the last": [CHAIN[1], root(3, KEYS[2], [KEYS[0]])],
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_on_the_chain(name):
    with refused_at("TRUST_ROOT"):
        follow(FIRST, ATTACKS[name], publisher=PUBLISHER)


def test_going_back_to_an_older_root_changes_nothing():
    trust, number = follow(FIRST, [*CHAIN, CHAIN[1]], publisher=PUBLISHER)
    assert (trust.hybrid, number) == (True, 3)


def test_another_publishers_root():
    foreign = make_root("orgs/twin", 2, [KEYS[1]], before=[KEYS[0]], create_time=NOW)
    with refused_at("TRUST_ROOT"):
        follow(FIRST, [foreign], publisher=PUBLISHER)


def _forged(change) -> bytes:
    message = Root.FromString(dsse.parse(CHAIN[1]).payload)
    change(message)
    return dsse.sign(message.SerializeToString(), ROOT_TYPE, [KEYS[0], KEYS[1]])


@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("TRUST_ROOT", lambda r: r.ClearField("keys")),
        ("TRUST_ROOT", lambda r: r.keys.append(r.keys[0])),
        ("TRUST_ROOT", lambda r: setattr(r.keys[0], "ed25519", b"short")),
        ("TRUST_ROOT", lambda r: setattr(r.keys[0], "mldsa65", b"short")),
        ("TRUST_ROOT", lambda r: setattr(r, "threshold", 0)),
        ("TRUST_ROOT", lambda r: setattr(r, "threshold", 2)),
        ("TRUST_ROOT", lambda r: r.keys.extend([r.keys[0]] * 16)),
        ("PAYLOAD", lambda r: setattr(r, "format", "MCB0")),
        ("PAYLOAD", lambda r: r.MergeFromString(b"\xf8\x07\x01")),
    ],
)
def test_roots_that_are_malformed(step, change):
    with refused_at(step):
        follow(FIRST, [_forged(change)], publisher=PUBLISHER)


def test_endless_root_and_another_document_as_a_root():
    with refused_at("SIZE_CAPS"):
        follow(FIRST, [bytes(ROOT_MAX + 1)], publisher=PUBLISHER)
    message = dsse.parse(CHAIN[1])
    with refused_at("PAYLOAD"):
        follow(FIRST, [dsse.sign(message.payload, MANIFEST_TYPE, [KEYS[0], KEYS[1]])], publisher=PUBLISHER)


def test_every_byte_of_a_root_flipped():
    for index in range(len(CHAIN[1])):
        forged = bytearray(CHAIN[1])
        forged[index] ^= 1
        with pytest.raises(Exception, match=r"refused at (ENVELOPE|TRUST_ROOT|PAYLOAD)"):
            follow(FIRST, [bytes(forged)], publisher=PUBLISHER)


def test_a_certified_first_half_leads_to_the_root_with_both_halves():
    certified = TrustRoot.of([HYBRID_KEY.first.public_key()])
    envelope = root(1, HYBRID_KEY)
    trust = whole(certified, [envelope], publisher=PUBLISHER)
    assert trust.hybrid
    assert not whole(certified, [root(1, KEYS[2])], publisher=PUBLISHER).hybrid


@pytest.mark.parametrize("case", ["none", "another key", "another publisher", "half stripped", "more keys"])
def test_a_root_that_is_not_of_the_certified_keys_is_refused(case):
    keys = [HYBRID_KEY, KEYS[3]] if case == "more keys" else [HYBRID_KEY]
    envelope = make_root("orgs/other" if case == "another publisher" else PUBLISHER, 1, keys, create_time=NOW)
    if case == "half stripped":
        stripped = dsse.parse(envelope)
        del stripped.signatures[1]
        envelope = stripped.SerializeToString()
    certified = TrustRoot.of([KEYS[3 if case == "another key" else 2].first.public_key()])
    with refused_at("TRUST_ROOT"):
        whole(certified, [] if case == "none" else [envelope], publisher=PUBLISHER)
