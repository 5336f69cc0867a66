from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memporium_platform.call import Principal, PrincipalKind
from memporium_platform.clock import ManualClock
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.tokens import LIFETIME_S, TokenIssuer, TokenVerifier

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ANN = Principal("orgs/acme/principals/ann", "acme", PrincipalKind.USER, credential="k1")


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def issue(clock: ManualClock, *, key: Ed25519PrivateKey = KEY, audience: str = "vault") -> str:
    return TokenIssuer(key, clock).issue(ANN, via="reader", audience=audience, purpose="research")


def refused(clock: ManualClock, token: str, *, audience: str = "vault") -> Reason:
    with pytest.raises(PlatformError) as caught:
        TokenVerifier(KEY.public_key(), clock).verify(token, audience=audience)
    return caught.value.reason


def test_a_token_names_the_user_and_the_calling_service(clock: ManualClock) -> None:
    token = issue(clock)
    assert TokenVerifier.is_internal(token)
    verifier = TokenVerifier(KEY.public_key(), clock)
    for _ in range(2):
        delegation = verifier.verify(token, audience="vault")
        assert delegation.principal == replace(ANN, via="reader")
        assert delegation.purpose == "research"


def test_a_token_is_for_one_service(clock: ManualClock) -> None:
    token = issue(clock)
    verifier = TokenVerifier(KEY.public_key(), clock)
    verifier.verify(token, audience="vault")
    with pytest.raises(PlatformError) as caught:
        verifier.verify(token, audience="memstore")
    assert caught.value.reason is Reason.CREDENTIAL_INVALID


def test_a_token_expires_also_when_it_is_remembered(clock: ManualClock) -> None:
    token = issue(clock)
    verifier = TokenVerifier(KEY.public_key(), clock)
    clock.advance(seconds=LIFETIME_S - 1)
    verifier.verify(token, audience="vault")
    clock.advance(seconds=1)
    with pytest.raises(PlatformError) as caught:
        verifier.verify(token, audience="vault")
    assert caught.value.reason is Reason.CREDENTIAL_EXPIRED


def test_a_token_from_the_future_is_refused(clock: ManualClock) -> None:
    later = ManualClock(clock.now())
    later.advance(minutes=5)
    assert refused(clock, issue(later)) is Reason.CREDENTIAL_INVALID


def test_a_fresh_token_is_used_again_and_renewed_in_time(clock: ManualClock) -> None:
    issuer = TokenIssuer(KEY, clock)
    first = issuer.issue(ANN, via="reader", audience="vault")
    clock.advance(seconds=20)
    assert issuer.issue(ANN, via="reader", audience="vault") == first
    assert issuer.issue(ANN, via="reader", audience="vault", purpose="other") != first
    assert issuer.issue(ANN, via="transfer", audience="vault") != first
    clock.advance(seconds=11)
    assert issuer.issue(ANN, via="reader", audience="vault") != first


def test_forgeries_are_refused(clock: ManualClock) -> None:
    header, body, signature = issue(clock).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = issue(clock, key=Ed25519PrivateKey.generate())
    none = encoded({"alg": "none", "typ": "memporium+jwt"})
    forged = [
        other,
        f"{header}.{encoded({**claims, 'sub': 'orgs/acme/principals/bob'})}.{signature}",
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{header}.{body}.",
        f"{header}.{body}",
        f"{header}..{signature}",
        f"{header}.{body}.{signature}x",
        f"{header}.{body}.é",
        "",
        "...",
    ]
    for token in forged:
        assert refused(clock, token) is Reason.CREDENTIAL_INVALID, token


@pytest.mark.parametrize(
    "change", [{"iss": "else"}, {"kind": "GOD"}, {"sub": None, "org": None, "kind": None}, {"exp": None}]
)
def test_signed_nonsense_is_refused(clock: ManualClock, change: dict[str, object]) -> None:
    header, body, _ = issue(clock).split(".")
    claims = {**json.loads(base64.urlsafe_b64decode(body + "==")), **change}
    signed = f"{header}.{encoded(claims)}"
    signature = base64.urlsafe_b64encode(KEY.sign(signed.encode())).decode().rstrip("=")
    assert refused(clock, f"{signed}.{signature}") is Reason.CREDENTIAL_INVALID
