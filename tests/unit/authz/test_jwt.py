import base64
import json

import pytest
from joserfc import jwt as jose
from joserfc.jwk import ECKey, OctKey, OKPKey

from memporium_platform.authz.entries import IssuerState
from memporium_platform.authz.jwt import JwtVerifier, parse_key_set
from memporium_platform.errors import PlatformError, Reason

KEY = OKPKey.generate_key("Ed25519", {"kid": "one"})
OTHER = OKPKey.generate_key("Ed25519", {"kid": "one"})
JWKS = json.dumps({"keys": [KEY.as_dict(private=False)]})
ISSUER = IssuerState("acme", "idp", "https://idp.acme", "memporium", JWKS, ("Ed25519",))
NOW = 1_900_000_000
CLAIMS = {"iss": "https://idp.acme", "aud": "memporium", "sub": "ann", "exp": NOW + 60, "nbf": NOW - 60}


def token(key=KEY, algorithm="Ed25519", **changes):
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jose.encode({"alg": algorithm, "kid": "one"}, claims, key, algorithms=[algorithm])


def verify(text, issuer=ISSUER, now=NOW, verifier=None):
    return (verifier or JwtVerifier()).verify(text, {issuer.issuer: issuer}, now_s=now)


def reason(text, **options):
    with pytest.raises(PlatformError) as caught:
        verify(text, **options)
    return caught.value.reason


def test_a_good_token_names_a_principal_of_the_issuers_organisation():
    assert verify(token()) == (ISSUER, "orgs/acme/principals/ann")
    assert verify(token(aud=["else", "memporium"], org="acme"))[1] == "orgs/acme/principals/ann"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_the_old_name_of_the_algorithm_is_good_where_listed():
    assert reason(token(algorithm="EdDSA")) is Reason.CREDENTIAL_INVALID
    issuer = IssuerState("acme", "idp", "https://idp.acme", "memporium", JWKS, ("EdDSA",))
    assert verify(token(algorithm="EdDSA"), issuer=issuer)[1] == "orgs/acme/principals/ann"


def test_another_claim_may_hold_the_principal():
    issuer = IssuerState("acme", "idp", "https://idp.acme", "memporium", JWKS, ("Ed25519",), "email_id")
    assert verify(token(email_id="bob"), issuer=issuer)[1] == "orgs/acme/principals/bob"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "else"},
        {"aud": None},
        {"iss": "https://idp.other"},
        {"iss": None},
        {"sub": "../other/principals/eve"},
        {"sub": "Ann"},
        {"sub": None},
        {"sub": 7},
        {"org": "other"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": NOW + 3600},
        {"key": OTHER},
    ],
)
def test_wrong_claims_and_keys_are_refused_alike(changes):
    assert reason(token(**changes)) is Reason.CREDENTIAL_INVALID


def test_time_is_checked_again_when_the_token_is_remembered():
    verifier, text = JwtVerifier(), token()
    verify(text, verifier=verifier)
    assert reason(text, now=NOW + 3600, verifier=verifier) is Reason.CREDENTIAL_EXPIRED


def test_a_remembered_token_falls_with_its_issuer():
    verifier, text = JwtVerifier(), token()
    verify(text, verifier=verifier)
    changed = IssuerState("acme", "idp", "https://idp.acme", "else", JWKS, ("Ed25519",))
    assert reason(text, issuer=changed, verifier=verifier) is Reason.CREDENTIAL_INVALID
    with pytest.raises(PlatformError):
        verifier.verify(text, {}, now_s=NOW)


def test_algorithms_outside_of_the_list_are_refused():
    ec = ECKey.generate_key("P-256", {"kid": "one"})
    jwks = json.dumps({"keys": [ec.as_dict(private=False)]})
    issuer = IssuerState("acme", "idp", "https://idp.acme", "memporium", jwks, ("Ed25519",))
    assert reason(token(ec, "ES256"), issuer=issuer) is Reason.CREDENTIAL_INVALID


def test_the_public_key_is_no_shared_secret():
    secret = OctKey.import_key(base64.urlsafe_b64decode(KEY.as_dict(private=False)["x"] + "="), {"kid": "one"})
    issuer = IssuerState("acme", "idp", "https://idp.acme", "memporium", JWKS, ("Ed25519", "HS256", "none"))
    assert reason(token(secret, "HS256"), issuer=issuer) is Reason.CREDENTIAL_INVALID
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).rstrip(b"=").decode()
    assert reason(f"{header}.{body}.", issuer=issuer) is Reason.CREDENTIAL_INVALID


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c", "..", "e30.e30.", "x" * 10_000, "e30.bnVsbA.x", "e30.W10.x", "e30.eyJpc3MiOltdfQ.x"]
)
def test_malformed_tokens_are_refused(text):
    assert reason(text) is Reason.CREDENTIAL_INVALID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"keys": []}',
        '{"keys": 7}',
        '{"keys": [{}]}',
        pytest.param(json.dumps({"keys": [KEY.as_dict(private=True)]}), id="a private key"),
        pytest.param(json.dumps({"keys": [OctKey.generate_key(256).as_dict(private=True)]}), id="a secret"),
        '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "??"}]}',
    ],
)
def test_key_sets_hold_public_keys_alone(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_key_set(text)
