"""The hybrid suite: two signatures of different kinds, and a key that both X25519 and ML-KEM-768 must open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from memporium.transfer.v1.bundle_pb2 import Grant
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import GRANT_TYPE
from memporium_platform.bundle.dsse import SigningKey, TrustRoot
from memporium_platform.bundle.grants import Recipient
from memporium_platform.bundle.recipients import HybridPrivateKey, HybridPublicKey
from support.bundle_attacks import OTHER, RECORDS, press, refused_at
from support.bundles import HYBRID, READER, READER_KEY, SIGNER, SUITE, Publisher, load, policy, secret

SECOND = MLDSA65PrivateKey.from_seed_bytes(secret("second half"))
WHOLE = SigningKey(SIGNER, SECOND)
READER_HYBRID = HybridPrivateKey.from_seeds(secret("mlkem") * 2, secret("x25519"))
publisher = Publisher(signers=[WHOLE])


def strict(**changes):
    """Return the policy of a reader that trusts keys of two halves and has both kinds of key."""
    reader = Recipient(READER, READER_KEY, READER_HYBRID)
    return policy(**({"trust": TrustRoot.of([WHOLE.public]), "recipient": reader} | changes))


def sealed_hybrid():
    sealed = publisher.seal(RECORDS, suite=HYBRID)
    return sealed, publisher.documents(sealed, key=READER_HYBRID)


def test_a_hybrid_bundle_loads_and_its_grants_are_of_the_known_size():
    sealed, documents = sealed_hybrid()
    assert load(documents, sealed.objects, strict())
    grant = Grant.FromString(dsse.parse(documents.grant).payload)
    assert len(grant.sealed_key) == 1120 + 32 + 16
    assert [len(signature.sig) for signature in dsse.parse(documents.manifest).signatures] == [64, 3309]


def test_a_public_key_of_a_recipient_comes_back_from_its_bytes():
    public = READER_HYBRID.public_key().public_bytes_raw()
    assert len(public) == 1216
    assert HybridPublicKey.from_bytes(public).public_bytes_raw() == public
    with pytest.raises(ValueError, match=r".+"):
        HybridPublicKey.from_bytes(public[:-1])


@pytest.mark.parametrize("field", ["manifest", "snapshot", "signed_time", "grant"])
@pytest.mark.parametrize("half", [0, 1])
def test_one_half_stripped(field, half):
    sealed, documents = sealed_hybrid()
    envelope = dsse.parse(getattr(documents, field))
    del envelope.signatures[half]
    with refused_at("TRUST_ROOT"):
        load(replace(documents, **{field: envelope.SerializeToString()}), sealed.objects, strict())


@pytest.mark.parametrize("half", [0, 1])
def test_one_half_forged(half):
    """Whoever broke one of the two algorithms has gained nothing."""
    sealed, documents = sealed_hybrid()
    envelope = dsse.parse(documents.manifest)
    stranger = SigningKey(OTHER, MLDSA65PrivateKey.from_seed_bytes(secret("stranger")))
    forged = dsse.signatures(envelope.payload, envelope.payload_type, [stranger])[half]
    envelope.signatures[half].sig = forged.sig
    with refused_at("TRUST_ROOT"):
        load(replace(documents, manifest=envelope.SerializeToString()), sealed.objects, strict())


def test_the_suite_cannot_be_had_with_one_signature():
    sealed = press.seal(RECORDS, suite=HYBRID)
    with refused_at("PAYLOAD"):
        load(press.documents(sealed, key=READER_HYBRID), sealed.objects, strict(trust=policy().trust))


def test_a_downgrade_is_refused_by_a_reader_that_allows_the_hybrid_suite_alone():
    sealed = publisher.seal(RECORDS)
    with refused_at("PAYLOAD"):
        load(publisher.documents(sealed), sealed.objects, strict(suites=frozenset({HYBRID})))
    assert load(publisher.documents(sealed), sealed.objects, strict(suites=frozenset({SUITE, HYBRID})))


def test_a_classical_grant_for_a_hybrid_bundle():
    sealed, documents = sealed_hybrid()
    with refused_at("GRANT"):
        load(replace(documents, grant=publisher.grant(sealed)), sealed.objects, strict())


def test_a_reader_without_a_hybrid_key():
    sealed, documents = sealed_hybrid()
    with refused_at("GRANT"):
        load(documents, sealed.objects, strict(recipient=Recipient(READER, READER_KEY)))


@pytest.mark.parametrize(
    "key",
    [
        HybridPrivateKey.from_seeds(secret("mlkem") * 2, secret("other x25519")),
        HybridPrivateKey.from_seeds(secret("other mlkem") * 2, secret("x25519")),
    ],
)
def test_a_key_with_one_right_half_opens_nothing(key):
    sealed, documents = sealed_hybrid()
    grant = Grant.FromString(dsse.parse(documents.grant).payload)
    wrong = Grant.FromString(dsse.parse(publisher.grant(sealed, key=key)).payload)
    mixed = Grant(terms=grant.terms, sealed_key=wrong.sealed_key).SerializeToString()
    with refused_at("KEY"):
        load(replace(documents, grant=dsse.sign(mixed, GRANT_TYPE, publisher.signers)), sealed.objects, strict())


def test_keys_of_two_halves_and_of_one_make_a_threshold_together():
    plain = Ed25519PrivateKey.from_private_bytes(secret("plain"))
    trust = TrustRoot.of([WHOLE.public, plain.public_key()], threshold=2)
    both = Publisher(signers=[WHOLE, SigningKey(plain)])
    sealed = both.seal(RECORDS)
    assert load(both.documents(sealed), sealed.objects, strict(trust=trust))
    assert not trust.hybrid
    with refused_at("TRUST_ROOT"):
        load(publisher.documents(sealed), sealed.objects, strict(trust=trust))


def test_trust_in_the_same_key_with_and_without_its_second_half_is_not_the_same():
    assert TrustRoot.of([WHOLE.public]).fingerprint != TrustRoot.of([SIGNER.public_key()]).fingerprint
